// SPDX-License-Identifier: GPL-2.0-or-later
//! How firmware behaves where the architecture lets it choose.

use core::time::Duration;
use std::collections::BTreeMap;

use eeh_pe::Bdf;
use eeh_pseries::rtas::Services;

use crate::hw::Phb;

/// How firmware behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Behaviour {
    /// The calls that it has.
    pub services: Services,
    /// What a PE is.
    pub partition: Partition,
    /// Whether there is a fundamental reset.
    pub fundamental: Fundamental,
    /// How long configuring bridges takes.
    pub busy: Busy,
    /// How long a PE is unavailable after its reset.
    pub away: Duration,
    /// How long the platform takes to recover from an error of its own (R1 of
    /// `ibm,read-slot-reset-state2`, -2 note a: three seconds to minutes).
    pub recovers_in: Duration,
    /// The low byte of a PE's address: 0, but QEMU makes it 1.
    pub low_byte: u8,
    /// Size of an error log in bytes.
    pub error_log_max: usize,
    /// Whether errors may be injected (the management console says so).
    pub injection: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            services: Services::all(),
            partition: Partition::Bus,
            fundamental: Fundamental::Works,
            busy: Busy::NEVER,
            away: Duration::ZERO,
            recovers_in: Duration::from_secs(3),
            low_byte: 0,
            error_log_max: 2048,
            injection: true,
        }
    }
}

/// What a PE is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Partition {
    /// The functions of one bus, as the hardware has it.
    Bus,
    /// A card: everything below a port of the root bus, bridges included.
    Card,
}

impl Partition {
    /// Has the hardware tell PEs apart in this way.
    pub(super) fn apply(self, phb: &Phb) {
        if self == Self::Bus {
            return;
        }
        let mut cards: BTreeMap<Bdf, u32> = BTreeMap::new();
        for port in phb.roots() {
            for bdf in phb.homes_behind(port) {
                let Some(own) = phb.pe_of(bdf) else { continue };
                let card = *cards.entry(port).or_insert(own);
                phb.set_pe(bdf, Some(card));
            }
        }
    }
}

/// Whether there is a fundamental reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fundamental {
    /// Where the hardware has one.
    Works,
    /// Not for any address (-8).
    NotHere,
    /// Function 3 is not implemented (-3).
    Unknown,
}

/// How long configuring bridges takes: so many busy answers first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy {
    /// -2 or 9900 to 9905.
    pub status: i32,
    /// How often.
    pub times: u32,
}

impl Busy {
    /// Done at once.
    pub const NEVER: Self = Self { status: 9900, times: 0 };
}
