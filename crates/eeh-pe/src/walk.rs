// SPDX-License-Identifier: GPL-2.0-or-later
//! Walks that may block between two steps.
//!
//! A walk holds the PE or device it is at. When that is removed it stays in its place as a
//! tombstone, because it is held, so the walk always finds the next one: no list is made, and
//! nothing is allocated. It visits exactly the live ones that were born before the walk began, so
//! it ends however fast hotplug is.

use crate::env::Env;
use crate::guard::TreeGuard;
use crate::hold::{DeviceHold, PeHold};
use crate::refs::{DeviceRef, PeRef};
use crate::stats::Counter;

/// A moment in the history of a tree: what was born before it, and what later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Stamp(u64);

impl<E: Env> TreeGuard<'_, E> {
    /// Now, in births.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp(self.inner.next_birth)
    }

    /// True when the linked PE `index` is older than `stamp`.
    fn pe_born_before(&self, index: u16, stamp: Stamp) -> bool {
        let young = cfg!(eeh_mutant = "walk_sees_the_young");
        self.inner.pes.node(index).is_some_and(|node| node.born < stamp.0 || young)
    }

    fn device_born_before(&self, index: u16, stamp: Stamp) -> bool {
        let young = cfg!(eeh_mutant = "reader_sees_the_young");
        self.inner.devices.node(index).is_some_and(|node| node.born < stamp.0 || young)
    }

    /// The next live PE after `at` in the subtree of `root` that is older than `stamp`.
    fn next_pe(&self, root: u16, at: u16, stamp: Stamp) -> Option<u16> {
        let mut at = at;
        let mut descend = true;
        loop {
            at = self.next_in_subtree(root, at, descend)?;
            // What is below a younger PE is younger still.
            descend = self.pe_born_before(at, stamp);
            if descend && self.pe_is_live(at) {
                return Some(at);
            }
        }
    }

    /// The next live device of a PE, after `at` or from the first, that is older than `stamp`.
    fn next_device(&self, pe: u16, at: Option<u16>, stamp: Stamp) -> Option<u16> {
        let devices = &self.inner.devices;
        let start = match at {
            Some(at) => devices.node(at)?.next,
            None => self.inner.pes.get(pe)?.devices.first,
        };
        core::iter::successors(start, |&at| devices.node(at)?.next)
            .find(|&index| self.device_born_before(index, stamp) && self.device_is_live(index))
    }
}

/// A walk over a PE and all below it, each before those below it.
pub struct Walk<'r, E: Env> {
    root: PeHold<'r, E>,
    /// Where the walk is; nothing before the first step.
    at: Option<PeHold<'r, E>>,
    stamp: Stamp,
    done: bool,
}

impl<'r, E: Env> Walk<'r, E> {
    /// A walk that begins now.
    ///
    /// # Context
    ///
    /// Any, except while the caller holds a tree's lock; takes the tree's lock.
    #[must_use]
    pub fn new(root: PeHold<'r, E>) -> Self {
        let stamp = lock(&root).stamp();
        Self::born_before(root, stamp)
    }

    /// A walk that sees what was born before `stamp`: all phases of a recovery see the same PEs. Its
    /// root is visited while it is live, whenever it was born.
    #[must_use]
    pub const fn born_before(root: PeHold<'r, E>, stamp: Stamp) -> Self {
        Self { root, at: None, stamp, done: false }
    }

    /// The next PE, referenced for the walk and for its user. One that is referenced as often as
    /// can be counted is passed over.
    fn step(&self, guard: &TreeGuard<'r, E>) -> Option<[PeHold<'r, E>; 2]> {
        let root = self.root.id().index();
        let hold = |index| {
            let pe = PeRef::live(guard, index)?;
            Some([pe.hold()?, pe.hold()?])
        };
        let mut from = match &self.at {
            Some(at) => at.id().index(),
            None => match hold(root) {
                Some(holds) => return Some(holds),
                None => root,
            },
        };
        loop {
            from = guard.next_pe(root, from, self.stamp)?;
            if let Some(holds) = hold(from) {
                return Some(holds);
            }
        }
    }
}

impl<'r, E: Env> Iterator for Walk<'r, E> {
    type Item = PeHold<'r, E>;

    /// # Context
    ///
    /// Any, except while the caller holds a tree's lock; takes the tree's lock.
    fn next(&mut self) -> Option<PeHold<'r, E>> {
        if self.done {
            return None;
        }
        if self.at.as_ref().is_some_and(|at| !at.is_live()) {
            self.root.registry().stats().count(Counter::WalksFromTombstone);
        }
        let next = self.step(&lock(&self.root));
        self.done = next.is_none();
        let Some([place, pe]) = next else {
            self.at = None;
            return None;
        };
        // Only now that the next one is held, the last one is let go.
        self.at = Some(place);
        Some(pe)
    }
}

/// A walk over the devices of a PE and of all below it, in the order of [`Walk`].
pub struct DeviceWalk<'r, E: Env> {
    root: PeHold<'r, E>,
    /// The device where the walk is, which pins its PE; nothing before the first step.
    at: Option<DeviceHold<'r, E>>,
    stamp: Stamp,
    done: bool,
}

impl<'r, E: Env> DeviceWalk<'r, E> {
    /// A walk that begins now.
    ///
    /// # Context
    ///
    /// Any, except while the caller holds a tree's lock; takes the tree's lock.
    #[must_use]
    pub fn new(root: PeHold<'r, E>) -> Self {
        let stamp = lock(&root).stamp();
        Self::born_before(root, stamp)
    }

    /// A walk that sees what was born before `stamp`.
    #[must_use]
    pub const fn born_before(root: PeHold<'r, E>, stamp: Stamp) -> Self {
        Self { root, at: None, stamp, done: false }
    }

    /// The next device, referenced for the walk and for its user. One that is referenced as often
    /// as can be counted is passed over.
    fn step(&self, guard: &TreeGuard<'r, E>) -> Option<[DeviceHold<'r, E>; 2]> {
        let root = self.root.id().index();
        let mut device = self.at.as_ref().map(|at| at.id().index());
        let mut pe = match device {
            Some(device) => guard.inner.devices.node(device)?.owner?,
            None => root,
        };
        loop {
            while let Some(index) = guard.next_device(pe, device, self.stamp) {
                device = Some(index);
                let hold = || {
                    let device = DeviceRef::live(guard, index)?;
                    Some([device.hold()?, device.hold()?])
                };
                if let Some(holds) = hold() {
                    return Some(holds);
                }
            }
            pe = guard.next_pe(root, pe, self.stamp)?;
            device = None;
        }
    }
}

impl<'r, E: Env> Iterator for DeviceWalk<'r, E> {
    type Item = DeviceHold<'r, E>;

    /// # Context
    ///
    /// Any, except while the caller holds a tree's lock; takes the tree's lock.
    fn next(&mut self) -> Option<DeviceHold<'r, E>> {
        if self.done {
            return None;
        }
        if self.at.as_ref().is_some_and(|at| !at.is_live()) {
            self.root.registry().stats().count(Counter::WalksFromTombstone);
        }
        let next = self.step(&lock(&self.root));
        self.done = next.is_none();
        let Some([place, device]) = next else {
            self.at = None;
            return None;
        };
        self.at = Some(place);
        Some(device)
    }
}

/// Takes the lock of the tree that a held PE is in.
fn lock<'r, E: Env>(pe: &PeHold<'r, E>) -> TreeGuard<'r, E> {
    TreeGuard::new(pe.registry(), pe.cell(), pe.id().tree())
}
