// SPDX-License-Identifier: GPL-2.0-or-later
//! PHBs come and go.

use crate::cell::{BUILDING, TreeCell};
use crate::env::{Env, Lock, SetOnce, max_generation};
use crate::error::AddPhbError;
use crate::flags::{PeFlags, PeType};
use crate::guard::TreeGuard;
use crate::id::{PeNumber, TreeId};
use crate::latch::{Latch, Range};
use crate::links::Use;
use crate::map;
use crate::name::Name;
use crate::phb::{PhbInfo, Window};
use crate::registry::Registry;
use crate::remove::RemovedDevice;
use crate::storage::TreeStorage;
use crate::time::Time;
use crate::tree::Tree;
use crate::word::Snapshot;

impl<E: Env> Registry<E> {
    /// Adds a PHB with its own PE, root of its tree. C: `eeh_phb_pe_create`
    ///
    /// A dead PHB of the same number that is still referenced is no obstacle: the new one gets
    /// another place. A place keeps the address map of the first PHB that it had; one with a
    /// smaller map than `storage` asks for is taken only when there is no other.
    ///
    /// # Errors
    ///
    /// The reason, and the storage back.
    ///
    /// # Context
    ///
    /// May sleep; takes the registry's mutex and, within it, trees' locks.
    pub fn add_phb(
        &self,
        info: PhbInfo,
        storage: TreeStorage<E>,
    ) -> Result<TreeId, (AddPhbError, TreeStorage<E>)> {
        let writer = self.writer.lock();
        if let Some(live) = self.find_phb(info.number) {
            return Err((AddPhbError::Exists(live), storage));
        }
        if let Err(error) = self.check_windows(&info) {
            return Err((error, storage));
        }
        let Some((cell, id)) = self.claim_cell(storage.map.ranges()) else {
            return Err((AddPhbError::Full, storage));
        };
        let unused = self.build(cell, id, &info, storage);
        let windows_fit = self.add_windows(id, &info);
        debug_assert!(windows_fit, "checked before");
        // From here on it is seen.
        let _ = cell.state.update(|now| Ok::<_, ()>(now.with_flags(0).with_live()));
        drop(writer);
        drop(unused);
        Ok(id)
    }

    /// Removes a PHB: marks it dead, removes all its PEs and devices, empties its maps, ends its
    /// reports and their marks. `None` when it is gone already.
    ///
    /// It waits for nobody: a worker that is busy with it finds it dead and goes. The caller wakes
    /// the worker, and drops the result, which holds the platform's devices, where sleeping is
    /// allowed.
    ///
    /// # Context
    ///
    /// May sleep; takes the registry's mutex and, within it, the map's and then the tree's lock.
    #[must_use = "holds the platform's devices"]
    pub fn remove_phb(&self, id: TreeId, now: Time) -> Option<Removed<'_, E>> {
        let writer = self.writer.lock();
        let tree = self.tree(id)?;
        let cell = tree.cell();
        if !cell.state.kill(id.0) {
            return None;
        }
        let name = id.0.bits();
        let _ = self.windows.rewrite(&|window| window.value != name, None);
        map::clear(cell);
        tree.lock().kill_all(now);
        // The registry's entry.
        let _ = cell.state.put();
        drop(writer);
        Some(Removed { tree, next: Some(0) })
    }

    fn check_windows(&self, info: &PhbInfo) -> Result<(), AddPhbError> {
        let new = || info.windows.iter().flatten();
        let bad = new().any(|w| w.end_inclusive < w.start || w.end_inclusive == u64::MAX);
        let clash = self.windows.ranges().any(|old| new().any(|w| range_of(w, 0).overlaps(&old)));
        let own_clash = new()
            .enumerate()
            .any(|(i, a)| new().enumerate().any(|(j, b)| i != j && range_of(a, 0).overlaps(&range_of(b, 0))));
        if bad || clash || own_clash {
            return Err(AddPhbError::Windows);
        }
        if self.windows.ranges().count().saturating_add(new().count()) > self.windows.capacity() {
            return Err(AddPhbError::WindowsFull);
        }
        Ok(())
    }

    fn add_windows(&self, id: TreeId, info: &PhbInfo) -> bool {
        let name = id.0.bits();
        info.windows
            .iter()
            .flatten()
            .all(|window| self.windows.rewrite(&|_| true, Some(range_of(window, name))))
    }

    /// Takes a free cell, one that has no map yet or one of `ranges` if there is; dead ones are
    /// reaped first when there is none.
    fn claim_cell(&self, ranges: usize) -> Option<(&TreeCell<E>, TreeId)> {
        let fits = |cell: &TreeCell<E>| cell.map.get().is_none_or(|map| map.capacity() >= ranges);
        let claim = |small: bool| {
            let mut cells = self.cells.iter().filter(|cell| small || fits(cell));
            cells.find_map(|cell| self.claim(cell).map(|id| (cell, id)))
        };
        let again = || {
            self.reap();
            claim(false)
        };
        claim(false).or_else(again).or_else(|| claim(true))
    }

    /// Gives a free cell its next generation; its count is that of the registry's entry and of the
    /// PHB's own PE. `None` when it is in use or its slots are used up.
    fn claim(&self, cell: &TreeCell<E>) -> Option<TreeId> {
        let claimed = cell.state.update(|now| {
            let free = now.count() == 0 && !now.is_live() && now.generation() < max_generation::<E>();
            if !free {
                return Err(());
            }
            let fresh = Snapshot::free(now.generation().saturating_add(1)).with_flags(BUILDING);
            fresh.plus_one(2).and_then(|entry| entry.plus_one(2)).ok_or(())
        });
        let id = claimed.ok().map(|(_, now)| cell.id(now))?;
        let room = {
            let guard = TreeGuard::new(self, cell, id);
            guard.inner.pes.has_free() || guard.inner.pes.next_chunk().is_some()
        };
        if !room {
            let _ = cell.state.update(|now| Ok::<_, ()>(Snapshot::free(now.generation())));
            return None;
        }
        Some(id)
    }

    /// Fills a claimed cell; what storage it does not need comes back.
    fn build(&self, cell: &TreeCell<E>, id: TreeId, info: &PhbInfo, storage: TreeStorage<E>) -> Unused<E> {
        cell.set_phb(info.number, info.root_bus, info.firmware);
        let map = map::install(cell, Latch::new(storage.map));
        let mut guard = TreeGuard::new(self, cell, id);
        let reservation = guard.add_storage(storage.reservation);
        guard.inner.windows = info.windows;
        // C gives a PHB's PE no number.
        let root = guard.create_pe(PeNumber(0), PeType::PHB, None);
        guard.inner.root = root.ok().map(|(index, _)| index);
        drop(guard);
        Unused { _map: map.err(), _reservation: reservation }
    }
}

/// Storage that an earlier PHB left enough of.
struct Unused<E: Env> {
    _map: Option<Latch<E>>,
    _reservation: crate::storage::Reservation<E>,
}

fn range_of(window: &Window, value: u64) -> Range {
    Range { start: window.start, end: window.end_inclusive, value }
}

impl<E: Env> TreeGuard<'_, E> {
    /// Turns everything into tombstones, without marks and reports. Devices keep the reference of
    /// their existence until their platform's device is taken out.
    fn kill_all(&mut self, now: Time) {
        for index in self.inner.devices.indices() {
            if let Some(slot) = self.cell.device(index)
                && slot.word.kill(Name::new(index, slot.word.load().generation()))
                && let Some(node) = self.inner.devices.node_mut(index)
            {
                node.died = now;
            }
        }
        let marks = (PeFlags::INHERITED | PeFlags::RESET | PeFlags::KEEP).bits();
        for index in self.inner.pes.indices() {
            self.kill_pe(index, now);
            let Some(slot) = self.pe_slot(index) else { continue };
            let Some(node) = self.inner.pes.node_mut(index) else { continue };
            match node.used {
                Use::Free | Use::Replaced => {}
                Use::Linked => {
                    slot.word.change_flags(|_| true, |flags| flags & !marks);
                }
                Use::Parked => {
                    node.used = Use::Linked;
                    self.cell.pes.push_for_reaping(index, slot);
                }
            }
        }
        self.drain();
    }

    /// Takes the platform's device out of the next device of a dead tree at or after `from`.
    fn take_next(&mut self, from: u16) -> Option<RemovedDevice<E>> {
        let hold = self.inner.hold;
        let inner = &mut *self.inner;
        let index = inner
            .devices
            .indices()
            .skip(usize::from(from))
            .find(|&index| inner.devices.get(index).is_some_and(|links| links.platform.is_some()))?;
        let slot = self.cell.device(index)?;
        let links = inner.devices.get_mut(index)?;
        let platform = links.platform.take();
        let (info, saved_config) = (links.info, links.saved_config);
        let (owner, generation) = (links.node.owner?, links.node.generation);
        let flags = crate::flags::DeviceFlags::from_bits_retain(slot.word.load().flags());
        let pe = self.id.pe(self.pe_name(owner)?);
        let id = self.id.device(Name::new(index, generation));
        if let Some(node) = self.inner.devices.node_mut(index) {
            node.died_in = hold;
        }
        // The reference of its existence.
        self.cell.devices.put(index, slot);
        self.drain();
        Some(RemovedDevice { id, pe, pe_removed: true, reported: false, platform, info, flags, saved_config })
    }
}

/// The devices of a removed PHB, each taken with its own hold of the lock; those not taken are
/// taken when this is dropped.
pub struct Removed<'r, E: Env> {
    tree: Tree<'r, E>,
    next: Option<u16>,
}

impl<'r, E: Env> Removed<'r, E> {
    /// The removed tree, held in place.
    #[must_use]
    pub const fn tree(&self) -> &Tree<'r, E> {
        &self.tree
    }
}

impl<E: Env> Iterator for Removed<'_, E> {
    type Item = RemovedDevice<E>;

    /// # Context
    ///
    /// Any, except while the caller holds a tree's lock; takes the tree's lock. What it returns holds
    /// the platform's device.
    fn next(&mut self) -> Option<RemovedDevice<E>> {
        let removed = self.tree.lock().take_next(self.next?);
        self.next = removed.as_ref().and_then(|device| device.id.index().checked_add(1));
        removed
    }
}

impl<E: Env> Drop for Removed<'_, E> {
    /// # Context
    ///
    /// May sleep, as dropping the platform's devices may.
    fn drop(&mut self) {
        self.by_ref().for_each(drop);
    }
}
