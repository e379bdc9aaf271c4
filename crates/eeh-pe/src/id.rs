// SPDX-License-Identifier: GPL-2.0-or-later
//! Names of PHBs, PEs and devices.
//!
//! Two kinds of name live here. *Handles* ([`TreeId`], [`PeId`], [`DeviceId`]) are this crate's:
//! `Copy`, storable anywhere, and dead for ever once what they named is gone. *Numbers*
//! ([`PhbNumber`], [`PeNumber`], [`Bdf`]) are the platform's and are reused.

use core::fmt;

use crate::name::Name;

/// A PHB's tree: a registry slot and the generation of its occupant.
///
/// Never Linux's PHB number, which the next controller may get again (hazard 5.13).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TreeId(pub(crate) Name);

impl TreeId {
    /// Names no tree: resolves to `None` in every registry.
    pub const NONE: Self = Self(Name::NONE);

    /// The registry slot: below the registry's capacity, and reused by a later PHB.
    #[must_use]
    pub const fn slot(self) -> u16 {
        self.0.index()
    }

    /// The occupant's generation.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.0.generation()
    }
}

/// A PE of one PHB.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PeId {
    pub(crate) tree: TreeId,
    pub(crate) name: Name,
}

/// A device (a PCI function) of one PHB.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeviceId {
    pub(crate) tree: TreeId,
    pub(crate) name: Name,
}

impl PeId {
    /// Names no PE: resolves to `None` in every registry.
    pub const NONE: Self = Self { tree: TreeId::NONE, name: Name::NONE };

    /// The PHB that the PE belongs to.
    #[must_use]
    pub const fn tree(self) -> TreeId {
        self.tree
    }

    /// The slot's index within its tree.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.name.index()
    }
}

impl DeviceId {
    /// Names no device: resolves to `None` in every registry.
    pub const NONE: Self = Self { tree: TreeId::NONE, name: Name::NONE };

    /// The PHB that the device belongs to.
    #[must_use]
    pub const fn tree(self) -> TreeId {
        self.tree
    }

    /// The slot's index within its tree.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.name.index()
    }
}

/// Linux's number of a PHB (the PCI domain): `hose->global_number`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PhbNumber(pub u32);

/// The firmware's number of a PE within its PHB; PAPR's PE configuration address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PeNumber(pub u32);

/// Bus, device and function: `bus << 8 | device << 3 | function`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Bdf(pub u16);

impl Bdf {
    /// A function's number; `None` when `device` is above 31 or `function` above 7.
    #[must_use]
    pub const fn new(bus: u8, device: u8, function: u8) -> Option<Self> {
        if device > 31 || function > 7 {
            return None;
        }
        let [hi, lo] = [bus, (device << 3) | function];
        Some(Self(u16::from_be_bytes([hi, lo])))
    }

    /// The bus number.
    #[must_use]
    pub const fn bus(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// The device number, 0 to 31.
    #[must_use]
    pub const fn device(self) -> u8 {
        self.0.to_be_bytes()[1] >> 3
    }

    /// The function number, 0 to 7.
    #[must_use]
    pub const fn function(self) -> u8 {
        self.0.to_be_bytes()[1] & 7
    }
}

/// `bb:dd.f`, as lspci prints it without a domain.
impl fmt::Display for Bdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:02x}.{:x}", self.bus(), self.device(), self.function())
    }
}

impl fmt::Display for PhbNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl fmt::Display for PeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}
