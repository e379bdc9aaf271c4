// SPDX-License-Identifier: GPL-2.0-or-later
//! PAPR's RTAS calls for EEH: names, arguments and outputs, as the firmware has them.

use bitflags::bitflags;
use eeh_pe::{Bdf, PeNumber};

bitflags! {
    /// The calls that a firmware has. C: a token that is not `RTAS_UNKNOWN_SERVICE`
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Services: u32 {
        /// `ibm,set-eeh-option`
        const SET_EEH_OPTION = 1;
        /// `ibm,set-slot-reset`
        const SET_SLOT_RESET = 1 << 1;
        /// `ibm,read-slot-reset-state`
        const READ_SLOT_RESET_STATE = 1 << 2;
        /// `ibm,read-slot-reset-state2`
        const READ_SLOT_RESET_STATE2 = 1 << 3;
        /// `ibm,get-config-addr-info`
        const GET_CONFIG_ADDR_INFO = 1 << 4;
        /// `ibm,get-config-addr-info2`
        const GET_CONFIG_ADDR_INFO2 = 1 << 5;
        /// `ibm,configure-bridge`
        const CONFIGURE_BRIDGE = 1 << 6;
        /// `ibm,configure-pe`
        const CONFIGURE_PE = 1 << 7;
        /// `ibm,slot-error-detail`
        const SLOT_ERROR_DETAIL = 1 << 8;
        /// `ibm,open-sriov-allow-unfreeze`
        const ALLOW_UNFREEZE = 1 << 9;
        /// `ibm,open-errinjct`
        const OPEN_ERRINJCT = 1 << 10;
        /// `ibm,errinjct`
        const ERRINJCT = 1 << 11;
        /// `ibm,close-errinjct`
        const CLOSE_ERRINJCT = 1 << 12;
        /// `ibm,read-pci-config`
        const READ_PCI_CONFIG = 1 << 13;
        /// `ibm,write-pci-config`
        const WRITE_PCI_CONFIG = 1 << 14;
    }
}

/// Functions of [`Rtas::set_eeh_option`].
pub mod option {
    /// C: `EEH_OPT_DISABLE`
    pub const DISABLE: u32 = 0;
    /// C: `EEH_OPT_ENABLE`
    pub const ENABLE: u32 = 1;
    /// C: `EEH_OPT_THAW_MMIO`
    pub const THAW_MMIO: u32 = 2;
    /// C: `EEH_OPT_THAW_DMA`
    pub const THAW_DMA: u32 = 3;
}

/// Functions of [`Rtas::set_slot_reset`].
pub mod reset {
    /// C: `EEH_RESET_DEACTIVATE`
    pub const DEACTIVATE: u32 = 0;
    /// C: `EEH_RESET_HOT`
    pub const HOT: u32 = 1;
    /// C: `EEH_RESET_FUNDAMENTAL`
    pub const FUNDAMENTAL: u32 = 3;
}

/// Functions of [`Rtas::get_config_addr_info2`] and [`Rtas::get_config_addr_info`].
pub mod info {
    /// The PE's configuration address.
    pub const PE_ADDRESS: u32 = 0;
    /// Whether the address is in a PE: 0 no, 1 alone, 2 with others.
    pub const PE_MODE: u32 = 1;
}

/// Functions of [`Rtas::slot_error_detail`].
pub mod detail {
    /// C: `EEH_LOG_TEMP`
    pub const TEMPORARY: u32 = 1;
    /// C: `EEH_LOG_PERM`: firmware gives the PE up, and answers "permanently unavailable" from then on.
    pub const PERMANENT: u32 = 2;
}

/// What RTAS is told of a PE or a device: its PHB, and an address there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// The PHB's Unit ID.
    pub buid: u64,
    /// `0xRBBDDLL0`: bus and device as bytes 1 and 2, a register's low byte as byte 3 and bits 8 to 11
    /// of it on top. C: `rtas_config_addr`
    pub config_addr: u32,
}

impl Address {
    /// A PE, by its configuration address.
    #[must_use]
    pub const fn pe(buid: u64, number: PeNumber) -> Self {
        Self { buid, config_addr: number.0 }
    }

    /// A device.
    #[must_use]
    pub const fn device(buid: u64, bdf: Bdf) -> Self {
        let [bus, devfn] = bdf.0.to_be_bytes();
        Self { buid, config_addr: u32::from_be_bytes([0, bus, devfn, 0]) }
    }

    /// A register of a device; `None` beyond the 4096 bytes that configuration space has.
    #[must_use]
    pub const fn register(buid: u64, bdf: Bdf, offset: u16) -> Option<Self> {
        let [bus, devfn] = bdf.0.to_be_bytes();
        let [high, low] = offset.to_be_bytes();
        if high > 0xf {
            return None;
        }
        Some(Self { buid, config_addr: u32::from_be_bytes([high << 4, bus, devfn, low]) })
    }

    /// The Unit ID as RTAS takes it: the high word, the low word. C: `BUID_HI`, `BUID_LO`
    #[must_use]
    pub const fn unit_id(self) -> [u32; 2] {
        let [a, b, c, d, e, f, g, h] = self.buid.to_be_bytes();
        [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])]
    }
}

/// Outputs of [`Rtas::read_slot_reset_state2`], behind the status. C: `rets` of `pseries_eeh_get_state`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SlotResetState {
    /// PE state: 0 runs, 1 in reset, 2 stopped, 4 stopped for DMA only, 5 unavailable.
    pub state: u32,
    /// 1 when the PE supports EEH. Means nothing in state 5.
    pub capabilities: u32,
    /// In state 5: milliseconds until it is expected to be available; 0: for good.
    pub unavailable_ms: u32,
}

/// Classes of errors that can be injected, of those in the device tree's `ibm,errinjct-tokens`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorClass {
    /// `ioa-bus-error`: 32 bit addresses.
    IoaBus,
    /// `ioa-bus-error-64`
    IoaBus64,
}

/// RTAS, as the firmware has it: numbers in, a status word and outputs out. Addresses are passed as
/// three words: the configuration address and [`Address::unit_id`].
///
/// Calls that [`Rtas::services`] does not have are not made.
///
/// # Context
///
/// [`Rtas::read_slot_reset_state2`] and [`Rtas::read_slot_reset_state`]: any but NMI. The others: a
/// context that may sleep. None waits, whatever the status says.
pub trait Rtas {
    /// The calls that there are; the same as long as the system runs.
    fn services(&self) -> Services;

    /// Size of an error log in bytes (`rtas-error-log-max`).
    fn error_log_max(&self) -> usize;

    /// Number of an error class (`ibm,errinjct-tokens`), if firmware can inject it.
    fn errinjct_token(&self, class: ErrorClass) -> Option<u32>;

    /// `ibm,set-eeh-option`; `function`: one of [`option`].
    fn set_eeh_option(&self, pe: Address, function: u32) -> i32;

    /// `ibm,set-slot-reset`; `function`: one of [`reset`].
    fn set_slot_reset(&self, pe: Address, function: u32) -> i32;

    /// `ibm,read-slot-reset-state2`, with four outputs.
    fn read_slot_reset_state2(&self, pe: Address, out: &mut SlotResetState) -> i32;

    /// `ibm,read-slot-reset-state`, with three outputs: without [`SlotResetState::unavailable_ms`].
    fn read_slot_reset_state(&self, pe: Address, out: &mut SlotResetState) -> i32;

    /// `ibm,get-config-addr-info2`; `function`: one of [`info`].
    fn get_config_addr_info2(&self, device: Address, function: u32, out: &mut u32) -> i32;

    /// `ibm,get-config-addr-info`; `function`: [`info::PE_ADDRESS`].
    fn get_config_addr_info(&self, device: Address, function: u32, out: &mut u32) -> i32;

    /// `ibm,configure-pe`
    fn configure_pe(&self, pe: Address) -> i32;

    /// `ibm,configure-bridge`
    fn configure_bridge(&self, pe: Address) -> i32;

    /// `ibm,slot-error-detail`; `driver` goes into the log that is returned, `function`: one of
    /// [`detail`].
    fn slot_error_detail(&self, pe: Address, driver: &[u8], log: &mut [u8], function: u32) -> i32;

    /// `ibm,open-sriov-allow-unfreeze`; `pes` are passed as big-endian 16 bit numbers, their length in
    /// bytes.
    fn open_sriov_allow_unfreeze(&self, pf: Address, pes: &[u16]) -> i32;

    /// `ibm,open-errinjct`. The one call whose status is the last output, not the first.
    fn open_errinjct(&self, session: &mut u32) -> i32;

    /// `ibm,errinjct`; `class`: a number of [`Rtas::errinjct_token`], `work`: the words at the beginning
    /// of the work buffer, big-endian there; the rest of its 1024 bytes is zero.
    fn errinjct(&self, class: u32, session: u32, work: &[u32]) -> i32;

    /// `ibm,close-errinjct`
    fn close_errinjct(&self, session: u32) -> i32;

    /// `ibm,read-pci-config`; `read-pci-config` where the Unit ID is 0. `size`: 1, 2 or 4.
    fn read_pci_config(&self, register: Address, size: u32, out: &mut u32) -> i32;

    /// `ibm,write-pci-config`; `write-pci-config` where the Unit ID is 0. `size`: 1, 2 or 4.
    fn write_pci_config(&self, register: Address, size: u32, value: u32) -> i32;

    /// Gives an error log to whoever keeps the system's RTAS events and prints them; whether there is
    /// somebody. C: `log_error`
    fn log_error(&self, log: &[u8]) -> bool;
}

/// The same firmware, borrowed.
impl<R: Rtas + ?Sized> Rtas for &R {
    fn services(&self) -> Services {
        (**self).services()
    }
    fn error_log_max(&self) -> usize {
        (**self).error_log_max()
    }
    fn errinjct_token(&self, class: ErrorClass) -> Option<u32> {
        (**self).errinjct_token(class)
    }
    fn set_eeh_option(&self, pe: Address, function: u32) -> i32 {
        (**self).set_eeh_option(pe, function)
    }
    fn set_slot_reset(&self, pe: Address, function: u32) -> i32 {
        (**self).set_slot_reset(pe, function)
    }
    fn read_slot_reset_state2(&self, pe: Address, out: &mut SlotResetState) -> i32 {
        (**self).read_slot_reset_state2(pe, out)
    }
    fn read_slot_reset_state(&self, pe: Address, out: &mut SlotResetState) -> i32 {
        (**self).read_slot_reset_state(pe, out)
    }
    fn get_config_addr_info2(&self, device: Address, function: u32, out: &mut u32) -> i32 {
        (**self).get_config_addr_info2(device, function, out)
    }
    fn get_config_addr_info(&self, device: Address, function: u32, out: &mut u32) -> i32 {
        (**self).get_config_addr_info(device, function, out)
    }
    fn configure_pe(&self, pe: Address) -> i32 {
        (**self).configure_pe(pe)
    }
    fn configure_bridge(&self, pe: Address) -> i32 {
        (**self).configure_bridge(pe)
    }
    fn slot_error_detail(&self, pe: Address, driver: &[u8], log: &mut [u8], function: u32) -> i32 {
        (**self).slot_error_detail(pe, driver, log, function)
    }
    fn open_sriov_allow_unfreeze(&self, pf: Address, pes: &[u16]) -> i32 {
        (**self).open_sriov_allow_unfreeze(pf, pes)
    }
    fn open_errinjct(&self, session: &mut u32) -> i32 {
        (**self).open_errinjct(session)
    }
    fn errinjct(&self, class: u32, session: u32, work: &[u32]) -> i32 {
        (**self).errinjct(class, session, work)
    }
    fn close_errinjct(&self, session: u32) -> i32 {
        (**self).close_errinjct(session)
    }
    fn read_pci_config(&self, register: Address, size: u32, out: &mut u32) -> i32 {
        (**self).read_pci_config(register, size, out)
    }
    fn write_pci_config(&self, register: Address, size: u32, value: u32) -> i32 {
        (**self).write_pci_config(register, size, value)
    }
    fn log_error(&self, log: &[u8]) -> bool {
        (**self).log_error(log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_laid_out_as_papr_has_them() {
        let bdf = Bdf(0x1234);
        assert_eq!(Address::device(7, bdf).config_addr, 0x0012_3400);
        assert_eq!(Address::register(7, bdf, 0x10).map(|at| at.config_addr), Some(0x0012_3410));
        assert_eq!(Address::register(7, bdf, 0xffc).map(|at| at.config_addr), Some(0xf012_34fc));
        assert_eq!(Address::register(7, bdf, 0x1000), None);
        assert_eq!(Address::register(7, bdf, u16::MAX), None);
        assert_eq!(Address::pe(0x0800_0000_2000_0001, PeNumber(5)).unit_id(), [0x0800_0000, 0x2000_0001]);
    }
}
