// SPDX-License-Identifier: GPL-2.0-or-later
//! What was removed and is still held: the debugging aid of the 2019 RFC.

use core::time::Duration;

use crate::cell::unpack_pe;
use crate::env::Env;
use crate::id::{Bdf, PeNumber, PhbNumber, TreeId};
use crate::links::{Node, Use};
use crate::registry::Registry;
use crate::slot::Slot;
use crate::time::Time;
use crate::tree::Tree;

/// What an orphan is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum OrphanKind {
    /// A PE.
    Pe(PeNumber),
    /// A device.
    Device(Bdf),
}

/// A removed PE or device that is not freed yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Orphan {
    /// Linux's number of its PHB.
    pub phb: PhbNumber,
    /// Its tree.
    pub tree: TreeId,
    /// What it is.
    pub kind: OrphanKind,
    /// References to it; 0 when only a running recovery's mark keeps it.
    pub references: u32,
    /// How long ago it was removed.
    pub age: Duration,
}

/// The orphans of one PHB, one hold of the lock for each.
pub struct Orphans<'r, E: Env> {
    tree: Tree<'r, E>,
    now: Time,
    pe: Option<u16>,
    device: Option<u16>,
}

impl<'r, E: Env> Tree<'r, E> {
    /// What was removed and is still held, at `now`.
    ///
    /// # Context
    ///
    /// Any, except while the caller holds a tree's lock; each step takes the tree's lock.
    #[must_use]
    pub fn orphans(self, now: Time) -> Orphans<'r, E> {
        Orphans { tree: self, now, pe: Some(0), device: Some(0) }
    }
}

impl<E: Env> Registry<E> {
    /// What was removed and is still held, on all PHBs, at `now`.
    ///
    /// # Context
    ///
    /// Any, except while the caller holds a tree's lock; each step takes a tree's lock.
    pub fn orphans(&self, now: Time) -> impl Iterator<Item = Orphan> {
        self.trees().flat_map(move |tree| tree.orphans(now))
    }
}

impl<E: Env> Iterator for Orphans<'_, E> {
    type Item = Orphan;

    fn next(&mut self) -> Option<Orphan> {
        let guard = self.tree.lock();
        let cell = self.tree.cell();
        let inner = &*guard.inner;
        while let Some(index) = self.pe {
            let Some(node) = inner.pes.node(index) else { break };
            self.pe = index.checked_add(1);
            let pe = |identity| OrphanKind::Pe(unpack_pe(identity).0);
            if let Some(found) = self.orphan(node, cell.pe(index), pe) {
                return Some(found);
            }
        }
        self.pe = None;
        while let Some(index) = self.device {
            let Some(node) = inner.devices.node(index) else { break };
            self.device = index.checked_add(1);
            let device = |identity| OrphanKind::Device(Bdf(u16::try_from(identity).unwrap_or(0)));
            if let Some(found) = self.orphan(node, cell.device(index), device) {
                return Some(found);
            }
        }
        self.device = None;
        None
    }
}

impl<E: Env> Orphans<'_, E> {
    /// What is in a place of the tree, if it was removed; `kind` reads its identity.
    fn orphan(
        &self,
        node: &Node,
        slot: Option<&Slot>,
        kind: impl FnOnce(u64) -> OrphanKind,
    ) -> Option<Orphan> {
        let slot = slot?;
        let word = slot.word.load();
        if node.used == Use::Free || word.is_live() {
            return None;
        }
        let kind = kind(slot.identity());
        let age = self.now.since(node.died);
        Some(Orphan { phb: self.tree.number(), tree: self.tree.id(), kind, references: word.count(), age })
    }
}
