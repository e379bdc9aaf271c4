// SPDX-License-Identifier: GPL-2.0-or-later
//! The firmware under both implementations.
//!
//! [`skiboot`] is the simulated one that the tests run on. A call of it takes a few locks of its
//! PHB, far less than a real one, which leaves the kernel and reads the PHB's registers.
//! [`Free`] costs a table look-up: what remains is the cost of the checks themselves.

use core::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;

use eeh_powernv::opal::{FreezeStatus, NextErrorOut, Opal, action, error, rc, stopped};
use test_utils::hw;
use test_utils::opal::{Firmware, Version};
use test_utils::topology::{MachineSpec, PhbKind, PhbSpec};

use crate::machine::{Machine, PHBS};

/// The simulated skiboot over PHBs of enough PEs for `machine`.
///
/// # Panics
///
/// When the machine has more PEs than a PHB can have.
#[must_use]
pub fn skiboot(machine: &Machine) -> Firmware {
    let phb = |number| PhbSpec {
        number,
        kind: PhbKind::Phb4,
        windows: Vec::new(),
        // The last two are reserved and the root bus's.
        pe_count: machine.last_pe() + 3,
        functions: Vec::new(),
        location: None,
    };
    let phbs = (0..u32::try_from(PHBS).expect("few PHBs")).map(phb).collect();
    let spec = MachineSpec { phbs, notes: Vec::new() };
    let hardware = hw::Machine::new(&spec, Arc::new(hw::VirtualClock::new()));
    Firmware::new(Arc::new(hardware), Version::skiboot())
}

/// Freeze states in a table.
pub struct Free {
    phbs: Vec<Vec<AtomicU8>>,
}

impl Free {
    /// Enough PEs for `machine`, all healthy.
    #[must_use]
    pub fn new(machine: &Machine) -> Self {
        let pes = usize::try_from(machine.last_pe()).unwrap_or(0) + 1;
        let phb = || (0..pes).map(|_| AtomicU8::new(stopped::NOT_FROZEN)).collect();
        Self { phbs: (0..PHBS).map(|_| phb()).collect() }
    }

    fn state(&self, phb: u64, pe: u64) -> Option<&AtomicU8> {
        self.phbs.get(usize::try_from(phb).ok()?)?.get(usize::try_from(pe).ok()?)
    }

    fn set(&self, phb: u64, pe: u64, to: u8) -> i64 {
        let Some(state) = self.state(phb, pe) else { return rc::PARAMETER };
        state.store(to, Ordering::Relaxed);
        rc::SUCCESS
    }
}

/// Freezes or thaws the PEs of `devices`.
///
/// # Panics
///
/// When firmware refuses.
pub fn freeze<O: Opal>(opal: &O, machine: &Machine, devices: &[usize], frozen: bool) {
    for &device in devices {
        let spec = &machine.devices[device];
        let (phb, pe) = (u64::try_from(spec.phb).unwrap_or(u64::MAX), u64::from(spec.pe));
        let code = if frozen {
            opal.pci_eeh_freeze_set(phb, pe, action::ALL)
        } else {
            opal.pci_eeh_freeze_clear(phb, pe, action::ALL)
        };
        assert_eq!(code, rc::SUCCESS, "firmware refuses PHB {phb} PE {pe}");
    }
}

impl Opal for Free {
    fn pci_eeh_freeze_status(&self, phb: u64, pe: u64, out: &mut FreezeStatus) -> i64 {
        let Some(state) = self.state(phb, pe) else { return rc::PARAMETER };
        let freeze_state = state.load(Ordering::Relaxed);
        let pci_error_type = if freeze_state == stopped::NOT_FROZEN { error::NONE } else { error::PE };
        *out = FreezeStatus { freeze_state, pci_error_type };
        rc::SUCCESS
    }

    fn pci_eeh_freeze_clear(&self, phb: u64, pe: u64, _action: u64) -> i64 {
        self.set(phb, pe, stopped::NOT_FROZEN)
    }

    fn pci_eeh_freeze_set(&self, phb: u64, pe: u64, _action: u64) -> i64 {
        self.set(phb, pe, stopped::MMIO_DMA)
    }

    fn pci_reset(&self, _id: u64, _scope: u8, _assert: u8) -> i64 {
        rc::UNSUPPORTED
    }

    fn pci_poll(&self, _id: u64) -> i64 {
        rc::UNSUPPORTED
    }

    fn pci_next_error(&self, _phb: u64, _out: &mut NextErrorOut) -> i64 {
        rc::UNSUPPORTED
    }

    fn pci_get_phb_diag_data2(&self, _phb: u64, _buffer: &mut [u8]) -> i64 {
        rc::UNSUPPORTED
    }

    fn pci_get_hub_diag_data(&self, _hub: u64, _buffer: &mut [u8]) -> i64 {
        rc::UNSUPPORTED
    }

    fn pci_reinit(&self, _phb: u64, _scope: u64, _data: u64) -> i64 {
        rc::UNSUPPORTED
    }

    fn pci_err_inject(
        &self,
        _phb: u64,
        _pe: u32,
        _kind: u32,
        _function: u32,
        _address: u64,
        _mask: u64,
    ) -> i64 {
        rc::UNSUPPORTED
    }

    fn pci_config_read(&self, _phb: u64, _bdf: u16, _offset: u16, _size: u8, _out: &mut u32) -> i64 {
        rc::UNSUPPORTED
    }

    fn pci_config_write(&self, _phb: u64, _bdf: u16, _offset: u16, _size: u8, _value: u32) -> i64 {
        rc::UNSUPPORTED
    }
}
