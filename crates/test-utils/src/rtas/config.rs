// SPDX-License-Identifier: GPL-2.0-or-later
//! Configuration cycles, and the restoring of bridges.

use eeh_pe::Bdf;

use super::pe::State;
use super::{Call, rc};

/// A register's address taken apart: function and offset.
fn register(config_addr: u32, size: u32) -> Option<(Bdf, u16, u8)> {
    let [high, bus, devfn, low] = config_addr.to_be_bytes();
    let offset = u16::from_be_bytes([high >> 4, low]);
    let size = u8::try_from(size).ok().filter(|size| matches!(size, 1 | 2 | 4))?;
    let aligned = high & 0xf == 0 && offset.is_multiple_of(u16::from(size));
    aligned.then_some((Bdf(u16::from_be_bytes([bus, devfn])), offset, size))
}

impl Call<'_> {
    /// Whether the function's PE is there for loads at all.
    fn is_reachable(&self, bdf: Bdf) -> bool {
        let open = |pe| matches!(self.state(pe), State::Runs | State::DmaStopped | State::Stopped);
        !self.is_isolated(bdf) && self.phb.pe_of(bdf).is_none_or(open)
    }

    /// All ones from a PE that is stopped, in reset or unavailable, and where nobody is.
    pub(super) fn config_read(&self, config_addr: u32, size: u32, out: &mut u32) -> i32 {
        let Some((bdf, offset, size)) = register(config_addr, size) else { return rc::PARAMETER };
        if self.is_reachable(bdf)
            && let Ok(value) = self.phb.config_read(bdf, offset, size)
        {
            *out = value;
        }
        rc::SUCCESS
    }

    pub(super) fn config_write(&self, config_addr: u32, size: u32, value: u32) -> i32 {
        let Some((bdf, offset, size)) = register(config_addr, size) else { return rc::PARAMETER };
        if self.is_reachable(bdf) {
            // A PHB that lets nothing through drops it.
            let _ = self.phb.config_write(bdf, offset, size, value);
        }
        rc::SUCCESS
    }

    /// `ibm,configure-pe` and `ibm,configure-bridge`: bridges in the PE become what they were at boot.
    /// There may be none, and errors show later: success.
    pub(super) fn configure(&mut self, pe: u32) -> i32 {
        if let Some(left) = self.record(pe).busy.filter(|&left| left > 0) {
            self.record(pe).busy = Some(left - 1);
            return self.behaviour.busy.status;
        }
        if matches!(self.state(pe), State::Runs | State::DmaStopped) {
            let mut members = self.phb.members(pe);
            members.sort_unstable();
            for bdf in members {
                if self.phb.is_bridge(bdf) {
                    self.phb.configure_bridge(bdf);
                }
            }
        }
        rc::SUCCESS
    }
}
