// SPDX-License-Identifier: GPL-2.0-or-later
//! All PHBs: look-up of everything by handle, number or address.

use crate::cell::{BUILDING, TreeCell, unpack_pe};
use crate::device::{DeviceView, PeView};
use crate::env::{Env, Lock, LockName, SetOnce, max_holds};
use crate::flags::{DeviceFlags, PeFlags};
use crate::hold::{DeviceHold, PeHold};
use crate::id::{Bdf, DeviceId, PeId, PhbNumber, TreeId};
use crate::latch::{FREE, Latch};
use crate::mutant::mutant;
use crate::name::Name;
use crate::slot::Slot;
use crate::stats::{Counter, Stats};
use crate::storage::RegistryStorage;
use crate::tree::Tree;

/// A fixed number of places for PHBs.
///
/// # Lock order
///
/// The registry's mutex (adding and removing PHBs), a map's mutex, one tree's lock. Look-ups take
/// none of them.
pub struct Registry<E: Env> {
    pub(crate) cells: E::Slice<TreeCell<E>>,
    /// Address windows of all live PHBs.
    pub(crate) windows: Latch<E>,
    /// Held while PHBs are added or removed.
    pub(crate) writer: E::Mutex<()>,
    stats: Stats<E>,
}

impl<E: Env> Registry<E> {
    /// An empty registry.
    #[must_use]
    pub fn new(storage: RegistryStorage<E>) -> Self {
        Self {
            cells: storage.cells,
            windows: Latch::new(storage.windows),
            writer: E::Mutex::new((), LockName::Registry),
            stats: Stats::new(storage.stats),
        }
    }

    /// The counters.
    ///
    /// # Context
    ///
    /// Any.
    #[inline]
    #[must_use]
    pub fn stats(&self) -> &Stats<E> {
        &self.stats
    }

    /// A PHB's tree, live or removed but still referenced; holds the place while it exists.
    ///
    /// # Context
    ///
    /// Any.
    #[must_use]
    pub fn tree(&self, id: TreeId) -> Option<Tree<'_, E>> {
        let cell = self.cell(id)?;
        let pinned = cell.state.update(|now| {
            let same = mutant!(eeh_mutant = "tree_any_generation", now.is_even_removed(id.0), true);
            let building = now.flags() & BUILDING != 0;
            let hidden = mutant!(eeh_mutant = "tree_while_building", building, false);
            if !same || now.count() == 0 || hidden {
                return Err(());
            }
            now.plus_one(max_holds::<E>()).ok_or(())
        });
        pinned.ok().map(|_| Tree::pinned(self, cell, id))
    }

    /// The live PHB with this number.
    ///
    /// # Context
    ///
    /// Any.
    #[must_use]
    pub fn find_phb(&self, number: PhbNumber) -> Option<TreeId> {
        self.cells.iter().find_map(|cell| {
            let before = cell.state.load();
            let live = mutant!(eeh_mutant = "removed_phb_is_found", before.is_live(), before.count() > 0);
            if !live || cell.number() != number {
                return None;
            }
            let id = cell.id(before);
            // The number is this occupant's when it was there before and after.
            let after = cell.state.load();
            mutant!(eeh_mutant = "removed_phb_is_found", after.is(id.0), true).then_some(id)
        })
    }

    /// All PHBs, live or removed but still referenced, each held while it is looked at.
    ///
    /// # Context
    ///
    /// Any.
    pub fn trees(&self) -> impl Iterator<Item = Tree<'_, E>> {
        self.cells.iter().filter_map(|cell| self.tree(cell.id(cell.state.load())))
    }

    /// Takes a reference to a live PE; `None` when it is gone, or is referenced as often as can be
    /// counted.
    ///
    /// # Context
    ///
    /// Any: takes no lock.
    #[must_use]
    pub fn get(&self, id: PeId) -> Option<PeHold<'_, E>> {
        let (cell, slot) = self.pe_slot(id)?;
        match slot.word.get(id.name, max_holds::<E>()) {
            Some(_) => Some(PeHold::new(self, cell, slot, id)),
            None => {
                self.count_stale(slot, id.name);
                None
            }
        }
    }

    /// Counts a refusal that was not for want of references.
    fn count_stale(&self, slot: &Slot, name: Name) {
        if !slot.word.load().is(name) {
            self.stats.count(Counter::StaleHandles);
        }
    }

    /// Takes a reference to a live device; `None` as for a PE.
    ///
    /// # Context
    ///
    /// Any: takes no lock.
    #[must_use]
    pub fn get_device(&self, id: DeviceId) -> Option<DeviceHold<'_, E>> {
        let (cell, slot) = self.device_slot(id)?;
        match slot.word.get(id.name, max_holds::<E>()) {
            Some(_) => Some(DeviceHold::new(self, cell, slot, id)),
            None => {
                self.count_stale(slot, id.name);
                None
            }
        }
    }

    /// Looks at a live PE without a reference, a lock or a store; `None` when it is gone.
    ///
    /// # Context
    ///
    /// Any, NMI included.
    #[inline]
    #[must_use]
    pub fn peek(&self, id: PeId) -> Option<PeView> {
        let (cell, slot) = self.pe_slot(id)?;
        // The PE pins its tree, so these are its PHB's if it is live after them.
        let (phb, firmware) = (cell.number(), cell.firmware());
        let (word, identity, owner) = slot.peek(id.name)?;
        let (number, kind) = unpack_pe(identity);
        let flags = PeFlags::from_bits_retain(word.flags());
        Some(PeView { id, phb, firmware, number, kind, flags, parent: owner.map(|n| id.tree.pe(n)) })
    }

    /// Looks at a live device without a reference, a lock or a store; `None` when it is gone.
    ///
    /// # Context
    ///
    /// Any, NMI included.
    #[inline]
    #[must_use]
    pub fn peek_device(&self, id: DeviceId) -> Option<DeviceView> {
        let (_, slot) = self.device_slot(id)?;
        let (word, identity, owner) = slot.peek(id.name)?;
        Some(DeviceView {
            id,
            bdf: Bdf(u16::try_from(identity).unwrap_or(0)),
            flags: DeviceFlags::from_bits_retain(word.flags()),
            pe: id.tree.pe(owner?),
        })
    }

    /// The device that decodes a CPU address; it may be gone by now, which its handle tells.
    ///
    /// # Context
    ///
    /// Any, NMI included.
    #[inline]
    #[must_use]
    pub fn lookup(&self, address: u64) -> Option<DeviceId> {
        let found = self.find_at_once(address).unwrap_or_else(|| self.find_at_length(address));
        found.map(|(_, device)| device)
    }

    /// The same, with the place of its PHB; `None` when it takes a longer look.
    #[inline(always)]
    pub(crate) fn find_at_once(&self, address: u64) -> Option<Option<(&TreeCell<E>, DeviceId)>> {
        self.find_by(|latch| latch.find_in_first(address))
    }

    /// The same, however long it takes.
    pub(crate) fn find_at_length(&self, address: u64) -> Option<(&TreeCell<E>, DeviceId)> {
        self.find_by(|latch| Some(latch.find_in_all(address))).flatten()
    }

    /// Asks the PHBs' windows, and then the map of one PHB; `None` when `find` does not answer.
    #[inline(always)]
    fn find_by(&self, find: impl Fn(&Latch<E>) -> Option<u64>) -> Option<Option<(&TreeCell<E>, DeviceId)>> {
        let window = find(&self.windows)?;
        if window == FREE {
            return Some(None);
        }
        let tree = TreeId(Name::from_bits(window));
        let Some(cell) = self.cell(tree) else { return Some(None) };
        let Some(map) = cell.map.get() else { return Some(None) };
        let value = find(map)?;
        if value == FREE {
            return Some(None);
        }
        // The next PHB in this place may have filled the map since the window was found; it was
        // live before it did.
        let same = mutant!(eeh_mutant = "lookup_mixes_phbs", cell.state.load().is(tree.0), true);
        Some(same.then(|| (cell, tree.device(Name::from_bits(value)))))
    }

    /// Frees what was removed and is referenced by nobody, on all PHBs.
    ///
    /// # Context
    ///
    /// Any, except while the caller holds a tree's lock; takes each tree's lock in turn.
    pub fn reap(&self) {
        for tree in self.trees() {
            tree.reap();
        }
    }

    #[inline]
    pub(crate) fn cell(&self, id: TreeId) -> Option<&TreeCell<E>> {
        self.cells.get(usize::from(id.slot()))
    }

    #[inline]
    pub(crate) fn pe_slot(&self, id: PeId) -> Option<(&TreeCell<E>, &Slot)> {
        let cell = self.cell(id.tree)?;
        Some((cell, cell.pe(id.index())?))
    }

    #[inline]
    pub(crate) fn device_slot(&self, id: DeviceId) -> Option<(&TreeCell<E>, &Slot)> {
        let cell = self.cell(id.tree)?;
        Some((cell, cell.device(id.index())?))
    }
}
