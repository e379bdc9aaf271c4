// SPDX-License-Identifier: GPL-2.0-or-later
//! Configuration access through firmware.

use eeh_pe::Bdf;
use eeh_powernv::opal::rc;

use super::Call;

impl Call<'_> {
    /// What skiboot checks first: a dead PHB, arguments, a place on the root bus where nothing can
    /// be, a fence, and its own block while a link is down on purpose.
    fn config_check(&self, bdf: Bdf, offset: u16, size: u8) -> i64 {
        if self.phb.is_dead() {
            return rc::HARDWARE;
        }
        if !matches!(size, 1 | 2 | 4) || offset >= 0x1000 || !offset.is_multiple_of(u16::from(size)) {
            return rc::PARAMETER;
        }
        let root = self.phb.on_root_bus(bdf);
        let nowhere = root && !self.phb.knows(bdf);
        if nowhere || self.phb.is_fenced() || self.state.config_blocked && !root {
            return rc::HARDWARE;
        }
        rc::SUCCESS
    }

    pub(super) fn config_read(&self, bdf: u16, offset: u16, size: u8, out: &mut u32) -> i64 {
        let code = self.config_check(Bdf(bdf), offset, size);
        if code == rc::SUCCESS && !self.raw_read(Bdf(bdf), offset, size, out) {
            return rc::HARDWARE;
        }
        code
    }

    pub(super) fn config_write(&self, bdf: u16, offset: u16, size: u8, value: u32) -> i64 {
        let code = self.config_check(Bdf(bdf), offset, size);
        if code == rc::SUCCESS {
            self.raw_write(Bdf(bdf), offset, size, value);
        }
        code
    }
}
