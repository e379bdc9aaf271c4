// SPDX-License-Identifier: GPL-2.0-or-later
//! One PHB's addresses: which device decodes which range. C: `eeh_cache.c`

use crate::cell::TreeCell;
use crate::env::{Env, Lock};
use crate::error::MapError;
use crate::id::DeviceId;
use crate::latch::{Latch, Range};
use crate::phb::{Window, WindowKind};
use crate::slot::Name;
use crate::tree::Tree;

/// Set in a range's value when it holds I/O ports: above index and generation.
const IO: u64 = 1 << 63;

#[inline]
pub(crate) fn device_of(value: u64) -> Option<Name> {
    Name::unpack(value & !IO)
}

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
        let name = Name { index: device.index, generation: device.generation };
        let io = if window.kind == WindowKind::Io { IO } else { 0 };
        let new = Range { start: window.start, end: window.end_inclusive, value: name.pack() | io };
        for old in map.ranges().filter(|old| old.overlaps(&new)) {
            if old == new {
                return Ok(());
            }
            let owner = self.device(&old).ok_or(MapError::Gone)?;
            if is_live(cell, owner) {
                return Err(MapError::Overlap(owner));
            }
        }
        // What overlaps and was not refused belongs to devices that are gone. A device may go
        // between the two times that this is asked: then fewer are kept than there is room for.
        let keep = |old: &Range| !old.overlaps(&new) && self.device(old).is_some_and(|d| is_live(cell, d));
        let fits = map.rewrite(keep, Some(new));
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
        let name = Name { index: device.index, generation: device.generation };
        let theirs = |range: &Range| device_of(range.value) == Some(name);
        if map.ranges().any(|range| theirs(&range)) {
            // Fewer ranges always fit.
            let _ = map.rewrite(|range| !theirs(range), None);
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
        for range in map.ranges() {
            let kind = if range.value & IO != 0 { WindowKind::Io } else { WindowKind::Mem };
            if let Some(device) = self.device(&range) {
                f(Window { start: range.start, end_inclusive: range.end, kind }, device);
            }
        }
        drop(writer);
    }

    fn device(&self, range: &Range) -> Option<DeviceId> {
        device_of(range.value).map(|name| self.tree.id().device(name))
    }
}

/// Empties the map of a PHB that is being removed or added. Takes the map's mutex.
pub(crate) fn clear<E: Env>(cell: &TreeCell<E>) {
    let Some(map) = cell.map.get() else { return };
    let writer = cell.map_writer.lock();
    let _ = map.rewrite(|_| false, None);
    drop(writer);
}

/// Gives the cell a map, unless an earlier PHB's is there.
pub(crate) fn install<E: Env>(cell: &TreeCell<E>, latch: Latch<E>) -> Result<(), Latch<E>> {
    cell.map.set(latch)
}

fn is_live<E: Env>(cell: &TreeCell<E>, id: DeviceId) -> bool {
    cell.device(id.index).is_some_and(|slot| slot.word.load().is_live_as(id.generation))
}

impl Window {
    /// True when all of `other` is within, and of the same kind.
    #[must_use]
    pub fn encloses(&self, other: &Self) -> bool {
        self.kind == other.kind && self.start <= other.start && other.end_inclusive <= self.end_inclusive
    }
}
