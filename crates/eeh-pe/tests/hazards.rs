// SPDX-License-Identifier: GPL-2.0-or-later
//! Goal: each hazard of `docs/hazards.md` that the tree answers for is gone, and comes back under
//! its mutant. Hazard 5.12 (state words) is in `loom_flags.rs`.

// mutants: isolate_any_generation => "5.4: a detector wrote to what was freed"
// mutants: queue_takes_no_reference => "5.5: a report led to another PE"
// mutants: removed_phb_is_found => "5.13: a removed PHB was found"
// mutants: peek_any_generation => "5.14: an address led to another device"

#![cfg(not(eeh_loom))]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{Isolate, PeFlags, PeNumber, PhbNumber, Window, WindowKind};

/// A detector loads a device's PE; before it goes on, hotplug frees the PE and reuses its memory.
#[test]
fn hazard_5_4_a_detector_is_overtaken_by_hotplug() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let old = insert(&tree, 0x100, 5, None);
    let loaded = registry.peek_device(old.device).unwrap().pe;
    drop(tree.remove_device(old.device, seconds(1)));
    let new = insert(&tree, 0x200, 6, None);
    assert_eq!(new.pe.index(), loaded.index(), "the memory is the same");
    let answer = registry.isolate(loaded);
    let flags = registry.peek(new.pe).unwrap().flags;
    assert_eq!(flags, PeFlags::empty(), "5.4: a detector wrote to what was freed");
    assert_eq!(answer, Isolate::Stale);
    assert_eq!(registry.peek(loaded), None);
}

/// A PE is freed while its report waits: windows a and b of the hazard.
#[test]
fn hazard_5_5_a_pe_is_removed_while_its_report_waits() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let old = insert(&tree, 0x100, 5, None);
    assert_eq!(registry.isolate(old.pe), Isolate::Won);
    drop(tree.remove_device(old.device, seconds(1)));
    let new = insert(&tree, 0x200, 6, None);
    let report = tree.take_pending().next().unwrap();
    assert_eq!(report.pe.number(), PeNumber(5), "5.5: a report led to another PE");
    assert_eq!(report.pe.id(), old.pe);
    assert!(!report.pe.is_live());
    drop(report);
    tree.reap();
    assert_eq!(registry.peek(new.pe).unwrap().flags, PeFlags::empty());
    assert_eq!(registry.orphans(seconds(2)).count(), 0);
}

/// Window c of the hazard: the parent's recovery ends while its child's report still waits.
#[test]
fn hazard_5_5_a_childs_report_survives_the_end_of_its_parents_recovery() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let parent = insert(&tree, 0x100, 5, None);
    let child = insert(&tree, 0x200, 6, Some(parent.pe));
    assert_eq!(registry.isolate(child.pe), Isolate::Won);
    assert_eq!(registry.isolate(parent.pe), Isolate::Won);
    let order: Vec<_> = tree.take_pending().map(|report| report.pe.id()).collect();
    assert_eq!(order, [child.pe, parent.pe], "first in, first out");
}

/// A PHB is removed and another comes under its number.
#[test]
fn hazard_5_13_a_removed_phb_is_found_again() {
    let registry = registry::<Host>(2);
    let old = add_phb(&registry, 3);
    let reader = registry.tree(old).unwrap();
    let a = insert(&reader, 0x100, 5, None);
    drop(registry.remove_phb(old, seconds(1)).unwrap());
    assert_eq!(registry.find_phb(PhbNumber(3)), None, "5.13: a removed PHB was found");
    assert!(reader.lock().root().is_none(), "nor is its stale subtree");
    let new = add_phb(&registry, 3);
    assert_eq!(registry.find_phb(PhbNumber(3)), Some(new));
    assert_eq!(registry.peek(a.pe), None);
}

/// An address is looked up; before the result is used, hotplug frees the device and reuses its
/// memory, and the old range is still in the map.
#[test]
fn hazard_5_14_an_address_outlives_its_device() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let old = insert(&tree, 0x100, 5, None);
    let start = phb_info(0).windows[0].unwrap().start;
    let window = Window { start, end_inclusive: start + 0xfff, kind: WindowKind::Mem };
    tree.map().insert(window, old.device).unwrap();
    let found = registry.lookup(start + 4).unwrap();
    drop(tree.remove_device(old.device, seconds(1)));
    let new = insert(&tree, 0x200, 6, None);
    assert_eq!(new.device.index(), found.index(), "the memory is the same");
    assert_eq!(registry.peek_device(found), None, "5.14: an address led to another device");
    assert!(registry.get_device(found).is_none());
    // The range makes room for the next device that decodes it.
    tree.map().insert(window, new.device).unwrap();
    assert_eq!(registry.lookup(start + 4), Some(new.device));
}
