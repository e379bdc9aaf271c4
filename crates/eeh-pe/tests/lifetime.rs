// SPDX-License-Identifier: GPL-2.0-or-later
//! Goal: what a handle, a reference and the tree promise about lifetime, one thread.
#![cfg(not(eeh_loom))]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{Bdf, InsertError, OrphanKind, PeFlags, PeNumber, PeType, PhbNumber};

#[test]
fn a_new_phb_has_a_root_and_is_found_by_number() {
    let registry = registry::<Host>(2);
    let id = add_phb(&registry, 7);
    assert_eq!(registry.find_phb(PhbNumber(7)), Some(id));
    let tree = registry.tree(id).unwrap();
    let root = tree.phb_pe().unwrap();
    let view = registry.peek(root).unwrap();
    assert_eq!((view.phb, view.firmware, view.kind), (PhbNumber(7), 107, PeType::PHB));
    assert_eq!(view.parent, None);
    assert_eq!(tree.info(), phb_info(7));
}

#[test]
fn a_device_and_its_pe_are_seen_by_handle_number_and_address() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    assert!(a.new_pe && !a.successor);
    let view = registry.peek_device(a.device).unwrap();
    assert_eq!((view.bdf, view.pe), (Bdf(0x100), a.pe));
    assert_eq!(registry.peek(a.pe).unwrap().number, PeNumber(5));
    let guard = tree.lock();
    assert_eq!(guard.find(PeNumber(5)).unwrap().id(), a.pe);
    assert_eq!(guard.find_device(Bdf(0x100)).unwrap().id(), a.device);
    assert_eq!(guard.pe(a.pe).unwrap().parent().unwrap().id(), guard.root().unwrap().id());
}

#[test]
fn a_second_device_of_a_number_joins_the_pe_and_makes_it_a_bus() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    assert_eq!(registry.peek(a.pe).unwrap().kind, PeType::DEVICE);
    let b = insert(&tree, 0x101, 5, None);
    assert_eq!((b.pe, b.new_pe), (a.pe, false));
    assert_eq!(registry.peek(a.pe).unwrap().kind, PeType::BUS);
    let guard = tree.lock();
    let bdfs: Vec<_> = guard.pe(a.pe).unwrap().devices().map(|d| d.info().bdf.0).collect();
    assert_eq!(bdfs, [0x100, 0x101]);
}

#[test]
fn the_same_address_twice_is_refused_and_gives_the_device_back() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    let platform = Platform::default();
    let (error, back) = tree.insert_device(info(0x100), platform.clone(), spec(6), None).unwrap_err();
    assert_eq!(error, InsertError::Exists(a.device));
    assert!(std::sync::Arc::ptr_eq(&platform, &back));
}

#[test]
fn removing_the_last_device_removes_the_pe_and_those_above_it() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let bridge = insert(&tree, 0x100, 5, None);
    let leaf = insert(&tree, 0x200, 6, Some(bridge.pe));
    let removed = tree.remove_device(bridge.device, seconds(1)).unwrap();
    assert!(!removed.pe_removed, "it has a PE below it");
    let removed = tree.remove_device(leaf.device, seconds(1)).unwrap();
    assert!(removed.pe_removed);
    assert_eq!(removed.info.bdf, Bdf(0x200));
    assert!(removed.platform.is_some());
    assert_eq!(registry.peek(bridge.pe), None);
    assert_eq!(registry.peek(leaf.pe), None);
    assert_eq!(tree.lock().root().unwrap().references(), 1);
}

#[test]
fn a_stale_handle_never_resolves_to_the_next_occupant() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let old = insert(&tree, 0x100, 5, None);
    drop(tree.remove_device(old.device, seconds(1)));
    let new = insert(&tree, 0x100, 5, None);
    assert_eq!(new.pe.index(), old.pe.index(), "the slot is reused");
    assert!(registry.get(old.pe).is_none());
    assert!(registry.get_device(old.device).is_none());
    assert!(tree.lock().pe(old.pe).is_none());
    assert_eq!(registry.isolate(old.pe), eeh_pe::Isolate::Stale);
    assert_eq!(registry.peek(new.pe).unwrap().flags, PeFlags::empty());
}

#[test]
fn a_held_pe_outlives_its_removal_and_is_reported_as_an_orphan() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    let hold = registry.get(a.pe).unwrap();
    drop(tree.remove_device(a.device, seconds(10)));
    assert!(!hold.is_live());
    assert_eq!(hold.number(), PeNumber(5));
    let orphans: Vec<_> = registry.orphans(seconds(12)).collect();
    assert_eq!(orphans.len(), 1);
    assert_eq!(orphans[0].kind, OrphanKind::Pe(PeNumber(5)));
    assert_eq!((orphans[0].references, orphans[0].age.as_secs()), (1, 2));
    drop(hold);
    assert_eq!(registry.orphans(seconds(12)).count(), 0);
}

#[test]
fn a_reference_dropped_inside_the_lock_is_reaped_later() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    let hold = registry.get(a.pe).unwrap();
    drop(tree.remove_device(a.device, seconds(1)));
    let guard = tree.lock();
    drop(hold);
    assert_eq!(guard.root().unwrap().references(), 2, "the tombstone still refers to it");
    drop(guard);
    assert_eq!(tree.lock().root().unwrap().references(), 1);
}

#[test]
fn a_used_up_generation_retires_the_slot() {
    let registry = registry::<Narrow>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let mut indices = Vec::new();
    for _ in 0..9 {
        let a = insert(&tree, 0x100, 5, None);
        indices.push(a.pe.index());
        drop(tree.remove_device(a.device, seconds(1)));
        assert_eq!(registry.get(a.pe).map(drop), None);
    }
    assert_eq!(indices.iter().filter(|&&i| i == indices[0]).count(), 4, "two bits of generation");
    assert_ne!(indices[8], indices[0]);
}

#[test]
fn a_reference_that_cannot_be_counted_is_refused_but_a_freeze_is_not() {
    let registry = registry::<Narrow>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    let holds: Vec<_> = core::iter::from_fn(|| registry.get(a.pe)).collect();
    // Of 15: existence, the device, one kept free for the queue.
    assert_eq!(holds.len(), 12);
    assert!(holds[0].try_clone().is_none());
    assert_eq!(registry.isolate(a.pe), eeh_pe::Isolate::Won);
    assert_eq!(tree.lock().pe(a.pe).unwrap().references(), 15);
    assert!(tree.insert_device(info(0x101), Platform::default(), spec(5), None).is_err());
}

#[test]
fn trees_grow_by_storage_from_outside() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    for i in 0..60_u16 {
        insert(&tree, 0x100 + i, 5 + u32::from(i), None);
    }
    let full = tree.insert_device(info(0x900), Platform::default(), spec(900), None).is_err();
    assert!(!full);
    for i in 0..10_u16 {
        if let Err((error, _)) = tree.insert_device(info(0xa00 + i), Platform::default(), spec(1000), None) {
            assert_eq!(error, InsertError::Full);
            return;
        }
    }
    panic!("the directory has 64 places");
}
