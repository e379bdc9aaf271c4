// SPDX-License-Identifier: GPL-2.0-or-later
//! Thawing: C's `eeh_ops->set_option(EEH_OPT_THAW_*)`.

use eeh_pe::{PeNumber, PeType};
use eeh_recovery::{FirmwareError, PeTarget, Thaw};

use crate::call::{done, name};
use crate::opal::{Opal, action};
use crate::{Phbs, PowerNv};

const fn token(what: Thaw) -> u64 {
    match what {
        Thaw::Mmio => action::MMIO,
        Thaw::Dma => action::DMA,
        Thaw::All => action::ALL,
    }
}

impl<O: Opal, P: Phbs> PowerNv<O, P> {
    /// Clears the freeze of every member of a PE; stops at the first that refuses, since a PE with a
    /// frozen member does not work. C: `pnv_ioda_unfreeze_pe`
    pub(crate) fn thaw_number(&self, phb: u64, pe: PeNumber, what: Thaw) -> Result<(), FirmwareError> {
        for member in self.members(phb, pe) {
            let code = self.opal.pci_eeh_freeze_clear(phb, u64::from(member.0), token(what));
            done(name::FREEZE_CLEAR, code)?;
        }
        Ok(())
    }

    /// [`eeh_recovery::SlotControl::thaw`]. A PHB's own PE has no freeze to clear: nothing
    /// is called. (C would clear PE 0's.)
    pub(crate) fn thaw_pe(&self, pe: &PeTarget, what: Thaw) -> Result<(), FirmwareError> {
        if pe.kind.contains(PeType::PHB) {
            return Ok(());
        }
        self.thaw_number(pe.phb.firmware, pe.number, what)
    }
}
