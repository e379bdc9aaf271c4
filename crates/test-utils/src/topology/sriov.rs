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

impl PhbSpec {
    /// The function of which `bdf` could be a virtual one.
    #[must_use]
    pub fn physical_function(&self, bdf: Bdf) -> Option<&FunctionSpec> {
        self.functions.iter().find(|function| function.could_show(bdf))
    }
}
