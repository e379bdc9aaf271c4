// SPDX-License-Identifier: GPL-2.0-or-later
//! Which functions could be virtual ones of a machine.

use eeh_pe::Bdf;

use super::config::{find_ext_cap, u16_at};
use super::model::{FunctionSpec, PhbSpec};

/// The SR-IOV extended capability.
const EXT_CAP_SRIOV: u16 = 0x10;

impl FunctionSpec {
    /// Whether `bdf` is one of its virtual functions (SR-IOV 1.1 2.1.2), switched on or not.
    #[must_use]
    pub fn could_show(&self, bdf: Bdf) -> bool {
        let Some(cap) = find_ext_cap(&self.config, EXT_CAP_SRIOV).map(usize::from) else { return false };
        let half = |offset: usize| u16_at(&self.config, cap + offset);
        let (total, offset, stride) = (half(0x0e), half(0x14), half(0x16));
        let at = |n: u16| self.bdf.0.wrapping_add(offset).wrapping_add(n.wrapping_mul(stride));
        (0..total).any(|n| at(n) == bdf.0)
    }
}

/// The Advanced Features capability, and its length.
const CAP_AF: u8 = 0x13;
const AF_LEN: u8 = 6;

impl FunctionSpec {
    /// Gives it an Advanced Features capability with Function Level Reset: its virtual functions are reset by
    /// that too. `false`: there is no room, or no list of capabilities.
    pub fn add_advanced_features(&mut self) -> bool {
        let head = 0x34;
        if u16_at(&self.config, 0x06) & 1 << 4 == 0 {
            return false;
        }
        // At the end, where nothing is.
        let free = |at: &u8| {
            let at = usize::from(*at);
            self.config.get(at..at + 8).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0))
        };
        let Some(at) = (0x40..=0xf8).rev().step_by(4).find(free) else { return false };
        let Some(first) = self.config.get(head).copied() else { return false };
        let place = usize::from(at);
        if let Some(bytes) = self.config.get_mut(place..place + usize::from(AF_LEN)) {
            bytes.copy_from_slice(&[CAP_AF, first, AF_LEN, 3, 0, 0]);
        }
        if let Some(pointer) = self.config.get_mut(head) {
            *pointer = at;
        }
        true
    }
}

impl PhbSpec {
    /// The function of which `bdf` could be a virtual one.
    #[must_use]
    pub fn physical_function(&self, bdf: Bdf) -> Option<&FunctionSpec> {
        self.functions.iter().find(|function| function.could_show(bdf))
    }
}
