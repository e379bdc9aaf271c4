// SPDX-License-Identifier: GPL-2.0-or-later
//! What happened when, by track: the matter of a trace.

use eeh_pe::{Bdf, Time};

/// A row of the picture.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Track {
    /// The worker of a PHB.
    Phb(u32),
    /// A device.
    Device(u32, Bdf),
    /// A device's driver.
    Driver(u32, Bdf),
    /// The firmware of a PHB.
    Firmware(u32),
}

impl Track {
    /// The PHB it belongs to.
    #[must_use]
    pub const fn phb(self) -> u32 {
        match self {
            Self::Phb(phb) | Self::Device(phb, _) | Self::Driver(phb, _) | Self::Firmware(phb) => phb,
        }
    }
}

/// Something on a track: for a while, or at a moment (`from == to`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Where.
    pub track: Track,
    /// What.
    pub name: String,
    /// From when.
    pub from: Time,
    /// Until when.
    pub to: Time,
}

impl Mark {
    /// Something at a moment.
    #[must_use]
    pub fn at(track: Track, at: Time, name: impl Into<String>) -> Self {
        Self { track, name: name.into(), from: at, to: at }
    }

    /// Something for a while.
    #[must_use]
    pub fn span(track: Track, from: Time, to: Time, name: impl Into<String>) -> Self {
        Self { track, name: name.into(), from, to }
    }
}
