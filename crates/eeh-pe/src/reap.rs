// SPDX-License-Identifier: GPL-2.0-or-later
//! Slots that nobody references any more leave the tree.
//!
//! The last put pushes the slot on a lock-free stack and is done, in any context, also inside the
//! lock. Whoever takes the lock next drains the stack: unlinks, frees, drops the reference on the
//! PE above, which may be the last one of that, and so on in a loop.

use crate::env::{Env, max_generation};
use crate::flags::PeFlags;
use crate::guard::TreeGuard;
use crate::links::{List, Node, Use};
use crate::name::Name;
use crate::stats::Counter;

impl<E: Env> TreeGuard<'_, E> {
    /// Frees what was removed and is referenced by nobody.
    pub(crate) fn drain(&mut self) {
        let dead = self.is_dead();
        if dead && !cfg!(eeh_mutant = "dead_tree_keeps_reports") {
            // A detector that marked a PE before the PHB went may link it only now.
            self.cancel_reports();
        }
        loop {
            let devices = self.cell.devices.take_reapable();
            let pes = self.cell.pes.take_reapable();
            if devices.is_none() && pes.is_none() {
                return;
            }
            let mut next = devices;
            while let Some(index) = next {
                let Some(slot) = self.cell.device(index) else { break };
                next = slot.reap_link.next();
                self.free_device(index);
            }
            let mut next = pes;
            while let Some(index) = next {
                let Some(slot) = self.pe_slot(index) else { break };
                next = slot.reap_link.next();
                let recovering = slot.word.load().flags() & PeFlags::RECOVERING.bits() != 0;
                let replaced = self.inner.pes.node(index).is_some_and(|node| node.used == Use::Replaced);
                if recovering && !replaced && !dead {
                    // Its number's next PE must find the mark and the budget: it stays until the
                    // recovery clears the mark.
                    self.park(index);
                } else {
                    self.free_pe(index);
                }
            }
        }
    }

    /// The PHB was removed. A tree that is still being built is neither live nor dead.
    fn is_dead(&self) -> bool {
        let state = self.cell.state.load();
        !state.is_live() && state.flags() & crate::cell::BUILDING == 0
    }

    fn park(&mut self, index: u16) {
        if let Some(node) = self.inner.pes.node_mut(index) {
            node.used = Use::Parked;
        }
    }

    fn free_device(&mut self, index: u16) {
        let Some(slot) = self.cell.device(index) else { return };
        let inner = &mut *self.inner;
        let Some(Node { owner, died_in, .. }) = inner.devices.node(index).copied() else { return };
        if let Some(mut list) = owner.and_then(|pe| inner.pes.get(pe)).map(|links| links.devices) {
            inner.devices.unlink(&mut list, index);
            if let Some(links) = owner.and_then(|pe| inner.pes.get_mut(pe)) {
                links.devices = list;
            }
        }
        if slot.word.retire_occupant(max_generation::<E>()) {
            inner.devices.free(index);
        } else {
            inner.devices.retire(index);
        }
        self.count_orphan(died_in);
        self.put_owner(owner);
    }

    fn free_pe(&mut self, index: u16) {
        let successor = self.inner.pes.get(index).and_then(|links| links.successor);
        let name = self.pe_name(index);
        let number = self.inner.pes.node(index).map_or(0, |node| node.key);
        let Some(slot) = self.pe_slot(index) else { return };
        let inner = &mut *self.inner;
        let Some(Node { owner, died_in, .. }) = inner.pes.node(index).copied() else { return };
        let mut list = owner.and_then(|pe| inner.pes.get(pe)).map_or(List::default(), |l| l.children);
        inner.pes.unlink(&mut list, index);
        if let Some(links) = owner.and_then(|pe| inner.pes.get_mut(pe)) {
            links.children = list;
        }
        if slot.word.retire_occupant(max_generation::<E>()) {
            inner.pes.free(index);
        } else {
            inner.pes.retire(index);
        }
        self.count_orphan(died_in);
        self.put_owner(owner);
        self.bridge_succession(number, name, successor);
        if self.inner.root == Some(index) {
            // All others referred to it: the tree is empty.
            self.inner.root = None;
            let _ = self.cell.state.put();
        }
    }

    /// Whom the PE that is freed succeeded, which had the same number, is succeeded by its successor.
    fn bridge_succession(&mut self, number: u32, freed: Option<Name>, successor: Option<Name>) {
        if freed.is_none() || successor.is_none() {
            return;
        }
        loop {
            let pes = &self.inner.pes;
            let follows = |&index: &u16| pes.get(index).is_some_and(|links| links.successor == freed);
            let before = pes.with_key(number).find(follows);
            let Some(links) = before.and_then(|index| self.inner.pes.get_mut(index)) else { return };
            links.successor = successor;
        }
    }

    fn put_owner(&self, owner: Option<u16>) {
        if let Some(index) = owner
            && let Some(slot) = self.pe_slot(index)
        {
            self.cell.pes.put(index, slot);
        }
    }

    fn count_orphan(&self, died_in: u64) {
        if died_in != self.inner.hold {
            self.registry.stats().count(Counter::OrphansReaped);
        }
    }
}
