// SPDX-License-Identifier: GPL-2.0-or-later
//! What the unit tests share: firmware that expects calls, targets, garbage.

mod slot;

use core::time::Duration;

use eeh_pe::{Bdf, PeId, PeNumber, PeType, PhbNumber, Time, TreeId};
use eeh_recovery::{DeviceTarget, PeTarget, PhbTarget};

use crate::PSeries;
use crate::rtas::{Address, ErrorClass, Rtas, Services, SlotResetState};

pub(crate) use self::slot::{Called, Slot};

mockall::mock! {
    pub(crate) Rtas {}
    impl Rtas for Rtas {
        fn services(&self) -> Services;
        fn error_log_max(&self) -> usize;
        fn errinjct_token(&self, class: ErrorClass) -> Option<u32>;
        fn set_eeh_option(&self, pe: Address, function: u32) -> i32;
        fn set_slot_reset(&self, pe: Address, function: u32) -> i32;
        fn read_slot_reset_state2(&self, pe: Address, out: &mut SlotResetState) -> i32;
        fn read_slot_reset_state(&self, pe: Address, out: &mut SlotResetState) -> i32;
        fn get_config_addr_info2(&self, device: Address, function: u32, out: &mut u32) -> i32;
        fn get_config_addr_info(&self, device: Address, function: u32, out: &mut u32) -> i32;
        fn configure_pe(&self, pe: Address) -> i32;
        fn configure_bridge(&self, pe: Address) -> i32;
        fn slot_error_detail(&self, pe: Address, driver: &[u8], log: &mut [u8], function: u32) -> i32;
        fn open_sriov_allow_unfreeze(&self, pf: Address, pes: &[u16]) -> i32;
        fn open_errinjct(&self, session: &mut u32) -> i32;
        fn errinjct(&self, class: u32, session: u32, work: &[u32]) -> i32;
        fn close_errinjct(&self, session: u32) -> i32;
        fn read_pci_config(&self, register: Address, size: u32, out: &mut u32) -> i32;
        fn write_pci_config(&self, register: Address, size: u32, value: u32) -> i32;
        fn log_error(&self, log: &[u8]) -> bool;
    }
}

/// The calls that EEH cannot do without.
pub(crate) const NEEDED_SERVICES: Services = Services::SET_EEH_OPTION
    .union(Services::SET_SLOT_RESET)
    .union(Services::READ_SLOT_RESET_STATE2)
    .union(Services::SLOT_ERROR_DETAIL)
    .union(Services::CONFIGURE_PE);

pub(crate) const BUID: u64 = 0x0800_0000_2000_0002;
/// The PE's configuration address.
pub(crate) const PE: u32 = 0x0001_0000;

/// Firmware that has all calls, and expects none.
pub(crate) fn rtas() -> MockRtas {
    offering(Services::all())
}

/// Firmware that has some calls, and expects none.
pub(crate) fn offering(services: Services) -> MockRtas {
    let mut rtas = MockRtas::new();
    rtas.expect_services().return_const(services);
    rtas
}

pub(crate) fn back<R: Rtas>(rtas: R) -> PSeries<R> {
    PSeries::new(rtas).unwrap()
}

pub(crate) fn phb() -> PhbTarget {
    PhbTarget { tree: TreeId::NONE, number: PhbNumber(1), firmware: BUID }
}

pub(crate) fn pe() -> PeTarget {
    PeTarget { pe: PeId::NONE, phb: phb(), number: PeNumber(PE), kind: PeType::BUS }
}

pub(crate) fn phb_pe() -> PeTarget {
    PeTarget { number: PeNumber(0), kind: PeType::PHB, ..pe() }
}

pub(crate) const ADDRESS: Address = Address { buid: BUID, config_addr: PE };

pub(crate) fn device() -> DeviceTarget {
    DeviceTarget { pcie_cap: 0x40, aer_cap: 0x100, ..DeviceTarget::bare(phb(), Bdf(0x0108)) }
}

pub(crate) fn at(ms: u64) -> Time {
    Time::ZERO.after(Duration::from_millis(ms))
}

/// Status words of every class that is neither success nor busy.
pub(crate) const NOT_SUCCESS: [i32; 14] =
    [-1, -3, -4, -6, -7, -9, -9000, -9004, -10_000, i32::MIN, 2, 9000, 9906, i32::MAX];

/// Status words that ask to be called again.
pub(crate) const BUSY: [i32; 7] = [-2, 9900, 9901, 9902, 9903, 9904, 9905];
