// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: a PHB is removed, and another added under the same number, while detectors and readers
//! are at the old one: nothing of the old one reaches the new one, and the old place is free once
//! the last of them is gone.

// mutants: tree_any_generation => "a handle led to another PHB's tree"
// mutants: tree_while_building => "a reader saw a PHB that is being built"
// mutants: dead_tree_keeps_reports => "the dead PHB keeps its place"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{Isolate, PeFlags, PhbNumber};
use loom::sync::Arc;
use loom::thread;

#[test]
fn a_detector_of_a_removed_phb_reaches_nothing_of_the_next() {
    explore("detector against PHB removal", || {
        let registry = Arc::new(registry::<Host>(2));
        let old = add_phb(&registry, 3);
        let a = insert(&registry.tree(old).unwrap(), 0x100, 5, None);
        let detector = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || registry.isolate(a.pe))
        };
        drop(registry.remove_phb(old, seconds(1)));
        let new = add_phb(&registry, 3);
        assert_eq!(registry.find_phb(PhbNumber(3)), Some(new), "the number leads to the new PHB");
        let b = insert(&registry.tree(new).unwrap(), 0x100, 5, None);
        let answer = detector.join().unwrap();
        assert_ne!(answer, Isolate::AlreadyIsolated, "nobody else isolated it");
        assert_eq!(registry.peek(b.pe).unwrap().flags, PeFlags::empty(), "the new PHB is marked");
        assert_eq!(registry.tree(new).unwrap().take_pending().count(), 0, "the new PHB has a report");
        registry.reap();
        assert!(registry.tree(old).is_none(), "the dead PHB keeps its place");
    });
}

#[test]
fn a_reader_holds_the_place() {
    explore("reader against PHB removal", || {
        // One place: the new PHB gets it as soon as nobody holds the old one.
        let registry = Arc::new(registry::<Host>(1));
        let old = add_phb(&registry, 3);
        let reader = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                let Some(tree) = registry.tree(old) else { return };
                assert_eq!(tree.number(), PhbNumber(3), "a handle led to another PHB's tree");
                let root = tree.phb_pe();
                assert!(root.is_none_or(|pe| pe.tree() == old), "a handle led to another PHB's tree");
                assert_eq!(tree.number(), PhbNumber(3), "a handle led to another PHB's tree");
            })
        };
        drop(registry.remove_phb(old, seconds(1)));
        let storage = eeh_pe::TreeStorage::reserve(1).unwrap();
        let added = registry.add_phb(phb_info(4), storage).map_err(|(error, _)| error);
        reader.join().unwrap();
        let added = added.or_else(|_| {
            let storage = eeh_pe::TreeStorage::reserve(1).unwrap();
            registry.add_phb(phb_info(4), storage).map_err(|(error, _)| error)
        });
        assert!(added.is_ok(), "the dead PHB keeps its place");
        assert_eq!(registry.find_phb(PhbNumber(3)), None, "the old number leads nowhere");
    });
}

#[test]
fn a_reader_of_all_sees_none_half_built() {
    explore("reader of all against the next PHB", || {
        let registry = Arc::new(registry::<Host>(1));
        let old = add_phb(&registry, 3);
        let reader = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                for tree in registry.trees() {
                    let number = if tree.id() == old { 3 } else { 4 };
                    assert_eq!(tree.number(), PhbNumber(number), "a reader saw a PHB that is being built");
                }
            })
        };
        drop(registry.remove_phb(old, seconds(1)));
        let storage = eeh_pe::TreeStorage::reserve(1).unwrap();
        // Full while the reader is at the old one.
        let _ = registry.add_phb(phb_info(4), storage);
        reader.join().unwrap();
    });
}
