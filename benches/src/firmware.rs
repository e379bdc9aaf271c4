// SPDX-License-Identifier: GPL-2.0-or-later
//! The firmware under both implementations: freeze status from a table, PHB by PHB.
//!
//! Far cheaper than a real OPAL call, which leaves the kernel: that favours whoever calls more
//! often, which is the C-like side.

use core::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;

use eeh_powernv::opal::{FreezeStatus, NextErrorOut, Opal, error, rc, stopped};

/// Freeze state of every PE; clones share it.
#[derive(Clone)]
pub struct Firmware {
    phbs: Arc<Vec<Vec<AtomicU8>>>,
}

impl Firmware {
    /// `phbs` PHBs of `pes` PEs each, all healthy.
    #[must_use]
    pub fn new(phbs: usize, pes: usize) -> Self {
        let phb = || (0..pes).map(|_| AtomicU8::new(stopped::NOT_FROZEN)).collect();
        Self { phbs: Arc::new((0..phbs).map(|_| phb()).collect()) }
    }

    /// Freezes or thaws a PE.
    pub fn set_frozen(&self, phb: usize, pe: u32, frozen: bool) {
        if let Some(state) = self.state(phb.try_into().unwrap_or(u64::MAX), u64::from(pe)) {
            state.store(if frozen { stopped::MMIO_DMA } else { stopped::NOT_FROZEN }, Ordering::Relaxed);
        }
    }

    fn state(&self, phb: u64, pe: u64) -> Option<&AtomicU8> {
        self.phbs.get(usize::try_from(phb).ok()?)?.get(usize::try_from(pe).ok()?)
    }
}

impl Opal for Firmware {
    fn pci_eeh_freeze_status(&self, phb: u64, pe: u64, out: &mut FreezeStatus) -> i64 {
        let Some(state) = self.state(phb, pe) else { return rc::PARAMETER };
        let freeze_state = state.load(Ordering::Relaxed);
        *out = FreezeStatus {
            freeze_state,
            pci_error_type: if freeze_state == stopped::NOT_FROZEN { error::NONE } else { error::PE },
        };
        rc::SUCCESS
    }

    fn pci_eeh_freeze_clear(&self, phb: u64, pe: u64, _action: u64) -> i64 {
        let Some(state) = self.state(phb, pe) else { return rc::PARAMETER };
        state.store(stopped::NOT_FROZEN, Ordering::Relaxed);
        rc::SUCCESS
    }

    fn pci_eeh_freeze_set(&self, phb: u64, pe: u64, _action: u64) -> i64 {
        let Some(state) = self.state(phb, pe) else { return rc::PARAMETER };
        state.store(stopped::MMIO_DMA, Ordering::Relaxed);
        rc::SUCCESS
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
