// SPDX-License-Identifier: GPL-2.0-or-later
//! OPAL that answers what its specification does not know. Calls that lie do nothing.

use eeh_powernv::opal::{FreezeStatus, NextErrorOut, Opal};

use super::Firmware;
use crate::lies::{Liar, Told};

/// The calls that can lie.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Named {
    /// OPAL_PCI_EEH_FREEZE_STATUS
    FreezeStatus,
    /// OPAL_PCI_EEH_FREEZE_CLEAR
    FreezeClear,
    /// OPAL_PCI_EEH_FREEZE_SET
    FreezeSet,
    /// OPAL_PCI_RESET
    Reset,
    /// OPAL_PCI_POLL
    Poll,
    /// OPAL_PCI_NEXT_ERROR
    NextError,
    /// OPAL_PCI_GET_PHB_DIAG_DATA2
    PhbDiag,
    /// OPAL_PCI_REINIT
    Reinit,
    /// OPAL_PCI_CONFIG_READ_*
    ConfigRead,
    /// OPAL_PCI_CONFIG_WRITE_*
    ConfigWrite,
}

/// A lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lie {
    /// The call.
    pub call: Named,
    /// How many calls from now on answer the truth first.
    pub after: u32,
    /// How many lie.
    pub times: u32,
    /// The return code.
    pub code: i64,
    /// The output of a freeze status.
    pub status: FreezeStatus,
    /// The output of a next error.
    pub next: NextErrorOut,
    /// What diag data and configuration space are full of.
    pub fill: u8,
}

impl Lie {
    /// A return code that is told for ever.
    #[must_use]
    pub fn code(call: Named, code: i64) -> Self {
        let (status, next) = (FreezeStatus::default(), NextErrorOut::default());
        Self { call, after: 0, times: u32::MAX, code, status, next, fill: 0 }
    }

    /// A state that is told for ever, with success.
    #[must_use]
    pub fn state(freeze_state: u8, pci_error_type: u16) -> Self {
        let status = FreezeStatus { freeze_state, pci_error_type };
        Self { status, ..Self::code(Named::FreezeStatus, 0) }
    }

    /// An error that is told so often, with success.
    #[must_use]
    pub fn error(next: NextErrorOut, times: u32) -> Self {
        Self { next, times, ..Self::code(Named::NextError, 0) }
    }

    /// The same, told so often only.
    #[must_use]
    pub const fn only(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// The same, after so many answers that are true.
    #[must_use]
    pub const fn after(self, after: u32) -> Self {
        Self { after, ..self }
    }
}

impl Told for Lie {
    type Call = Named;

    fn call(&self) -> Named {
        self.call
    }

    fn turns(&mut self) -> (&mut u32, &mut u32) {
        (&mut self.after, &mut self.times)
    }
}

/// Firmware that tells the truth until it is told to lie.
pub type Garbage = Liar<Firmware, Lie>;

impl Garbage {
    /// A call without outputs.
    fn plain(&self, call: Named, honest: impl FnOnce(&Firmware) -> i64) -> i64 {
        self.next(call).map_or_else(|| honest(self.honest()), |lie| lie.code)
    }
}

impl Opal for Garbage {
    fn pci_eeh_freeze_status(&self, phb: u64, pe: u64, out: &mut FreezeStatus) -> i64 {
        let Some(lie) = self.next(Named::FreezeStatus) else {
            return self.honest().pci_eeh_freeze_status(phb, pe, out);
        };
        *out = lie.status;
        lie.code
    }

    fn pci_eeh_freeze_clear(&self, phb: u64, pe: u64, action: u64) -> i64 {
        self.plain(Named::FreezeClear, |f| f.pci_eeh_freeze_clear(phb, pe, action))
    }

    fn pci_eeh_freeze_set(&self, phb: u64, pe: u64, action: u64) -> i64 {
        self.plain(Named::FreezeSet, |f| f.pci_eeh_freeze_set(phb, pe, action))
    }

    fn pci_reset(&self, id: u64, scope: u8, assert: u8) -> i64 {
        self.plain(Named::Reset, |f| f.pci_reset(id, scope, assert))
    }

    fn pci_poll(&self, id: u64) -> i64 {
        self.plain(Named::Poll, |f| f.pci_poll(id))
    }

    fn pci_next_error(&self, phb: u64, out: &mut NextErrorOut) -> i64 {
        let Some(lie) = self.next(Named::NextError) else { return self.honest().pci_next_error(phb, out) };
        *out = lie.next;
        lie.code
    }

    fn pci_get_phb_diag_data2(&self, phb: u64, buffer: &mut [u8]) -> i64 {
        let Some(lie) = self.next(Named::PhbDiag) else {
            return self.honest().pci_get_phb_diag_data2(phb, buffer);
        };
        buffer.fill(lie.fill);
        lie.code
    }

    fn pci_get_hub_diag_data(&self, hub: u64, buffer: &mut [u8]) -> i64 {
        self.honest().pci_get_hub_diag_data(hub, buffer)
    }

    fn pci_reinit(&self, phb: u64, scope: u64, data: u64) -> i64 {
        self.plain(Named::Reinit, |f| f.pci_reinit(phb, scope, data))
    }

    fn pci_err_inject(&self, phb: u64, pe: u32, kind: u32, function: u32, address: u64, mask: u64) -> i64 {
        self.honest().pci_err_inject(phb, pe, kind, function, address, mask)
    }

    fn pci_config_read(&self, phb: u64, bdf: u16, offset: u16, size: u8, out: &mut u32) -> i64 {
        let Some(lie) = self.next(Named::ConfigRead) else {
            return self.honest().pci_config_read(phb, bdf, offset, size, out);
        };
        *out = u32::from_ne_bytes([lie.fill; 4]);
        lie.code
    }

    fn pci_config_write(&self, phb: u64, bdf: u16, offset: u16, size: u8, value: u32) -> i64 {
        self.plain(Named::ConfigWrite, |f| f.pci_config_write(phb, bdf, offset, size, value))
    }
}
