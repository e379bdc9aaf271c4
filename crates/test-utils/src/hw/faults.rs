// SPDX-License-Identifier: GPL-2.0-or-later
//! Breaking things on purpose.

use eeh_pe::Bdf;

use super::history::Happened;
use super::pest::Stopped;
use super::phb::{HubError, Phb};

/// Why a device could not be broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CannotBreak {
    /// No function is there.
    NoDevice,
    /// It has no memory BAR.
    NoMemory,
    /// Its configuration space does not answer.
    NoAnswer,
}

impl Phb {
    /// The hardware freezes a PE, as on any error in it. `false`: no such PE.
    pub fn freeze(&self, pe: u32) -> bool {
        self.access(|s, _| {
            let known = pe < s.pest.count();
            s.hardware_freeze(pe);
            known
        })
    }

    /// The hardware fences the PHB: nothing goes through until it is reset.
    pub fn fence(&self) {
        self.access(|s, _| s.hardware_fence());
    }

    /// The PHB breaks for good: no reset helps.
    pub fn kill(&self) {
        self.access(|s, _| {
            s.dead = true;
            s.alarm = true;
            s.note(Happened::Died);
        });
    }

    /// The hub that the PHB hangs from reports an error.
    pub fn hub_error(&self, error: HubError) {
        self.access(|s, _| {
            s.hub = Some(error);
            s.alarm = true;
        });
    }

    /// Breaks the function at `bdf` as Linux's `eeh_dev_break` does: memory decoding off, a load from
    /// its first memory BAR, which nothing answers, memory decoding on again. Answers what the load
    /// read.
    ///
    /// C: `eeh_debugfs_break_device`
    ///
    /// # Errors
    ///
    /// See [`CannotBreak`].
    pub fn break_device(&self, bdf: Bdf) -> Result<u32, CannotBreak> {
        let bar = self
            .with_function(bdf, |s, i| s.fabric.get(i).bars.iter().find(|b| !b.io).map(|b| b.start))
            .ok_or(CannotBreak::NoDevice)?
            .ok_or(CannotBreak::NoMemory)?;
        let command = self.config_read(bdf, 4, 2).map_err(|_| CannotBreak::NoAnswer)?;
        if command == 0xffff {
            return Err(CannotBreak::NoAnswer);
        }
        self.config_write(bdf, 4, 2, command & !2).map_err(|_| CannotBreak::NoAnswer)?;
        let read = self.read32(bar);
        self.with_function(bdf, |s, i| s.fabric.get_mut(i).note_unsupported_request());
        // Also where a frozen PE takes no configuration cycles: only the load is to be broken.
        self.access(|s, now| {
            if let Some(i) = s.fabric.home(bdf) {
                s.write_register(i, 4, 2, command, now);
            }
        });
        Ok(read)
    }

    /// Stops a PE's traffic as firmware can: no error, no interrupt.
    pub(crate) fn stop(&self, pe: u32, stop: Stopped) {
        self.lock().pest.stop(pe, stop);
    }

    /// Lets a PE's traffic go on.
    pub(crate) fn release(&self, pe: u32, release: Stopped) {
        let mut s = self.lock();
        let was = s.pest.get(pe).any();
        s.pest.release(pe, release);
        if was && !s.pest.get(pe).any() {
            s.note(Happened::Thawed(pe));
        }
    }
}
