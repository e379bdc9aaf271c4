// SPDX-License-Identifier: GPL-2.0-or-later
//! Freeze states and the next error.

use eeh_powernv::opal::{FreezeStatus, NextErrorOut, action, error, rc, severity, stopped};

use super::Call;
use crate::hw::{HubError, Stopped};
use crate::topology::PhbKind;

fn halves(token: u64) -> Stopped {
    Stopped { mmio: token & action::MMIO != 0, dma: token & action::DMA != 0 }
}

impl Call<'_> {
    fn pe(&self, pe: u64) -> Option<u32> {
        u32::try_from(pe).ok().filter(|&pe| pe < self.phb.pe_count())
    }

    /// A dead or fenced PHB answers for all its PEs. skiboot says nothing about the kind of error of
    /// a single PE.
    pub(super) fn freeze_status(&self, pe: u64, out: &mut FreezeStatus) -> i64 {
        *out = FreezeStatus { freeze_state: stopped::NOT_FROZEN, pci_error_type: error::NONE };
        let (dead, fenced) = self.phb.condition();
        if dead || fenced {
            *out = FreezeStatus { freeze_state: stopped::MMIO_DMA, pci_error_type: error::PHB };
            return if dead { rc::HARDWARE } else { rc::SUCCESS };
        }
        let Some(pe) = self.pe(pe) else { return rc::PARAMETER };
        let s = self.phb.stopped(pe);
        let mmio = if s.mmio { stopped::MMIO } else { 0 };
        let dma = if s.dma { stopped::DMA } else { 0 };
        out.freeze_state = mmio | dma;
        rc::SUCCESS
    }

    pub(super) fn freeze_clear(&self, pe: u64, token: u64) -> i64 {
        if self.phb.condition() != (false, false) {
            return rc::HARDWARE;
        }
        match self.pe(pe) {
            Some(pe) if (action::MMIO..=action::ALL).contains(&token) => {
                self.phb.release(pe, halves(token));
                rc::SUCCESS
            }
            _ => rc::PARAMETER,
        }
    }

    pub(super) fn freeze_set(&self, pe: u64, token: u64) -> i64 {
        if self.phb.is_dead() {
            return rc::HARDWARE;
        }
        match self.pe(pe) {
            Some(pe) if (action::MMIO..=action::ALL).contains(&token) => {
                self.phb.stop(pe, halves(token));
                rc::SUCCESS
            }
            _ => rc::PARAMETER,
        }
    }

    /// Dead before hub before fence before PEs; of the PEs, the first (in IBM's bit order) of the last
    /// word of the PEEV that has any.
    pub(super) fn next_error(&self, out: &mut NextErrorOut) -> i64 {
        self.phb.acknowledge_error();
        let (dead, fenced) = self.phb.condition();
        let hub = self.phb.hub().filter(|_| self.phb.kind() == PhbKind::P7ioc);
        let frozen = self.phb.first_frozen().filter(|_| !dead && !fenced && hub.is_none());
        let new = matches!(self.phb.kind(), PhbKind::Phb4 | PhbKind::Phb5);
        let silent = new && self.firmware.quirks().fence_is_silent;
        let (pci_error_type, severity) = match hub {
            _ if dead => (error::PHB, severity::PHB_DEAD),
            Some(HubError::Dead) => (error::IOC, severity::IOC_DEAD),
            Some(HubError::Informative) => (error::IOC, severity::INFORMATIVE),
            None if fenced && !silent => (error::PHB, severity::PHB_FENCED),
            None if frozen.is_some() => (error::PE, severity::PE_ER),
            None => (error::NONE, severity::NONE),
        };
        let first_frozen_pe = frozen.map_or(u64::MAX, u64::from);
        *out = NextErrorOut { first_frozen_pe, pci_error_type, severity };
        rc::SUCCESS
    }
}
