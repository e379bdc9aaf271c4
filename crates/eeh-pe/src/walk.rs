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
        self.inner.pes.node(index).is_some_and(|node| node.born < stamp.0)
    }

    fn device_born_before(&self, index: u16, stamp: Stamp) -> bool {
        self.inner.devices.node(index).is_some_and(|node| node.born < stamp.0)
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

    /// A walk that sees what was born before `stamp`: all phases of a recovery see the same PEs.
    #[must_use]
    pub const fn born_before(root: PeHold<'r, E>, stamp: Stamp) -> Self {
        Self { root, at: None, stamp, done: false }
    }

    fn step(&self, guard: &TreeGuard<'r, E>) -> Option<PeHold<'r, E>> {
        let root = self.root.id().index();
        let mut from = match &self.at {
            Some(at) => at.id().index(),
            None => {
                if let Some(hold) = PeRef::live(guard, root).and_then(|pe| pe.hold()) {
                    return Some(hold);
                }
                root
            }
        };
        loop {
            from = guard.next_pe(root, from, self.stamp)?;
            // One that is referenced as often as can be counted cannot be visited.
            if let Some(hold) = PeRef::live(guard, from).and_then(|pe| pe.hold()) {
                return Some(hold);
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
        // Replacing it drops the old place's reference, only now that the new one is held.
        self.at = next;
        self.at.as_ref().and_then(PeHold::try_clone)
    }
}

/// A walk over the devices of a PE and of all below it, in the order of [`Walk`].
pub struct DeviceWalk<'r, E: Env> {
    root: PeHold<'r, E>,
    /// The PE whose devices are visited.
    pe: Option<PeHold<'r, E>>,
    /// The device where the walk is.
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
        Self { root, pe: None, at: None, stamp, done: false }
    }

    /// The next device, and its PE if the walk moves on to another.
    fn step(&self, guard: &TreeGuard<'r, E>) -> Option<(Option<PeHold<'r, E>>, DeviceHold<'r, E>)> {
        let root = self.root.id().index();
        let mut pe = self.pe.as_ref().map_or(root, |pe| pe.id().index());
        let mut device = self.at.as_ref().map(|at| at.id().index());
        loop {
            while let Some(index) = guard.next_device(pe, device, self.stamp) {
                device = Some(index);
                let held = DeviceRef::live(guard, index).and_then(|device| device.hold());
                if let (Some(device), Some(pe)) = (held, PeRef::live(guard, pe)) {
                    return Some((pe.hold(), device));
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
        match next {
            Some((Some(pe), device)) => {
                self.pe = Some(pe);
                self.at = Some(device);
            }
            Some((None, _)) | None => {
                self.done = true;
                self.at = None;
            }
        }
        self.at.as_ref().and_then(DeviceHold::try_clone)
    }
}

/// Takes the lock of the tree that a held PE is in.
fn lock<'r, E: Env>(pe: &PeHold<'r, E>) -> TreeGuard<'r, E> {
    TreeGuard::new(pe.registry(), pe.cell(), pe.id().tree())
}
