// SPDX-License-Identifier: GPL-2.0-or-later
//! What was removed and is still held.

use core::fmt;

use eeh_pe::{Env, OrphanKind, Registry, Time};

use super::Address;

/// The orphans of all PHBs, a line each, then their number. Orphans that stay are a leak.
pub struct OrphanReport<'r, E: Env> {
    /// The trees.
    pub registry: &'r Registry<E>,
    /// The present.
    pub now: Time,
}

impl<E: Env> fmt::Display for OrphanReport<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut count: u32 = 0;
        for orphan in self.registry.orphans(self.now) {
            count = count.saturating_add(1);
            match orphan.kind {
                OrphanKind::Pe(number) => write!(f, "PHB#{}-PE#{number}", orphan.phb)?,
                OrphanKind::Device(bdf) => write!(f, "{}", Address(orphan.phb, bdf))?,
            }
            let age = orphan.age;
            writeln!(
                f,
                ": removed {}.{:03} s ago, {} references",
                age.as_secs(),
                age.subsec_millis(),
                orphan.references
            )?;
        }
        writeln!(f, "{count} orphans")
    }
}
