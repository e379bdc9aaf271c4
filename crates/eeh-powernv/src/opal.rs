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
}

/// Answers of [`Opal::pci_eeh_freeze_status`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FreezeStatus {
    /// `OPAL_EEH_STOPPED_*`
    pub freeze_state: u8,
    /// `OPAL_EEH_*_ERROR`
    pub pci_error_type: u16,
}

/// Answers of [`Opal::pci_next_error`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NextErrorOut {
    /// The first frozen PE.
    pub first_frozen_pe: u64,
    /// `OPAL_EEH_*_ERROR`
    pub pci_error_type: u16,
    /// `OPAL_EEH_SEV_*`
    pub severity: u16,
}

/// OPAL's PCI services, as the firmware has them: numbers in, a return code out.
///
/// `phb` is the PHB's OPAL id; `id` of a reset or poll is that, or a slot id
/// (`phb | bdf << 16 | 1 << 63`, C: `PCI_SLOT_ID`).
///
/// # Context
///
/// [`Opal::pci_eeh_freeze_status`] and [`Opal::pci_eeh_freeze_set`]: any but NMI (OPAL refuses
/// re-entry). The others: a context that may sleep.
pub trait Opal {
    /// OPAL_PCI_EEH_FREEZE_STATUS (23)
    fn pci_eeh_freeze_status(&self, phb: u64, pe: u64, out: &mut FreezeStatus) -> i64;
    /// OPAL_PCI_EEH_FREEZE_CLEAR (26); `action`: 1 MMIO, 2 DMA, 3 both.
    fn pci_eeh_freeze_clear(&self, phb: u64, pe: u64, action: u64) -> i64;
    /// OPAL_PCI_EEH_FREEZE_SET (97); `action`: 1 MMIO, 2 DMA, 3 both.
    fn pci_eeh_freeze_set(&self, phb: u64, pe: u64, action: u64) -> i64;
    /// OPAL_PCI_RESET (49); `assert`: 1 assert, 0 deassert. Positive: milliseconds until a poll.
    fn pci_reset(&self, id: u64, scope: u8, assert: u8) -> i64;
    /// OPAL_PCI_POLL (62): positive: milliseconds until the next poll; 0: done.
    fn pci_poll(&self, id: u64) -> i64;
    /// OPAL_PCI_NEXT_ERROR (60)
    fn pci_next_error(&self, phb: u64, out: &mut NextErrorOut) -> i64;
    /// OPAL_PCI_GET_PHB_DIAG_DATA2 (64)
    fn pci_get_phb_diag_data2(&self, phb: u64, buffer: &mut [u8]) -> i64;
    /// OPAL_PCI_GET_HUB_DIAG_DATA (50)
    fn pci_get_hub_diag_data(&self, hub: u64, buffer: &mut [u8]) -> i64;
    /// OPAL_PCI_REINIT (53); `scope` 1000: a device, `data` its BDF.
    fn pci_reinit(&self, phb: u64, scope: u64, data: u64) -> i64;
    /// OPAL_PCI_ERR_INJECT (96)
    fn pci_err_inject(&self, phb: u64, pe: u32, kind: u32, function: u32, address: u64, mask: u64) -> i64;
    /// OPAL_PCI_CONFIG_READ_* (13, 14, 15); `size` 1, 2 or 4.
    fn pci_config_read(&self, phb: u64, bdf: u16, offset: u16, size: u8, out: &mut u32) -> i64;
    /// OPAL_PCI_CONFIG_WRITE_* (16, 17, 18); `size` 1, 2 or 4.
    fn pci_config_write(&self, phb: u64, bdf: u16, offset: u16, size: u8, value: u32) -> i64;
}
