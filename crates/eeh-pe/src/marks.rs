// SPDX-License-Identifier: GPL-2.0-or-later
//! Marks on a whole subtree, in one critical section: nothing that is born meanwhile escapes one,
//! or keeps one.

use crate::budget::Budget;
use crate::env::Env;
use crate::flags::{DeviceFlags, PeFlags};
use crate::guard::TreeGuard;
use crate::id::{DeviceId, PeId};
use crate::links::Use;
use crate::time::Time;
use crate::tree::Tree;

/// Whether PEs that were passed through to a guest are included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Passed {
    /// All PEs.
    Include,
    /// All but those marked PASSED; what is below them is included.
    Skip,
}

/// Flags of one PE that no mark of a subtree touches: the queue's, and its owner's.
const NOT_MARKS: PeFlags = PeFlags::PENDING.union(PeFlags::PASSED);

impl<E: Env> Tree<'_, E> {
    /// Replaces the platform's device and returns the old one.
    ///
    /// # Errors
    ///
    /// `platform`, when the device is gone.
    ///
    /// # Context
    ///
    /// Any, except while the caller holds a tree's lock; takes the tree's lock.
    pub fn replace_platform(
        &self,
        id: DeviceId,
        platform: E::Device,
    ) -> Result<Option<E::Device>, E::Device> {
        let mut guard = self.lock();
        let old = match guard.device_links(id) {
            Some(links) => Ok(links.platform.replace(platform)),
            None => Err(platform),
        };
        drop(guard);
        old
    }
}

impl<E: Env> TreeGuard<'_, E> {
    /// Sets flags on a live PE and all live PEs below it, and returns on how many. With ISOLATED,
    /// those whose configuration space is restricted also get CFG_BLOCKED. PENDING belongs to the
    /// queue, PASSED to an owner: they are left alone. C: `eeh_pe_state_mark`, `eeh_pe_mark_isolated`
    pub fn mark_subtree(&mut self, root: PeId, flags: PeFlags) -> usize {
        let Some(root) = self.pe(root) else { return 0 };
        let set = flags.difference(NOT_MARKS);
        let mut marked: usize = 0;
        for slot in root.subtree().filter_map(|pe| self.pe_slot(pe.id().index())) {
            slot.word.change_flags(
                |_| true,
                |now| {
                    let restricted = now & PeFlags::CFG_RESTRICTED.bits() != 0;
                    let blocked = set.contains(PeFlags::ISOLATED) && restricted;
                    now | set.bits() | if blocked { PeFlags::CFG_BLOCKED.bits() } else { 0 }
                },
            );
            marked = marked.saturating_add(1);
        }
        marked
    }

    /// Clears flags on a PE and all PEs below it, removed ones and their successors included. With
    /// ISOLATED, those whose configuration space is restricted also lose CFG_BLOCKED. PENDING and PASSED
    /// are left alone. The caller holds `root` when it may be removed. C: `eeh_pe_state_clear`
    pub fn clear_subtree(&mut self, root: PeId, flags: PeFlags, passed: Passed) {
        let clear = flags.difference(NOT_MARKS);
        self.sweep(root, |guard, index| guard.clear_one(index, clear, passed));
        // Those that only the mark kept.
        self.drain();
    }

    /// Visits a PE, all PEs below it, and the subtrees of the successors of those for which `visit`
    /// answers true.
    fn sweep(&mut self, root: PeId, mut visit: impl FnMut(&mut Self, u16) -> bool) {
        let Some(root) = self.linked_pe(root) else { return };
        self.inner.sweeps = self.inner.sweeps.wrapping_add(1);
        let mut subtrees = Some(root);
        while let Some(root) = subtrees {
            subtrees = self.inner.pes.get_mut(root).and_then(|links| links.to_sweep.take());
            let mut at = Some(root);
            while let Some(index) = at {
                let spared = cfg!(eeh_mutant = "clear_spares_the_young") && index != root;
                let followed = !spared && visit(self, index);
                if followed && !cfg!(eeh_mutant = "sweep_ignores_successors") {
                    self.sweep_successor(index, &mut subtrees);
                }
                at = self.next_in_subtree(root, index, true);
            }
        }
    }

    /// What took over from a removed PE inherited its marks, wherever it was inserted, and so did
    /// what was born below: adds it to the subtrees to clear, unless it was there in this sweep.
    fn sweep_successor(&mut self, index: u16, subtrees: &mut Option<u16>) {
        let sweep = self.inner.sweeps;
        let Some(links) = self.inner.pes.get_mut(index) else { return };
        links.swept = sweep;
        let Some(name) = links.successor else { return };
        let Some(next) = self.linked_pe(self.id.pe(name)) else { return };
        if let Some(links) = self.inner.pes.get_mut(next)
            && links.swept != sweep
        {
            links.swept = sweep;
            links.to_sweep = subtrees.replace(next);
        }
    }

    /// Clears flags of one PE; true when it was RECOVERING: only then its successor has marks of
    /// its, and not of another freeze.
    fn clear_one(&mut self, index: u16, clear: PeFlags, passed: Passed) -> bool {
        let Some(slot) = self.pe_slot(index) else { return false };
        let was_recovering = slot.word.load().flags() & PeFlags::RECOVERING.bits() != 0;
        slot.word.change_flags(
            |now| passed == Passed::Include || now.flags() & PeFlags::PASSED.bits() == 0,
            |now| {
                let restricted = now & PeFlags::CFG_RESTRICTED.bits() != 0;
                let unblocked = clear.contains(PeFlags::ISOLATED) && restricted;
                now & !(clear.bits() | if unblocked { PeFlags::CFG_BLOCKED.bits() } else { 0 })
            },
        );
        let recovering = slot.word.load().flags() & PeFlags::RECOVERING.bits() != 0;
        if let Some(node) = self.inner.pes.node_mut(index)
            && node.used == Use::Parked
            && !recovering
        {
            node.used = Use::Linked;
            self.cell.pes.push_for_reaping(index, slot);
        }
        was_recovering
    }

    /// Sets and clears flags of all live devices of a subtree. C: `eeh_pe_dev_mode_mark`
    pub fn change_subtree_devices(&mut self, root: PeId, set: DeviceFlags, clear: DeviceFlags) {
        let Some(root) = self.pe(root) else { return };
        for device in root.subtree_devices() {
            if let Some(slot) = self.cell.device(device.id().index()) {
                slot.word.change_flags(|_| true, |now| (now | set.bits()) & !clear.bits());
            }
        }
    }

    /// Clears flags of the live devices of a subtree, and of what took over from PEs of it that were removed while
    /// they were RECOVERING: those that [`clear_subtree`](Self::clear_subtree) clears the marks of, which comes after.
    pub fn clear_subtree_devices(&mut self, root: PeId, clear: DeviceFlags) {
        self.sweep(root, |guard, index| {
            let first = guard.inner.pes.get(index).and_then(|links| links.devices.first);
            let all = core::iter::successors(first, |&at| guard.inner.devices.node(at)?.next);
            for slot in all.filter_map(|device| guard.cell.device(device)) {
                slot.word.change_flags(|_| true, |now| now & !clear.bits());
            }
            let recovering = PeFlags::RECOVERING.bits();
            guard.pe_slot(index).is_some_and(|slot| slot.word.load().flags() & recovering != 0)
        });
    }

    /// Sets and clears flags of a live device; `None` when it is gone.
    pub fn change_device(
        &mut self,
        id: DeviceId,
        set: DeviceFlags,
        clear: DeviceFlags,
    ) -> Option<DeviceFlags> {
        let slot = self.cell.device(self.linked_device(id)?)?;
        let before =
            slot.word.change_flags(|now| now.is(id.name), |now| (now | set.bits()) & !clear.bits())?;
        Some(DeviceFlags::from_bits_retain(before))
    }

    /// Saves the first 16 words of a device's configuration space; false when it is gone.
    pub fn save_config(&mut self, id: DeviceId, words: [u32; 16]) -> bool {
        self.device_links(id).map(|links| links.saved_config = words).is_some()
    }

    fn device_links(&mut self, id: DeviceId) -> Option<&mut crate::links::DeviceLinks<E>> {
        let index = self.linked_device(id)?;
        if !self.device_is_live(index) {
            return None;
        }
        self.inner.devices.get_mut(index)
    }

    /// Counts a freeze of a PE at `now`, removed or not, and returns how many there were within
    /// the hour; 0 when it is gone. C: `eeh_pe_update_time_stamp`
    pub fn note_freeze(&mut self, id: PeId, now: Time) -> u32 {
        let Some(links) = self.linked_pe(id).and_then(|index| self.inner.pes.get_mut(index)) else {
            return 0;
        };
        links.budget = links.budget.after_freeze(now);
        links.budget.count()
    }

    /// Forgets the freezes of a PE and of all below it, after a permanent failure, and of those that
    /// took them over: what is found there later starts at zero.
    pub fn forget_freezes(&mut self, root: PeId) {
        self.sweep(root, |guard, index| {
            if let Some(links) = guard.inner.pes.get_mut(index) {
                links.budget = Budget::default();
            }
            true
        });
    }

    /// The live PE that took over from a removed one; `None` when there is none (yet).
    #[must_use]
    pub fn successor_of(&self, id: PeId) -> Option<PeId> {
        let mut at = self.linked_pe(id)?;
        loop {
            let next = self.id.pe(self.inner.pes.get(at)?.successor?);
            at = self.linked_pe(next)?;
            if self.pe_is_live(at) {
                return Some(next);
            }
        }
    }
}
