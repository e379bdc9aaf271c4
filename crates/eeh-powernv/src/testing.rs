// SPDX-License-Identifier: GPL-2.0-or-later
//! What the unit tests share: firmware that expects calls, PHBs, targets.

use core::cell::RefCell;
use core::fmt;
use core::time::Duration;
use std::string::{String, ToString};
use std::vec::Vec;

use eeh_pe::{Bdf, DeviceFlags, DeviceId, PeId, PeNumber, PeType, PhbNumber, Time, TreeId};
use eeh_recovery::{DeviceTarget, PeTarget, PhbTarget};

use crate::opal::{FreezeStatus, NextErrorOut, Opal};
use crate::{PhbFacts, PhbModel, Phbs};

mockall::mock! {
    pub(crate) Opal {}
    impl Opal for Opal {
        fn pci_eeh_freeze_status(&self, phb: u64, pe: u64, out: &mut FreezeStatus) -> i64;
        fn pci_eeh_freeze_clear(&self, phb: u64, pe: u64, action: u64) -> i64;
        fn pci_eeh_freeze_set(&self, phb: u64, pe: u64, action: u64) -> i64;
        fn pci_reset(&self, id: u64, scope: u8, assert: u8) -> i64;
        fn pci_poll(&self, id: u64) -> i64;
        fn pci_next_error(&self, phb: u64, out: &mut NextErrorOut) -> i64;
        fn pci_get_phb_diag_data2(&self, phb: u64, buffer: &mut [u8]) -> i64;
        fn pci_get_hub_diag_data(&self, hub: u64, buffer: &mut [u8]) -> i64;
        fn pci_reinit(&self, phb: u64, scope: u64, data: u64) -> i64;
        fn pci_err_inject(&self, phb: u64, pe: u32, kind: u32, function: u32, address: u64, mask: u64) -> i64;
        fn pci_config_read(&self, phb: u64, bdf: u16, offset: u16, size: u8, out: &mut u32) -> i64;
        fn pci_config_write(&self, phb: u64, bdf: u16, offset: u16, size: u8, value: u32) -> i64;
    }
}

/// OPAL's id of the only PHB that [`Table`] knows.
pub(crate) const PHB: u64 = 3;
/// Its hub's.
pub(crate) const HUB: u64 = 0x20;

/// One PHB, whose PE `master` has `slaves`.
pub(crate) struct Table {
    pub(crate) facts: PhbFacts,
    pub(crate) compound: Option<(u32, Vec<u32>)>,
    pub(crate) lines: RefCell<Vec<String>>,
    pub(crate) armed: RefCell<u32>,
}

impl Default for Table {
    fn default() -> Self {
        let facts = PhbFacts { model: PhbModel::Phb4, hub: HUB, diag_size: 16, pe_count: 512 };
        Self { facts, compound: None, lines: RefCell::default(), armed: RefCell::default() }
    }
}

impl Table {
    pub(crate) fn compound(master: u32, slaves: &[u32]) -> Self {
        Self { compound: Some((master, slaves.to_vec())), ..Self::default() }
    }

    pub(crate) fn p7ioc() -> Self {
        let facts = PhbFacts { model: PhbModel::P7ioc, pe_count: 128, ..Self::default().facts };
        Self { facts, ..Self::default() }
    }
}

impl Phbs for Table {
    fn facts(&self, phb: u64) -> Option<PhbFacts> {
        (phb == PHB).then_some(self.facts)
    }
    fn master(&self, _phb: u64, pe: PeNumber) -> PeNumber {
        match &self.compound {
            Some((master, slaves)) if slaves.contains(&pe.0) => PeNumber(*master),
            _ => pe,
        }
    }
    fn slave(&self, _phb: u64, master: PeNumber, nth: u32) -> Option<PeNumber> {
        let (number, slaves) = self.compound.as_ref()?;
        (*number == master.0).then(|| slaves.get(nth as usize).copied().map(PeNumber))?
    }
    fn rearm(&self, phb: u64) {
        assert_eq!(phb, PHB);
        *self.armed.borrow_mut() += 1;
    }
    fn line(&self, phb: u64, line: fmt::Arguments<'_>) {
        assert_eq!(phb, PHB);
        self.lines.borrow_mut().push(line.to_string());
    }
}

pub(crate) fn phb() -> PhbTarget {
    PhbTarget { tree: TreeId::NONE, number: PhbNumber(1), firmware: PHB }
}

pub(crate) fn pe(number: u32) -> PeTarget {
    PeTarget { pe: PeId::NONE, phb: phb(), number: PeNumber(number), kind: PeType::BUS }
}

pub(crate) fn phb_pe() -> PeTarget {
    PeTarget { kind: PeType::PHB, ..pe(0) }
}

/// A switch's downstream port with AER.
pub(crate) fn port() -> DeviceTarget {
    DeviceTarget {
        device: DeviceId::NONE,
        phb: phb(),
        bdf: Bdf(0x0210),
        flags: DeviceFlags::BRIDGE | DeviceFlags::DS_PORT,
        pcie_cap: 0x40,
        aer_cap: 0x100,
        af_cap: 0,
        pcix_cap: 0,
        reset_by_firmware: false,
        link_active_reporting: false,
        conventional: false,
    }
}

pub(crate) fn at(ms: u64) -> Time {
    Time::ZERO.after(Duration::from_millis(ms))
}

/// Codes of every class that a call without positive answers may give, and none.
pub(crate) const NOT_SUCCESS: [i64; 9] = [-1, -2, -6, -7, -12, -1000, i64::MIN, 1, i64::MAX];
