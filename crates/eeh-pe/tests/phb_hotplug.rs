// SPDX-License-Identifier: GPL-2.0-or-later
//! Goal: PHBs come and go under holders, workers and maps, one thread.
#![cfg(not(eeh_loom))]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{AddPhbError, Isolate, PeFlags, PhbNumber, TreeStorage, Window, WindowKind};

#[test]
fn a_removed_phb_is_not_found_and_its_number_is_free() {
    let registry = registry::<Host>(2);
    let old = add_phb(&registry, 3);
    let tree = registry.tree(old).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    let removed: Vec<_> = registry.remove_phb(old, seconds(1)).unwrap().collect();
    assert_eq!(removed.len(), 1);
    assert!(removed[0].platform.is_some());
    assert_eq!(registry.find_phb(PhbNumber(3)), None);
    assert_eq!(registry.peek(a.pe), None);
    assert!(!tree.is_live());
    let new = add_phb(&registry, 3);
    assert_ne!(new.slot(), old.slot(), "the old place is still held");
    assert_eq!(registry.find_phb(PhbNumber(3)), Some(new));
    drop(tree);
    drop(registry.remove_phb(new, seconds(2)));
    assert!(registry.tree(old).is_none());
    let third = add_phb(&registry, 3);
    assert_eq!(third.slot(), old.slot(), "nobody holds it any more");
    assert_ne!(third, old);
}

#[test]
fn a_live_number_is_taken_only_once() {
    let registry = registry::<Host>(2);
    let id = add_phb(&registry, 3);
    let (error, _) = registry.add_phb(phb_info(3), TreeStorage::reserve(1).unwrap()).unwrap_err();
    assert_eq!(error, AddPhbError::Exists(id));
}

#[test]
fn overlapping_windows_are_refused() {
    let registry = registry::<Host>(2);
    add_phb(&registry, 3);
    let mut info = phb_info(4);
    info.windows[1] = phb_info(3).windows[0];
    let (error, _) = registry.add_phb(info, TreeStorage::reserve(1).unwrap()).unwrap_err();
    assert_eq!(error, AddPhbError::Windows);
}

#[test]
fn removal_cancels_reports_and_the_place_is_free_again() {
    let registry = registry::<Host>(1);
    let id = add_phb(&registry, 0);
    let a = insert(&registry.tree(id).unwrap(), 0x100, 5, None);
    assert_eq!(registry.isolate(a.pe), Isolate::Won);
    let hold = registry.get(a.pe).unwrap();
    drop(registry.remove_phb(id, seconds(1)).unwrap());
    assert_eq!(hold.flags(), PeFlags::empty());
    let tree = hold.tree().unwrap();
    assert_eq!(tree.take_pending().count(), 0);
    let (error, _) = registry.add_phb(phb_info(0), TreeStorage::reserve(1).unwrap()).unwrap_err();
    assert_eq!(error, AddPhbError::Full, "the reference pins the place");
    drop(hold);
    drop(tree);
    add_phb(&registry, 0);
}

#[test]
fn removing_a_phb_twice_does_nothing() {
    let registry = registry::<Host>(1);
    let id = add_phb(&registry, 0);
    let keep = registry.tree(id).unwrap();
    drop(registry.remove_phb(id, seconds(1)).unwrap());
    assert!(registry.remove_phb(id, seconds(1)).is_none());
    drop(keep);
}

#[test]
fn a_place_is_used_by_many_phbs_and_needs_no_more_storage() {
    let registry = registry::<Host>(1);
    for round in 0..100 {
        let id = add_phb(&registry, round % 3);
        let tree = registry.tree(id).unwrap();
        let a = insert(&tree, 0x100, 5, None);
        let start = phb_info(round % 3).windows[0].unwrap().start;
        let window = Window { start, end_inclusive: start + 0xfff, kind: WindowKind::Mem };
        tree.map().insert(window, a.device).unwrap();
        assert_eq!(registry.lookup(start + 8), Some(a.device));
        drop(tree);
        drop(registry.remove_phb(id, seconds(1)));
        assert_eq!(registry.lookup(start + 8), None);
        assert!(registry.peek_device(a.device).is_none());
    }
}
