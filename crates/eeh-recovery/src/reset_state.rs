// SPDX-License-Identifier: GPL-2.0-or-later
//! The resets that a driver may ask for. C: `enum pcie_reset_state`

use crate::ResetKind;
use crate::ask::{Ask, By};

/// A step of a driver's reset of its slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum PcieReset {
    /// End it. C: `pcie_deassert_reset`
    Deassert,
    /// PERST#. C: `pcie_warm_reset`
    Warm,
    /// In-band. C: `pcie_hot_reset`
    Hot,
}

impl PcieReset {
    /// From Linux's number.
    #[must_use]
    pub const fn from_linux(state: u32) -> Option<Self> {
        match state {
            1 => Some(Self::Deassert),
            2 => Some(Self::Warm),
            3 => Some(Self::Hot),
            _ => None,
        }
    }

    pub(crate) const fn ask(self, by: By) -> Ask {
        match self {
            Self::Deassert => Ask::Deassert(by),
            Self::Warm => Ask::Reset(ResetKind::Fundamental, by),
            Self::Hot => Ask::Reset(ResetKind::Hot, by),
        }
    }
}
