// SPDX-License-Identifier: GPL-2.0-or-later
//! What was removed and is still held: the debugging aid of the 2019 RFC.

use core::time::Duration;

use crate::cell::unpack_pe;
use crate::env::Env;
use crate::id::{Bdf, PeNumber, PhbNumber, TreeId};
use crate::links::Use;
use crate::registry::Registry;
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
        if let Some(from) = self.pe {
            let found = inner.pes.indices().skip(usize::from(from)).find_map(|index| {
                let node = inner.pes.node(index)?;
                let slot = cell.pe(index)?;
                let word = slot.word.load();
                (node.used != Use::Free && !word.is_live()).then(|| {
                    let kind = OrphanKind::Pe(unpack_pe(slot.identity()).0);
                    (index, kind, word.count(), node.died)
                })
            });
            self.pe = found.and_then(|(index, ..)| index.checked_add(1));
            if let Some((_, kind, references, died)) = found {
                return Some(self.orphan(kind, references, died));
            }
        }
        let from = self.device?;
        let found = inner.devices.indices().skip(usize::from(from)).find_map(|index| {
            let node = inner.devices.node(index)?;
            let slot = cell.device(index)?;
            let word = slot.word.load();
            (node.used != Use::Free && !word.is_live()).then(|| {
                let kind = OrphanKind::Device(Bdf(u16::try_from(slot.identity()).unwrap_or(0)));
                (index, kind, word.count(), node.died)
            })
        });
        self.device = found.and_then(|(index, ..)| index.checked_add(1));
        found.map(|(_, kind, references, died)| self.orphan(kind, references, died))
    }
}

impl<E: Env> Orphans<'_, E> {
    fn orphan(&self, kind: OrphanKind, references: u32, died: Time) -> Orphan {
        Orphan { phb: self.tree.number(), tree: self.tree.id(), kind, references, age: self.now.since(died) }
    }
}
