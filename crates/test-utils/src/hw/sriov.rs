// SPDX-License-Identifier: GPL-2.0-or-later
//! Virtual functions: there while their physical function has VF Enable set (SR-IOV 1.1 3.3.3).

use eeh_pe::{Bdf, Time};

use super::fabric::Layouts;
use super::function::{Function, Index};
use super::history::Happened;
use super::phb::State;
use crate::topology::FunctionSpec;

/// Offsets within the SR-IOV capability (SR-IOV 1.1 3.3).
pub(crate) mod reg {
    /// SR-IOV Control.
    pub(crate) const CONTROL: u16 = 0x08;
    /// NumVFs; TotalVFs is two bytes before.
    pub(crate) const NUM: u16 = 0x10;
    pub(crate) const TOTAL: u16 = 0x0e;
    /// First VF Offset, VF Stride.
    pub(crate) const OFFSET: u16 = 0x14;
    pub(crate) const STRIDE: u16 = 0x16;
    /// VF Enable.
    pub(crate) const ENABLE: u16 = 1;
}

/// Where a virtual function keeps its Express capability.
const EXPRESS_AT: usize = 0x40;
/// Length of that capability.
const EXPRESS_LEN: u16 = 0x3c;
/// Device Capabilities: Function Level Reset, which every virtual function has (SR-IOV 1.1 2.2.2).
const DEVCAP_FLR: u32 = 1 << 28;
/// Where it keeps its Advanced Features capability, if it has that instead.
const ADVANCED_AT: u8 = 0x7c;
/// ID, no next, length, Function Level Reset and Transactions Pending, control, status (ECN Advanced
/// Capabilities for Conventional PCI).
const ADVANCED: [u8; 6] = [0x13, 0, 6, 3, 0, 0];

impl Function {
    /// How many virtual functions it shows at this moment.
    fn shows(&self) -> u16 {
        let cap = self.config.layout().caps.sriov;
        let enabled = cap != 0 && self.config.word(cap + reg::CONTROL) & reg::ENABLE != 0;
        if enabled && self.present && self.held == 0 {
            self.config.word(cap + reg::NUM).min(self.config.word(cap + reg::TOTAL))
        } else {
            0
        }
    }

    /// Where its virtual function `n` is.
    fn vf_at(&self, n: u16) -> Bdf {
        let cap = self.config.layout().caps.sriov;
        let (offset, stride) = (self.config.word(cap + reg::OFFSET), self.config.word(cap + reg::STRIDE));
        Bdf(self.home.0.wrapping_add(offset).wrapping_add(n.wrapping_mul(stride)))
    }

    /// Configuration space of one of them: no vendor ID, no BARs, an Express capability with FLR; that of
    /// Advanced Features where its physical function has that capability.
    fn vf_config(&self) -> Vec<u8> {
        let mut config = vec![0; 256];
        config[..4].fill(0xff);
        config[6] = 0x10;
        config[8..12].copy_from_slice(&self.config.dword(8).to_le_bytes());
        config[0x34] = 0x40;
        let (express, advanced) = (self.config.layout().caps.express, self.config.layout().caps.af != 0);
        for at in (0..EXPRESS_LEN).step_by(4) {
            let mut word = self.config.dword(express + at);
            match at {
                // The last capability, or the one before.
                0 => word = word & !0xff00 | if advanced { u32::from(ADVANCED_AT) << 8 } else { 0 },
                4 if advanced => word &= !DEVCAP_FLR,
                4 => word |= DEVCAP_FLR,
                _ => {}
            }
            let to = EXPRESS_AT + usize::from(at);
            config[to..to + 4].copy_from_slice(&word.to_le_bytes());
        }
        if advanced {
            let at = usize::from(ADVANCED_AT);
            config[at..at + ADVANCED.len()].copy_from_slice(&ADVANCED);
        }
        config
    }
}

impl State {
    /// Virtual functions come and go with what their physical functions' registers say.
    pub(crate) fn sync_vfs(&mut self) {
        for at in 0..self.fabric.pfs.len() {
            let Some(&pf) = self.fabric.pfs.get(at) else { return };
            let (before, now) = (self.fabric.get(pf).vfs, self.fabric.get(pf).shows());
            self.fabric.get_mut(pf).vfs = now;
            for n in before..now {
                self.show_vf(pf, n);
            }
            for n in now..before {
                let bdf = self.fabric.get(pf).vf_at(n);
                if let Some(vf) = self.fabric.home(bdf) {
                    self.fabric.get_mut(vf).present = false;
                    self.note(Happened::Went(bdf));
                }
            }
        }
    }

    fn show_vf(&mut self, pf: Index, n: u16) {
        let bdf = self.fabric.get(pf).vf_at(n);
        if let Some(vf) = self.fabric.home(bdf) {
            let vf = self.fabric.get_mut(vf);
            vf.present = true;
            vf.forget(true);
            vf.ready_at = Time::ZERO;
            return;
        }
        let pe = self.free_pe();
        let config = self.fabric.get(pf).vf_config();
        let spec = FunctionSpec {
            bdf,
            config,
            bars: Vec::new(),
            pe,
            driver: None,
            reset_by_firmware: false,
            location: None,
        };
        self.fabric.add(Function::new(&spec, Layouts::default().of(&spec)));
    }

    /// The highest PE that no function has, below the two that are reserved.
    fn free_pe(&self) -> Option<u32> {
        let free = |pe: &u32| self.fabric.functions.iter().all(|f| f.pe != Some(*pe));
        (0..self.pest.count().saturating_sub(2)).rev().find(free)
    }
}
