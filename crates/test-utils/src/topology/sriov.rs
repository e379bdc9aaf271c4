// SPDX-License-Identifier: GPL-2.0-or-later
//! Which functions could be virtual ones of a machine.

use eeh_pe::Bdf;

use super::config::{find_ext_cap, u16_at};
use super::model::{FunctionSpec, PhbSpec};

/// The SR-IOV extended capability.
const EXT_CAP_SRIOV: u16 = 0x10;
/// TotalVFs, First VF Offset, VF Stride (SR-IOV 1.1 3.3).
const TOTAL: usize = 0x0e;
const OFFSET: usize = 0x14;
const STRIDE: usize = 0x16;

impl FunctionSpec {
    /// A register of its SR-IOV capability, if it has that.
    fn sriov(&self, offset: usize) -> Option<u16> {
        let cap = find_ext_cap(&self.config, EXT_CAP_SRIOV).map(usize::from)?;
        Some(u16_at(&self.config, cap + offset))
    }

    /// Whether it can have virtual functions.
    #[must_use]
    pub fn has_virtual_functions(&self) -> bool {
        self.sriov(TOTAL).is_some_and(|total| total > 0)
    }

    /// Where its virtual function `n` is (SR-IOV 1.1 2.1.2), switched on or not; `None`: it has none of that
    /// number.
    #[must_use]
    pub fn virtual_function(&self, n: u16) -> Option<Bdf> {
        let (total, offset, stride) = (self.sriov(TOTAL)?, self.sriov(OFFSET)?, self.sriov(STRIDE)?);
        let at = self.bdf.0.wrapping_add(offset).wrapping_add(n.wrapping_mul(stride));
        (n < total).then_some(Bdf(at))
    }

    /// Whether `bdf` is one of its virtual functions.
    #[must_use]
    pub fn could_show(&self, bdf: Bdf) -> bool {
        (0..self.sriov(TOTAL).unwrap_or(0)).any(|n| self.virtual_function(n) == Some(bdf))
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
