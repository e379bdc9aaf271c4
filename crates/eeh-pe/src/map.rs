// SPDX-License-Identifier: GPL-2.0-or-later
//! One PHB's addresses: which device decodes which range. C: `eeh_cache.c`

use crate::cell::TreeCell;
use crate::env::{Env, Lock, SetOnce};
use crate::error::MapError;
use crate::id::DeviceId;
use crate::latch::{Latch, Range};
use crate::name::Name;
use crate::phb::{Window, WindowKind};
use crate::tree::Tree;

/// The address map of one PHB.
///
/// Readers ([`Registry::lookup`](crate::Registry::lookup)) take no lock. Writers take the map's
/// mutex.
pub struct AddressMap<'t, 'r, E: Env> {
    tree: &'t Tree<'r, E>,
}

impl<'r, E: Env> Tree<'r, E> {
    /// The PHB's address map.
    #[must_use]
    pub const fn map(&self) -> AddressMap<'_, 'r, E> {
        AddressMap { tree: self }
    }
}

impl<E: Env> AddressMap<'_, '_, E> {
    /// Maps a range of CPU addresses to a device. The same range of the same device again changes
    /// nothing; ranges of devices that were removed make room. C: `eeh_addr_cache_insert`
    ///
    /// # Errors
    ///
    /// The range is empty, outside the PHB's windows or overlaps another; the map is full; the
    /// device or the PHB is gone.
    ///
    /// # Context
    ///
    /// May sleep; takes the map's mutex and, within it, the tree's lock.
    pub fn insert(&self, window: Window, device: DeviceId) -> Result<(), MapError> {
        if window.end_inclusive < window.start {
            return Err(MapError::Empty);
        }
        let cell = self.tree.cell();
        let map = cell.map.get().ok_or(MapError::Gone)?;
        let writer = cell.map_writer.lock();
        // Under the mutex: removing the PHB empties the map after it marked the tree dead.
        if !self.tree.is_live() || device.tree != self.tree.id() || !is_live(cell, device) {
            return Err(MapError::Gone);
        }
        let outside = !self.tree.info().windows.iter().flatten().any(|w| w.encloses(&window));
        if outside {
            return Err(MapError::Outside);
        }
        let new = Range { start: window.start, end: window.end_inclusive, value: device.name.bits() };
        for old in map.ranges().filter(|old| old.overlaps(&new)) {
            if old == new {
                return Ok(());
            }
            let owner = self.device(&old);
            if is_live(cell, owner) {
                return Err(MapError::Overlap(owner));
            }
        }
        // What overlaps and was not refused belongs to devices that are gone. A device may go
        // between the two times that this is asked: then fewer are kept than there is room for.
        let keep = |old: &Range| !old.overlaps(&new) && is_live(cell, self.device(old));
        let fits = map.rewrite(&keep, Some(new));
        drop(writer);
        if fits { Ok(()) } else { Err(MapError::Full) }
    }

    /// Takes all ranges of a device out. C: `eeh_addr_cache_rmv_dev`
    ///
    /// # Context
    ///
    /// May sleep; takes the map's mutex.
    pub fn remove_device(&self, device: DeviceId) {
        if device.tree != self.tree.id() {
            return;
        }
        let cell = self.tree.cell();
        let Some(map) = cell.map.get() else { return };
        let writer = cell.map_writer.lock();
        let theirs = |range: &Range| range.value == device.name.bits();
        if map.ranges().any(|range| theirs(&range)) {
            // Fewer ranges always fit.
            let _ = map.rewrite(&|range| !theirs(range), None);
        }
        drop(writer);
    }

    /// Shows the ranges to `f`, in order of address. C: `eeh_addr_cache_show`
    ///
    /// # Context
    ///
    /// May sleep; takes the map's mutex, which `f` runs under.
    pub fn for_each(&self, mut f: impl FnMut(Window, DeviceId)) {
        let cell = self.tree.cell();
        let Some(map) = cell.map.get() else { return };
        let writer = cell.map_writer.lock();
        // A range lies in a window of its kind, and windows do not overlap.
        let windows = self.tree.info().windows;
        for Range { start, end, value } in map.ranges() {
            let within = |window: &&Window| window.start <= start && end <= window.end_inclusive;
            let kind = windows.iter().flatten().find(within).map_or(WindowKind::Mem, |window| window.kind);
            f(Window { start, end_inclusive: end, kind }, self.tree.id().device(Name::from_bits(value)));
        }
        drop(writer);
    }

    const fn device(&self, range: &Range) -> DeviceId {
        self.tree.id().device(Name::from_bits(range.value))
    }
}

/// Empties the map of a PHB that is being removed or added. Takes the map's mutex.
pub(crate) fn clear<E: Env>(cell: &TreeCell<E>) {
    let Some(map) = cell.map.get() else { return };
    let writer = cell.map_writer.lock();
    let _ = map.rewrite(&|_| false, None);
    drop(writer);
}

/// Gives the cell a map, unless an earlier PHB's is there.
pub(crate) fn install<E: Env>(cell: &TreeCell<E>, latch: Latch<E>) -> Result<(), Latch<E>> {
    cell.map.set(latch)
}

fn is_live<E: Env>(cell: &TreeCell<E>, id: DeviceId) -> bool {
    cell.device(id.index()).is_some_and(|slot| slot.word.load().is(id.name))
}

impl Window {
    /// True when all of `other` is within, and of the same kind.
    #[must_use]
    pub fn encloses(&self, other: &Self) -> bool {
        self.kind == other.kind && self.start <= other.start && other.end_inclusive <= self.end_inclusive
    }
}
