// SPDX-License-Identifier: GPL-2.0-or-later
//! What a PHB's worker can be asked to do with a PE, outside of any freeze.

use eeh_pe::{Bdf, PeFlags};

use crate::{ResetKind, Thaw};

/// On whose behalf a slot is reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum By {
    /// Its owner's, who saves and restores its devices itself.
    Owner,
    /// That of the driver of this device, who saves and restores that one; the PE's other devices are
    /// saved and restored for it. C: `pcibios_set_pcie_reset_state`
    Driver(Bdf),
}

/// Something that the worker is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    /// Let something through. C: `eeh_pci_enable`, `eeh_unfreeze_pe`
    Thaw(Thaw),
    /// The PE changes hands: a frozen one is thawed, or reset where its card needs that.
    /// C: `eeh_pe_change_owner`
    ChangeOwner,
    /// The same, and a reset that the owner left held is released.
    Disown,
    /// Reset, and keep the PE frozen and blocked until [`Ask::Deassert`].
    Reset(ResetKind, By),
    /// Let it go: restore and thaw.
    Deassert(By),
    /// Reset and restore, without any driver. C: `eeh_pe_reset_and_recover`
    ResetAndRecover,
    /// Set bridges up, where firmware does that. C: `eeh_pe_configure`
    Configure,
}

/// Above the address of the driver's device.
const BY_DRIVER: u32 = 1 << 24;
const CODE_SHIFT: u32 = 16;

impl By {
    const fn bits(self) -> u32 {
        match self {
            Self::Owner => 0,
            Self::Driver(Bdf(bdf)) => {
                let [high, low] = bdf.to_be_bytes();
                u32::from_be_bytes([0, 0, high, low]) | BY_DRIVER
            }
        }
    }

    fn from_bits(bits: u32) -> Self {
        if bits & BY_DRIVER == 0 {
            return Self::Owner;
        }
        Self::Driver(Bdf(u16::try_from(bits & 0xffff).unwrap_or(0)))
    }
}

impl Ask {
    /// As a number, for the tree to keep.
    pub(crate) const fn encode(self) -> u32 {
        let (code, by) = match self {
            Self::Thaw(Thaw::Mmio) => (1, 0),
            Self::Thaw(Thaw::Dma) => (2, 0),
            Self::Thaw(Thaw::All) => (3, 0),
            Self::ChangeOwner => (4, 0),
            Self::Disown => (5, 0),
            Self::Reset(ResetKind::Hot, by) => (6, by.bits()),
            Self::Reset(ResetKind::Fundamental, by) => (7, by.bits()),
            Self::Deassert(by) => (8, by.bits()),
            Self::ResetAndRecover => (9, 0),
            Self::Configure => (10, 0),
        };
        code << CODE_SHIFT | by
    }

    /// From such a number.
    pub(crate) fn decode(what: u32) -> Option<Self> {
        let by = By::from_bits(what);
        match (what & 0xff_0000) >> CODE_SHIFT {
            1 => Some(Self::Thaw(Thaw::Mmio)),
            2 => Some(Self::Thaw(Thaw::Dma)),
            3 => Some(Self::Thaw(Thaw::All)),
            4 => Some(Self::ChangeOwner),
            5 => Some(Self::Disown),
            6 => Some(Self::Reset(ResetKind::Hot, by)),
            7 => Some(Self::Reset(ResetKind::Fundamental, by)),
            8 => Some(Self::Deassert(by)),
            9 => Some(Self::ResetAndRecover),
            10 => Some(Self::Configure),
            _ => None,
        }
    }

    /// The marks of the subtree while the worker is at it. What takes no time needs none: the worker
    /// does one thing at a time.
    pub(crate) const fn marks(self) -> PeFlags {
        match self {
            Self::Thaw(_) | Self::ChangeOwner | Self::Disown | Self::Configure => PeFlags::empty(),
            Self::Reset(_, By::Owner) | Self::Deassert(_) => PeFlags::RECOVERING,
            // The driver's reads of all ones are no news.
            Self::Reset(_, By::Driver(_)) | Self::ResetAndRecover => {
                PeFlags::RECOVERING.union(PeFlags::ISOLATED)
            }
        }
    }

    /// Whether a reset is kept until somebody asks for its end.
    pub(crate) const fn holds(self) -> bool {
        matches!(self, Self::Reset(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ask_comes_back_from_its_number() {
        let bys = [By::Owner, By::Driver(Bdf(0)), By::Driver(Bdf(0xffff))];
        let plain = [
            Ask::Thaw(Thaw::Mmio),
            Ask::Thaw(Thaw::Dma),
            Ask::Thaw(Thaw::All),
            Ask::ChangeOwner,
            Ask::Disown,
            Ask::ResetAndRecover,
            Ask::Configure,
        ];
        let resets = bys.into_iter().flat_map(|by| {
            [Ask::Reset(ResetKind::Hot, by), Ask::Reset(ResetKind::Fundamental, by), Ask::Deassert(by)]
        });
        for ask in plain.into_iter().chain(resets) {
            assert_eq!(Ask::decode(ask.encode()), Some(ask));
        }
        assert_eq!(Ask::decode(0), None);
        assert_eq!(Ask::decode(u32::MAX), None);
    }
}
