// SPDX-License-Identifier: GPL-2.0-or-later
//! What users and tools read: each text is a value whose `Display` writes it, whole lines with a newline
//! at the end of each.
//!
//! Formats that Linux has are exactly Linux's: `/proc/powerpc/eeh` ([`Proc`]), the address cache
//! ([`AddressCache`]). The others are this project's own, and only ever get new words at the end of a line.
//!
//! # Context
//!
//! Writing one may sleep and takes mutexes and tree locks for moments; the caller holds none of them.

mod cache;
mod history;
mod orphans;
mod proc;
mod tree;

use core::fmt;

use eeh_pe::{Bdf, PhbNumber, Time};

pub use cache::AddressCache;
pub use history::HistoryReport;
pub use orphans::OrphanReport;
pub use proc::Proc;
pub use tree::TreeDump;

/// `0002:03:00.0`. C: `pci_name`
struct Address(PhbNumber, Bdf);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{}", self.0.0, self.1)
    }
}

/// Seconds since the clock's start, as in the kernel's log.
struct Seconds(Time);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.since(Time::ZERO);
        write!(f, "{}.{:06}", since.as_secs(), since.subsec_micros())
    }
}

/// Names of flags, as `ISOLATED|RECOVERING`; nothing without any.
fn flags<'a>(f: &mut fmt::Formatter<'_>, names: impl Iterator<Item = &'a str>) -> fmt::Result {
    let mut before = " ";
    for name in names {
        write!(f, "{before}{name}")?;
        before = "|";
    }
    Ok(())
}
