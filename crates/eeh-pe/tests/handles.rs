// SPDX-License-Identifier: GPL-2.0-or-later
//! Goal: what names, references and marks promise where two trees, two parents or a full count
//! meet, one thread.
#![cfg(not(eeh_loom))]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{Isolate, MapError, Passed, PeFlags, Report, TreeStorage, Window, WindowKind};

fn page(phb: u32, n: u64) -> Window {
    let start = phb_info(phb).windows[0].unwrap().start + 0x1000 * n;
    Window { start, end_inclusive: start + 0xfff, kind: WindowKind::Mem }
}

#[test]
fn a_lock_finds_nothing_of_another_phb() {
    let registry = registry::<Host>(2);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let other = registry.tree(add_phb(&registry, 1)).unwrap();
    let ours = insert(&tree, 0x100, 5, None);
    let theirs = insert(&other, 0x100, 6, None);
    let mut guard = tree.lock();
    assert!(guard.pe(theirs.pe).is_none());
    assert!(guard.device(theirs.device).is_none());
    assert_eq!(guard.mark_subtree(theirs.pe, PeFlags::RECOVERING), 0);
    drop(guard);
    assert!(tree.remove_device(theirs.device, seconds(1)).is_none());
    assert_eq!(registry.peek(ours.pe).unwrap().flags, PeFlags::empty());
    assert!(tree.insert_device(info(0x200), Platform::default(), spec(7), Some(theirs.pe)).is_err());
}

#[test]
fn a_map_takes_no_device_of_another_phb() {
    let registry = registry::<Host>(2);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let other = registry.tree(add_phb(&registry, 1)).unwrap();
    let ours = insert(&tree, 0x100, 5, None);
    let theirs = insert(&other, 0x100, 6, None);
    assert_eq!(tree.map().insert(page(0, 0), theirs.device), Err(MapError::Gone));
    tree.map().insert(page(0, 0), ours.device).unwrap();
    tree.map().remove_device(theirs.device);
    assert_eq!(registry.lookup(page(0, 0).start), Some(ours.device));
}

#[test]
fn ranges_of_removed_devices_make_room_wherever_they_are() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let old = insert(&tree, 0x100, 5, None);
    for n in 0..4 {
        tree.map().insert(page(0, n), old.device).unwrap();
    }
    drop(tree.remove_device(old.device, seconds(1)));
    let new = insert(&tree, 0x200, 6, None);
    assert_eq!(tree.map().insert(page(0, 9), new.device), Ok(()));
    assert_eq!(registry.lookup(page(0, 0).start), None);
}

#[test]
fn a_phb_gets_a_place_whose_map_is_as_large_as_it_asked() {
    let registry = registry::<Host>(2);
    let small = registry.add_phb(phb_info(0), TreeStorage::reserve(1).unwrap()).map_err(|e| e.0).unwrap();
    drop(registry.remove_phb(small, seconds(1)));
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    for n in 0..4 {
        assert_eq!(tree.map().insert(page(0, n), a.device), Ok(()));
    }
}

#[test]
fn a_report_has_its_reference_also_when_the_count_is_full() {
    let registry = registry::<Narrow>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    let mut holds: Vec<_> = core::iter::from_fn(|| registry.get(a.pe)).collect();
    assert_eq!(registry.isolate(a.pe), Isolate::Won);
    // A report that is taken would use up the reference that the next one needs.
    assert!(tree.take_pending().next().is_none());
    assert_eq!(registry.report(a.pe), Report::AlreadyPending);
    assert!(tree.lock().has_report());
    holds.pop();
    let first = tree.take_pending().next().unwrap();
    assert_eq!(registry.report(a.pe), Report::Queued);
    drop(first);
    let second = tree.take_pending().next().unwrap();
    assert!(tree.take_pending().next().is_none());
    // Existence, device, holders, the report's.
    assert_eq!(tree.lock().pe(a.pe).unwrap().references(), 3 + u32::try_from(holds.len()).unwrap());
    drop((second, holds));
    // It goes isolated: what it leaves has its reference too.
    assert!(tree.remove_device(a.device, seconds(1)).unwrap().reported);
    assert_eq!(tree.lock().root().unwrap().references(), 2);
    assert_eq!(tree.take_pending().count(), 1);
    assert_eq!(tree.lock().root().unwrap().references(), 1);
}

#[test]
fn a_mark_reaches_successors_of_what_was_born_below_a_successor() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let elsewhere = insert(&tree, 0x100, 1, None);
    let recovered = insert(&tree, 0x200, 5, None);
    let root = registry.get(recovered.pe).unwrap();
    tree.lock().mark_subtree(recovered.pe, PeFlags::INHERITED);
    drop(tree.remove_device(recovered.device, seconds(1)));
    let successor = insert(&tree, 0x200, 5, Some(elsewhere.pe));
    let child = insert(&tree, 0x300, 6, Some(successor.pe));
    drop(tree.remove_device(child.device, seconds(1)));
    let moved = insert(&tree, 0x300, 6, None);
    assert!(successor.successor && moved.successor);
    assert_eq!(registry.peek(moved.pe).unwrap().flags, PeFlags::INHERITED);
    tree.lock().clear_subtree(root.id(), PeFlags::INHERITED, Passed::Include);
    assert_eq!(registry.peek(successor.pe).unwrap().flags, PeFlags::empty());
    assert_eq!(registry.peek(moved.pe).unwrap().flags, PeFlags::empty());
}

#[test]
fn a_removed_successor_under_another_parent_does_not_stay_parked() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let elsewhere = insert(&tree, 0x100, 1, None);
    let recovered = insert(&tree, 0x200, 5, None);
    let root = registry.get(recovered.pe).unwrap();
    tree.lock().mark_subtree(recovered.pe, PeFlags::RECOVERING);
    drop(tree.remove_device(recovered.device, seconds(1)));
    let first = insert(&tree, 0x200, 5, Some(elsewhere.pe));
    drop(tree.remove_device(first.device, seconds(2)));
    let second = insert(&tree, 0x200, 5, None);
    assert!(first.successor && second.successor);
    let mut guard = tree.lock();
    guard.clear_subtree(root.id(), PeFlags::RECOVERING, Passed::Include);
    assert_eq!(guard.successor_of(root.id()), Some(second.pe));
    drop(guard);
    drop(root);
    assert_eq!(registry.orphans(seconds(3)).count(), 0);
    drop(tree.remove_device(second.device, seconds(4)));
    let later = insert(&tree, 0x200, 5, None);
    assert!(!later.successor);
    assert_eq!(registry.peek(later.pe).unwrap().flags, PeFlags::empty());
}

#[test]
fn a_recovery_that_is_over_says_nothing_about_its_successor() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let bridge = insert(&tree, 0x100, 1, None);
    let recovered = insert(&tree, 0x200, 5, Some(bridge.pe));
    let root = registry.get(recovered.pe).unwrap();
    tree.lock().mark_subtree(recovered.pe, PeFlags::INHERITED);
    drop(tree.remove_device(recovered.device, seconds(1)));
    let successor = insert(&tree, 0x200, 5, None);
    tree.lock().clear_subtree(recovered.pe, PeFlags::INHERITED, Passed::Include);
    assert_eq!(tree.lock().successor_of(root.id()), Some(successor.pe));
    assert_eq!(registry.isolate(successor.pe), Isolate::Won);
    tree.lock().clear_subtree(bridge.pe, PeFlags::INHERITED, Passed::Include);
    assert!(registry.peek(successor.pe).unwrap().flags.contains(PeFlags::ISOLATED));
}

#[test]
fn a_short_name_is_as_good_as_a_handle() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    let (device, pe) = (a.device.slot_name(), a.pe.slot_name());
    assert_eq!((registry.device_named(device), registry.pe_named(pe)), (Some(a.device), Some(a.pe)));
    drop(tree.remove_device(a.device, seconds(1)));
    assert_eq!((registry.device_named(device), registry.pe_named(pe)), (None, None));
    drop(registry.remove_phb(tree.id(), seconds(2)));
    drop(tree);
    // The next PHB moves into the place, with devices in the same slots.
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let b = insert(&tree, 0x100, 5, None);
    assert_eq!(b.device.slot_name().index, device.index);
    assert_eq!((registry.device_named(device), registry.pe_named(pe)), (None, None));
    assert_eq!(registry.device_named(b.device.slot_name()), Some(b.device));
}

#[test]
fn a_full_count_is_no_stale_handle() {
    let registry = registry::<Narrow>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    let holds: Vec<_> = core::iter::from_fn(|| registry.get(a.pe)).collect();
    let device_holds: Vec<_> = core::iter::from_fn(|| registry.get_device(a.device)).collect();
    assert!(registry.get(a.pe).is_none() && registry.get_device(a.device).is_none());
    assert_eq!(registry.stats().sum(eeh_pe::Counter::StaleHandles), 0);
    drop((holds, device_holds));
    drop(tree.remove_device(a.device, seconds(1)));
    assert!(registry.get(a.pe).is_none() && registry.get_device(a.device).is_none());
    assert_eq!(registry.stats().sum(eeh_pe::Counter::StaleHandles), 2);
}
