// SPDX-License-Identifier: GPL-2.0-or-later
//! What was removed and is still held, and what a driver that never came back holds.

use core::fmt;

use eeh_pe::{DeviceFlags, DeviceWalk, Env, OrphanKind, Registry, Time, Tree};

use super::Address;

/// The orphans of all PHBs, a line each, then their number. Orphans that stay are a leak.
///
/// Then the devices whose lock a lost helper holds, if there are any: EEH leaves those alone.
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
        writeln!(f, "{count} orphans")?;
        self.registry.trees().try_for_each(|tree| lost_locks(f, &tree))
    }
}

fn lost_locks<E: Env>(f: &mut fmt::Formatter<'_>, tree: &Tree<'_, E>) -> fmt::Result {
    let Some(root) = tree.lock().root().and_then(|root| root.hold()) else { return Ok(()) };
    for device in DeviceWalk::new(root).filter(|device| device.flags().contains(DeviceFlags::LOCK_LOST)) {
        let bdf = tree.lock().device(device.id()).map(|device| device.info().bdf);
        if let Some(bdf) = bdf {
            writeln!(f, "{}: device lock lost", Address(tree.number(), bdf))?;
        }
    }
    Ok(())
}
