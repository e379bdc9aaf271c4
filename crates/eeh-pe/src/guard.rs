// SPDX-License-Identifier: GPL-2.0-or-later
//! The tree's lock, held: the only source of borrowed PEs and devices.

use crate::cell::{Inner, TreeCell};
use crate::env::{Env, Lock};
use crate::flags::PeType;
use crate::id::{Bdf, DeviceId, PeId, PeNumber, TreeId};
use crate::links::{Node, Use};
use crate::name::Name;
use crate::refs::{DeviceRef, PeRef};
use crate::registry::Registry;
use crate::slot::Slot;
use crate::storage::{ChunkPair, Reservation};

/// The tree's lock, held. Whatever is borrowed from it ([`PeRef`], [`DeviceRef`]) cannot outlive
/// it: the compiler refuses.
///
/// # Context
///
/// While it exists: no sleep, no allocation, no firmware, no print, no callback.
pub struct TreeGuard<'r, E: Env> {
    pub(crate) registry: &'r Registry<E>,
    pub(crate) cell: &'r TreeCell<E>,
    pub(crate) id: TreeId,
    pub(crate) inner: <E::Lock<Inner<E>> as Lock<Inner<E>>>::Guard<'r>,
}

impl<'r, E: Env> TreeGuard<'r, E> {
    pub(crate) fn new(registry: &'r Registry<E>, cell: &'r TreeCell<E>, id: TreeId) -> Self {
        let mut guard = Self::without_reaping(registry, cell, id);
        guard.drain();
        guard
    }

    /// Takes the lock and frees nothing: for who may be in a hard interrupt, where nothing of the
    /// platform's may go.
    pub(crate) fn without_reaping(registry: &'r Registry<E>, cell: &'r TreeCell<E>, id: TreeId) -> Self {
        let mut guard = Self { registry, cell, id, inner: cell.inner.lock() };
        guard.inner.hold = guard.inner.hold.wrapping_add(1);
        guard
    }

    /// The tree's handle.
    #[must_use]
    pub const fn tree(&self) -> TreeId {
        self.id
    }

    /// True until the PHB is removed.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.cell.state.load().is(self.id.0)
    }

    /// Borrows a live PE.
    #[must_use]
    pub fn pe(&self, id: PeId) -> Option<PeRef<'_, 'r, E>> {
        let index = self.linked_pe(id)?;
        PeRef::live(self, index)
    }

    /// Borrows a PE that the caller holds, removed or not.
    #[must_use]
    pub fn pe_even_removed(&self, id: PeId) -> Option<PeRef<'_, 'r, E>> {
        PeRef::linked(self, self.linked_pe(id)?)
    }

    /// The PHB's own PE; `None` once the PHB is removed.
    #[must_use]
    pub fn root(&self) -> Option<PeRef<'_, 'r, E>> {
        PeRef::live(self, self.inner.root?)
    }

    /// The live PE with this number; never the PHB's own. One that is INVALID, kept without devices, is
    /// found too.
    #[must_use]
    pub fn find(&self, number: PeNumber) -> Option<PeRef<'_, 'r, E>> {
        let of_number = self.inner.pes.with_key(number.0);
        let mut live = of_number.filter_map(|index| PeRef::live(self, index));
        live.find(|pe| !pe.kind().contains(PeType::PHB))
    }

    /// Borrows a live device.
    #[must_use]
    pub fn device(&self, id: DeviceId) -> Option<DeviceRef<'_, 'r, E>> {
        DeviceRef::live(self, self.linked_device(id)?)
    }

    /// The live device with this address.
    #[must_use]
    pub fn find_device(&self, bdf: Bdf) -> Option<DeviceRef<'_, 'r, E>> {
        let mut of_address = self.inner.devices.with_key(u32::from(bdf.0));
        of_address.find_map(|index| DeviceRef::live(self, index))
    }

    /// Adds storage that [`insert_device`](Self::insert_device) asked for, and returns what is not
    /// needed after all, for the caller to free without the lock.
    #[must_use = "unused storage is freed outside the lock"]
    pub(crate) fn add_storage(&mut self, mut storage: Reservation<E>) -> Reservation<E> {
        let inner = &mut *self.inner;
        if let (false, Some(chunk)) = (inner.pes.has_free(), inner.pes.next_chunk())
            && let Some(ChunkPair { slots, links }) = storage.pe.take()
        {
            match self.cell.pes.publish(chunk, slots) {
                Ok(()) => inner.pes.add_chunk(links),
                Err(slots) => storage.pe = Some(ChunkPair { slots, links }),
            }
        }
        if let (false, Some(chunk)) = (inner.devices.has_free(), inner.devices.next_chunk())
            && let Some(ChunkPair { slots, links }) = storage.device.take()
        {
            match self.cell.devices.publish(chunk, slots) {
                Ok(()) => inner.devices.add_chunk(links),
                Err(slots) => storage.device = Some(ChunkPair { slots, links }),
            }
        }
        storage
    }

    /// The index of a PE that is in the tree, live or tombstone, with the handle's generation.
    pub(crate) fn linked_pe(&self, id: PeId) -> Option<u16> {
        let node = self.inner.pes.node(id.index())?;
        (id.tree == self.id && is_occupied_by(node, id.name)).then_some(id.index())
    }

    /// The index of a device that is in the tree, live or tombstone, with the handle's generation.
    pub(crate) fn linked_device(&self, id: DeviceId) -> Option<u16> {
        let node = self.inner.devices.node(id.index())?;
        (id.tree == self.id && is_occupied_by(node, id.name)).then_some(id.index())
    }

    pub(crate) fn pe_name(&self, index: u16) -> Option<Name> {
        Some(Name::new(index, self.inner.pes.node(index)?.generation))
    }

    pub(crate) fn pe_is_live(&self, index: u16) -> bool {
        self.cell.pe(index).is_some_and(|slot| slot.word.load().is_live())
    }

    pub(crate) fn device_is_live(&self, index: u16) -> bool {
        self.cell.device(index).is_some_and(|slot| slot.word.load().is_live())
    }

    /// The next PE of `root`'s subtree in pre-order, tombstones included; `descend` says whether
    /// the PEs below `at` are wanted.
    pub(crate) fn next_in_subtree(&self, root: u16, at: u16, descend: bool) -> Option<u16> {
        let pes = &self.inner.pes;
        if descend && let Some(child) = pes.get(at)?.children.first {
            return Some(child);
        }
        let mut at = at;
        while at != root {
            let node = pes.node(at)?;
            if let Some(next) = node.next {
                return Some(next);
            }
            at = node.owner?;
        }
        None
    }

    /// True when `index` is below `root`.
    pub(crate) fn is_below(&self, root: u16, index: u16) -> bool {
        let mut at = index;
        while let Some(owner) = self.inner.pes.node(at).and_then(|node| node.owner) {
            if owner == root {
                return true;
            }
            at = owner;
        }
        false
    }

    pub(crate) fn pe_slot(&self, index: u16) -> Option<&'r Slot> {
        self.cell.pe(index)
    }
}

fn is_occupied_by(node: &Node, name: Name) -> bool {
    node.used != Use::Free && node.generation == name.generation()
}
