// SPDX-License-Identifier: GPL-2.0-or-later
//! One PHB's tree, held in place.

use crate::cell::TreeCell;
use crate::device::{DeviceInfo, PeSpec};
use crate::env::{Env, Memory, max_holds};
use crate::error::{InsertError, Refused};
use crate::flags::PeFlags;
use crate::guard::TreeGuard;
use crate::id::{PeId, PhbNumber, TreeId};
use crate::insert::Inserted;
use crate::mutant::mutant;
use crate::phb::PhbInfo;
use crate::registry::Registry;
use crate::storage::Reservation;

/// A PHB's tree. While one exists, the registry's place is not given to another PHB; a worker and
/// every reader has one.
pub struct Tree<'r, E: Env> {
    registry: &'r Registry<E>,
    cell: &'r TreeCell<E>,
    id: TreeId,
}

impl<'r, E: Env> Tree<'r, E> {
    /// Takes over a count of the cell's state.
    pub(crate) fn pinned(registry: &'r Registry<E>, cell: &'r TreeCell<E>, id: TreeId) -> Self {
        Self { registry, cell, id }
    }

    /// Holds the tree once more; `None` when it is held as often as can be counted.
    ///
    /// # Context
    ///
    /// Any.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        self.cell.state.get_again(max_holds::<E>()).then(|| Self::pinned(self.registry, self.cell, self.id))
    }

    /// The tree's handle.
    #[must_use]
    pub const fn id(&self) -> TreeId {
        self.id
    }

    /// The registry that the tree is in.
    #[must_use]
    pub const fn registry(&self) -> &'r Registry<E> {
        self.registry
    }

    /// True until the PHB is removed.
    ///
    /// # Context
    ///
    /// Any.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.cell.state.load().is_live()
    }

    /// Linux's number of the PHB.
    #[must_use]
    pub fn number(&self) -> PhbNumber {
        self.cell.number()
    }

    /// Firmware's name of the PHB.
    #[must_use]
    pub fn firmware(&self) -> u64 {
        self.cell.firmware()
    }

    /// The PHB, as it was added.
    ///
    /// # Context
    ///
    /// Any, except while the caller holds a tree's lock; takes the tree's lock.
    #[must_use]
    pub fn info(&self) -> PhbInfo {
        let windows = self.lock().inner.windows;
        PhbInfo {
            number: self.cell.number(),
            firmware: self.cell.firmware(),
            root_bus: self.cell.root_bus(),
            windows,
        }
    }

    /// Takes the tree's lock and frees what nobody references any more.
    ///
    /// # Context
    ///
    /// Any, except while the caller holds a tree's lock.
    pub fn lock(&self) -> TreeGuard<'r, E> {
        TreeGuard::new(self.registry, self.cell, self.id)
    }

    /// As [`TreeGuard::mark_subtree`], and frees nothing meanwhile.
    ///
    /// # Context
    ///
    /// Any but NMI, hard interrupt included; takes the tree's lock.
    pub fn mark_subtree(&self, root: PeId, flags: PeFlags) -> usize {
        TreeGuard::without_reaping(self.registry, self.cell, self.id).mark_subtree(root, flags)
    }

    /// Visits the platform's devices of a PE that was just isolated, and of those below it: only while
    /// its report waits, and none of which a recovery is at, so that what `visit` notes of a device comes before
    /// whatever the worker does to it. Frees nothing.
    ///
    /// `visit` runs under the tree's lock: it may store to the device and nothing else.
    ///
    /// # Context
    ///
    /// Any but NMI, hard interrupt included; takes the tree's lock.
    pub fn visit_reported(&self, pe: PeId, mut visit: impl FnMut(&E::Device)) {
        let guard = TreeGuard::without_reaping(self.registry, self.cell, self.id);
        let Some(root) = guard.pe(pe) else { return };
        let waits = PeFlags::ISOLATED | PeFlags::PENDING;
        let theirs = root.flags() & (waits | PeFlags::RECOVERING) != waits;
        if mutant!(eeh_mutant = "visit_comes_too_late", theirs, false) {
            return;
        }
        for pe in root.subtree() {
            let recovering = pe.flags().contains(PeFlags::RECOVERING);
            if mutant!(eeh_mutant = "fence_in_a_handler", recovering, false) {
                continue;
            }
            for device in pe.devices() {
                device.with_platform(&mut visit);
            }
        }
    }

    /// The PHB's own PE, root of the tree.
    ///
    /// # Context
    ///
    /// Any, except while the caller holds a tree's lock; takes the tree's lock.
    #[must_use]
    pub fn phb_pe(&self) -> Option<PeId> {
        self.lock().root().map(|pe| pe.id())
    }

    /// Frees what was removed and is referenced by nobody.
    ///
    /// # Context
    ///
    /// Any, except while the caller holds a tree's lock.
    pub fn reap(&self) {
        drop(self.lock());
    }

    /// Inserts a device into the PE with its number; a PE that does not exist is created below
    /// `parent`, or below the PHB's own. Reserves storage, outside the lock, when it is short.
    ///
    /// A new PE is born with its parent's ISOLATED, RECOVERING and CFG_BLOCKED, and with those and
    /// the freeze budget of a removed PE of the same number whose recovery still runs. It raises
    /// no event. C: `eeh_pe_tree_insert`
    ///
    /// # Errors
    ///
    /// The reason, and the platform's device back.
    ///
    /// # Context
    ///
    /// May sleep; takes the tree's lock.
    pub fn insert_device(
        &self,
        info: DeviceInfo,
        platform: E::Device,
        pe: PeSpec,
        parent: Option<PeId>,
    ) -> Result<Inserted, (InsertError, E::Device)>
    where
        E: Memory,
    {
        self.insert_device_with(info, platform, pe, parent, |_, _| ())
    }

    /// As [`insert_device`](Self::insert_device), and completes what was inserted before the lock is
    /// released: whoever finds the device finds all of it.
    ///
    /// # Errors
    ///
    /// As [`insert_device`](Self::insert_device).
    ///
    /// # Context
    ///
    /// May sleep; takes the tree's lock, which `complete` runs under.
    pub fn insert_device_with(
        &self,
        info: DeviceInfo,
        platform: E::Device,
        pe: PeSpec,
        parent: Option<PeId>,
        complete: impl FnOnce(&mut TreeGuard<'r, E>, &Inserted),
    ) -> Result<Inserted, (InsertError, E::Device)>
    where
        E: Memory,
    {
        let mut platform = platform;
        loop {
            let mut guard = self.lock();
            let answer = guard.insert_device(info, platform, pe, parent);
            let need = match answer {
                Ok(inserted) => {
                    complete(&mut guard, &inserted);
                    return Ok(inserted);
                }
                Err((Refused::NeedStorage(need), back)) => {
                    platform = back;
                    need
                }
                Err((Refused::For(error), back)) => {
                    drop(guard);
                    return Err((error, back));
                }
            };
            drop(guard);
            let Some(storage) = Reservation::reserve(need) else {
                return Err((InsertError::NoMemory, platform));
            };
            // What another thread brought first comes back and is freed here, outside the lock.
            let unused = self.lock().add_storage(storage);
            drop(unused);
        }
    }

    pub(crate) const fn cell(&self) -> &'r TreeCell<E> {
        self.cell
    }
}

impl<E: Env> Drop for Tree<'_, E> {
    /// # Context
    ///
    /// Any.
    fn drop(&mut self) {
        // A cell that nobody holds is free; there is nothing to do for the last one.
        let _ = self.cell.state.put();
    }
}

impl<E: Env> core::fmt::Debug for Tree<'_, E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Tree").field(&self.id).finish()
    }
}
