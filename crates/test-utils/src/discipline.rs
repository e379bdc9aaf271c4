// SPDX-License-Identifier: GPL-2.0-or-later
//! What must not be done while something else goes on: nothing but links under a tree's lock, no error
//! handler under the lock of hotplug, no load or store of the framework's to a stopped PE.
//!
//! Each thread notes what it sees itself do; a seed's run is on one thread.

use core::cell::{Cell, RefCell};

thread_local! {
    static TREES: Cell<u32> = const { Cell::new(0) };
    static DRIVERS: Cell<u32> = const { Cell::new(0) };
    static TASK: Cell<Option<u64>> = const { Cell::new(None) };
    static BROKEN: RefCell<Vec<Breach>> = const { RefCell::new(Vec::new()) };
}

/// A rule that was broken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Breach {
    /// This was done under a tree's lock.
    UnderTree(&'static str),
    /// This was done by who held the lock of hotplug.
    UnderRescan(&'static str),
    /// A load or store to a stopped PE that no driver has made.
    Mmio,
}

fn note(breach: Breach) {
    BROKEN.with_borrow_mut(|all| {
        if !all.contains(&breach) {
            all.push(breach);
        }
    });
}

/// The rules that this thread has broken since the last call.
#[must_use]
pub fn take() -> Vec<Breach> {
    BROKEN.take()
}

/// A tree's lock was taken.
pub(crate) fn tree_taken() {
    outside_trees("another tree's lock");
    TREES.set(TREES.get() + 1);
}

/// A tree's lock is given back.
pub(crate) fn tree_given_back() {
    TREES.set(TREES.get().saturating_sub(1));
}

/// Something is done that must not be done under a tree's lock.
pub(crate) fn outside_trees(what: &'static str) {
    if TREES.get() > 0 {
        note(Breach::UnderTree(what));
    }
}

/// Something is done that must not be done by who holds the lock of hotplug.
pub(crate) fn outside_rescan(held: bool, what: &'static str) {
    if held {
        note(Breach::UnderRescan(what));
    }
}

/// A load or store met a stopped PE.
pub(crate) fn met_stopped() {
    if DRIVERS.get() == 0 {
        note(Breach::Mmio);
    }
}

/// While this lives, a driver is at its registers.
#[derive(Debug)]
pub(crate) struct ByDriver(());

impl ByDriver {
    pub(crate) fn new() -> Self {
        DRIVERS.set(DRIVERS.get() + 1);
        Self(())
    }
}

impl Drop for ByDriver {
    fn drop(&mut self) {
        DRIVERS.set(DRIVERS.get().saturating_sub(1));
    }
}

/// The task that runs on this thread.
pub(crate) fn task() -> Option<u64> {
    TASK.get()
}

/// A task runs, or none does.
pub(crate) fn set_task(task: Option<u64>) {
    TASK.set(task);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_outside_of_everything_is_no_breach() {
        outside_trees("a firmware call");
        outside_rescan(false, "an error handler");
        let driver = ByDriver::new();
        met_stopped();
        drop(driver);
        assert_eq!(take(), []);
    }

    #[test]
    fn each_breach_is_noted_once() {
        tree_taken();
        outside_trees("a firmware call");
        outside_trees("a firmware call");
        tree_taken();
        tree_given_back();
        tree_given_back();
        outside_trees("a firmware call");
        outside_rescan(true, "an error handler");
        met_stopped();
        let expected = [
            Breach::UnderTree("a firmware call"),
            Breach::UnderTree("another tree's lock"),
            Breach::UnderRescan("an error handler"),
            Breach::Mmio,
        ];
        assert_eq!(take(), expected);
        assert_eq!(take(), []);
    }
}
