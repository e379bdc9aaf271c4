// SPDX-License-Identifier: GPL-2.0-or-later
//! OPAL's PCI calls: names, arguments and codes of `asm/opal-api.h`.

/// Return codes that mean something here.
pub mod rc {
    /// C: `OPAL_SUCCESS`
    pub const SUCCESS: i64 = 0;
    /// C: `OPAL_PARAMETER`
    pub const PARAMETER: i64 = -1;
    /// C: `OPAL_BUSY`
    pub const BUSY: i64 = -2;
    /// C: `OPAL_PARTIAL`
    pub const PARTIAL: i64 = -3;
    /// C: `OPAL_CLOSED`
    pub const CLOSED: i64 = -5;
    /// C: `OPAL_HARDWARE`
    pub const HARDWARE: i64 = -6;
    /// C: `OPAL_UNSUPPORTED`
    pub const UNSUPPORTED: i64 = -7;
    /// C: `OPAL_BUSY_EVENT`
    pub const BUSY_EVENT: i64 = -12;
    /// C: `OPAL_HARDWARE_FROZEN`
    pub const HARDWARE_FROZEN: i64 = -13;
}

/// Values of [`FreezeStatus::freeze_state`]. C: `enum OpalFreezeState`
pub mod stopped {
    /// C: `OPAL_EEH_STOPPED_NOT_FROZEN`
    pub const NOT_FROZEN: u8 = 0;
    /// C: `OPAL_EEH_STOPPED_MMIO_FREEZE`
    pub const MMIO: u8 = 1;
    /// C: `OPAL_EEH_STOPPED_DMA_FREEZE`
    pub const DMA: u8 = 2;
    /// C: `OPAL_EEH_STOPPED_MMIO_DMA_FREEZE`
    pub const MMIO_DMA: u8 = 3;
    /// C: `OPAL_EEH_STOPPED_RESET`
    pub const RESET: u8 = 4;
    /// C: `OPAL_EEH_STOPPED_TEMP_UNAVAIL`
    pub const TEMP_UNAVAIL: u8 = 5;
    /// C: `OPAL_EEH_STOPPED_PERM_UNAVAIL`
    pub const PERM_UNAVAIL: u8 = 6;
}

/// What a freeze call sets or clears. C: `enum OpalEehFreezeActionToken`
pub mod action {
    /// Loads and stores.
    pub const MMIO: u64 = 1;
    /// DMA and MSI.
    pub const DMA: u64 = 2;
    /// Both.
    pub const ALL: u64 = 3;
}

/// Values of `pci_error_type`. C: `enum OpalPciStatusToken`
pub mod error {
    /// C: `OPAL_EEH_NO_ERROR`
    pub const NONE: u16 = 0;
    /// C: `OPAL_EEH_IOC_ERROR`
    pub const IOC: u16 = 1;
    /// C: `OPAL_EEH_PHB_ERROR`
    pub const PHB: u16 = 2;
    /// C: `OPAL_EEH_PE_ERROR`
    pub const PE: u16 = 3;
    /// C: `OPAL_EEH_PE_MMIO_ERROR`
    pub const PE_MMIO: u16 = 4;
    /// C: `OPAL_EEH_PE_DMA_ERROR`
    pub const PE_DMA: u16 = 5;
}

/// Values of [`NextErrorOut::severity`]. C: `enum OpalPciErrorSeverity`
pub mod severity {
    /// C: `OPAL_EEH_SEV_NO_ERROR`
    pub const NONE: u16 = 0;
    /// C: `OPAL_EEH_SEV_IOC_DEAD`
    pub const IOC_DEAD: u16 = 1;
    /// C: `OPAL_EEH_SEV_PHB_DEAD`
    pub const PHB_DEAD: u16 = 2;
    /// C: `OPAL_EEH_SEV_PHB_FENCED`
    pub const PHB_FENCED: u16 = 3;
    /// C: `OPAL_EEH_SEV_PE_ER`
    pub const PE_ER: u16 = 4;
    /// C: `OPAL_EEH_SEV_INF`
    pub const INFORMATIVE: u16 = 5;
}

/// What [`Opal::pci_reset`] resets. C: `enum OpalPciResetScope`
pub mod scope {
    /// C: `OPAL_RESET_PHB_COMPLETE`
    pub const PHB_COMPLETE: u8 = 1;
    /// C: `OPAL_RESET_PHB_ERROR`: not a reset; clears the PHB's error injection registers.
    pub const PHB_ERROR: u8 = 3;
    /// C: `OPAL_RESET_PCI_HOT`
    pub const PCI_HOT: u8 = 4;
    /// C: `OPAL_RESET_PCI_FUNDAMENTAL`
    pub const PCI_FUNDAMENTAL: u8 = 5;
}

/// Directions of [`Opal::pci_reset`]. C: `enum OpalPciResetState`
pub mod reset {
    /// C: `OPAL_DEASSERT_RESET`
    pub const DEASSERT: u8 = 0;
    /// C: `OPAL_ASSERT_RESET`
    pub const ASSERT: u8 = 1;
}

/// C: `OPAL_REINIT_PCI_DEV`
pub const REINIT_PCI_DEV: u64 = 1000;

/// The slot of a PHB's device for [`Opal::pci_reset`] and [`Opal::pci_poll`]. C: `PCI_SLOT_ID`
#[must_use]
pub const fn slot_id(phb: u64, bdf: u16) -> u64 {
    let [hi, lo] = bdf.to_be_bytes();
    (1 << 63) | u64::from_be_bytes([0, 0, 0, 0, hi, lo, 0, 0]) | phb
}

/// Answers of [`Opal::pci_eeh_freeze_status`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FreezeStatus {
    /// One of [`stopped`].
    pub freeze_state: u8,
    /// One of [`error`].
    pub pci_error_type: u16,
}

/// Answers of [`Opal::pci_next_error`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NextErrorOut {
    /// The first frozen PE.
    pub first_frozen_pe: u64,
    /// One of [`error`].
    pub pci_error_type: u16,
    /// One of [`severity`].
    pub severity: u16,
}

/// OPAL's PCI services, as the firmware has them: numbers in, a return code out.
///
/// `phb` is the PHB's OPAL id; `id` of a reset or poll is that, or a [`slot_id`]. A service whose
/// token firmware does not have (C: `opal_check_token`) answers [`rc::UNSUPPORTED`].
///
/// # Context
///
/// [`Opal::pci_eeh_freeze_status`] and [`Opal::pci_eeh_freeze_set`]: any but NMI (OPAL refuses
/// re-entry). The others: a context that may sleep.
pub trait Opal {
    /// OPAL_PCI_EEH_FREEZE_STATUS (23)
    fn pci_eeh_freeze_status(&self, phb: u64, pe: u64, out: &mut FreezeStatus) -> i64;
    /// OPAL_PCI_EEH_FREEZE_CLEAR (26); `action`: one of [`action`].
    fn pci_eeh_freeze_clear(&self, phb: u64, pe: u64, action: u64) -> i64;
    /// OPAL_PCI_EEH_FREEZE_SET (97); `action`: one of [`action`].
    fn pci_eeh_freeze_set(&self, phb: u64, pe: u64, action: u64) -> i64;
    /// OPAL_PCI_RESET (49); `scope`: one of [`scope`]; `assert`: one of [`reset`]. Positive:
    /// milliseconds until a poll.
    fn pci_reset(&self, id: u64, scope: u8, assert: u8) -> i64;
    /// OPAL_PCI_POLL (62): positive: milliseconds until the next poll; 0: done.
    fn pci_poll(&self, id: u64) -> i64;
    /// OPAL_PCI_NEXT_ERROR (60)
    fn pci_next_error(&self, phb: u64, out: &mut NextErrorOut) -> i64;
    /// OPAL_PCI_GET_PHB_DIAG_DATA2 (64)
    fn pci_get_phb_diag_data2(&self, phb: u64, buffer: &mut [u8]) -> i64;
    /// OPAL_PCI_GET_HUB_DIAG_DATA (50)
    fn pci_get_hub_diag_data(&self, hub: u64, buffer: &mut [u8]) -> i64;
    /// OPAL_PCI_REINIT (53); `scope` [`REINIT_PCI_DEV`]: a device, `data` its BDF.
    fn pci_reinit(&self, phb: u64, scope: u64, data: u64) -> i64;
    /// OPAL_PCI_ERR_INJECT (96)
    fn pci_err_inject(&self, phb: u64, pe: u32, kind: u32, function: u32, address: u64, mask: u64) -> i64;
    /// OPAL_PCI_CONFIG_READ_* (13, 14, 15); `size` 1, 2 or 4.
    fn pci_config_read(&self, phb: u64, bdf: u16, offset: u16, size: u8, out: &mut u32) -> i64;
    /// OPAL_PCI_CONFIG_WRITE_* (16, 17, 18); `size` 1, 2 or 4.
    fn pci_config_write(&self, phb: u64, bdf: u16, offset: u16, size: u8, value: u32) -> i64;
}

/// The same firmware, borrowed.
impl<O: Opal + ?Sized> Opal for &O {
    fn pci_eeh_freeze_status(&self, phb: u64, pe: u64, out: &mut FreezeStatus) -> i64 {
        (**self).pci_eeh_freeze_status(phb, pe, out)
    }
    fn pci_eeh_freeze_clear(&self, phb: u64, pe: u64, action: u64) -> i64 {
        (**self).pci_eeh_freeze_clear(phb, pe, action)
    }
    fn pci_eeh_freeze_set(&self, phb: u64, pe: u64, action: u64) -> i64 {
        (**self).pci_eeh_freeze_set(phb, pe, action)
    }
    fn pci_reset(&self, id: u64, scope: u8, assert: u8) -> i64 {
        (**self).pci_reset(id, scope, assert)
    }
    fn pci_poll(&self, id: u64) -> i64 {
        (**self).pci_poll(id)
    }
    fn pci_next_error(&self, phb: u64, out: &mut NextErrorOut) -> i64 {
        (**self).pci_next_error(phb, out)
    }
    fn pci_get_phb_diag_data2(&self, phb: u64, buffer: &mut [u8]) -> i64 {
        (**self).pci_get_phb_diag_data2(phb, buffer)
    }
    fn pci_get_hub_diag_data(&self, hub: u64, buffer: &mut [u8]) -> i64 {
        (**self).pci_get_hub_diag_data(hub, buffer)
    }
    fn pci_reinit(&self, phb: u64, scope: u64, data: u64) -> i64 {
        (**self).pci_reinit(phb, scope, data)
    }
    fn pci_err_inject(&self, phb: u64, pe: u32, kind: u32, function: u32, address: u64, mask: u64) -> i64 {
        (**self).pci_err_inject(phb, pe, kind, function, address, mask)
    }
    fn pci_config_read(&self, phb: u64, bdf: u16, offset: u16, size: u8, out: &mut u32) -> i64 {
        (**self).pci_config_read(phb, bdf, offset, size, out)
    }
    fn pci_config_write(&self, phb: u64, bdf: u16, offset: u16, size: u8, value: u32) -> i64 {
        (**self).pci_config_write(phb, bdf, offset, size, value)
    }
}
