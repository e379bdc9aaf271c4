// SPDX-License-Identifier: GPL-2.0-or-later
//! Goal: a walk visits exactly the live PEs or devices born before it began, whatever happens
//! between its steps, one thread.
#![cfg(not(eeh_loom))]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{Counter, DeviceWalk, Inserted, PeId, Registry, Tree, Walk};

/// PEs 1 (below it 2 and 3) and 4, one device each.
fn machine(tree: &Tree<'_, Host>) -> [Inserted; 4] {
    let one = insert(tree, 0x100, 1, None);
    let two = insert(tree, 0x200, 2, Some(one.pe));
    let three = insert(tree, 0x300, 3, Some(one.pe));
    let four = insert(tree, 0x400, 4, None);
    [one, two, three, four]
}

fn walk<'r>(registry: &'r Registry<Host>, root: PeId) -> Walk<'r, Host> {
    Walk::new(registry.get(root).unwrap())
}

fn numbers(walk: &mut Walk<'_, Host>) -> Vec<u32> {
    walk.map(|pe| pe.number().0).collect()
}

#[test]
fn each_pe_comes_before_those_below_it() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let [one, ..] = machine(&tree);
    assert_eq!(numbers(&mut walk(&registry, one.pe)), [1, 2, 3], "a subtree ends where it ends");
    assert_eq!(numbers(&mut walk(&registry, tree.phb_pe().unwrap())), [0, 1, 2, 3, 4]);
}

#[test]
fn what_is_born_later_is_not_visited() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    machine(&tree);
    let mut walk = walk(&registry, tree.phb_pe().unwrap());
    assert_eq!(walk.next().unwrap().number().0, 0);
    let five = insert(&tree, 0x500, 5, None);
    insert(&tree, 0x600, 6, Some(five.pe));
    assert_eq!(numbers(&mut walk), [1, 2, 3, 4]);
}

#[test]
fn hotplug_at_every_step_does_not_lengthen_a_walk() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    machine(&tree);
    let mut steps = 0;
    for (i, _) in (0_u16..).zip(walk(&registry, tree.phb_pe().unwrap())) {
        insert(&tree, 0x1000 + i, 100 + u32::from(i), None);
        steps += 1;
    }
    assert_eq!(steps, 5);
}

#[test]
fn a_walk_continues_where_everything_around_it_was_removed() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let [one, two, three, _] = machine(&tree);
    let mut walk = walk(&registry, tree.phb_pe().unwrap());
    let to_two = walk.by_ref().take(3).map(|pe| pe.number().0).collect::<Vec<_>>();
    assert_eq!(to_two, [0, 1, 2]);
    for device in [two.device, three.device, one.device] {
        drop(tree.remove_device(device, seconds(1)));
    }
    // Their slots are used again, but for the one where the walk is and the one above it.
    insert(&tree, 0x500, 5, None);
    insert(&tree, 0x600, 6, None);
    assert_eq!(numbers(&mut walk), [4]);
    assert_eq!(registry.stats().sum(Counter::WalksFromTombstone), 1);
    drop(walk);
    assert_eq!(registry.orphans(seconds(2)).count(), 0);
}

#[test]
fn a_walk_ends_when_its_phb_is_removed() {
    let registry = registry::<Host>(1);
    let id = add_phb(&registry, 0);
    let tree = registry.tree(id).unwrap();
    machine(&tree);
    let mut walk = walk(&registry, tree.phb_pe().unwrap());
    assert!(walk.next().is_some());
    drop(registry.remove_phb(id, seconds(1)));
    assert_eq!(numbers(&mut walk), []);
    drop((walk, tree));
    add_phb(&registry, 0);
}

#[test]
fn a_walk_over_devices_visits_each_once_and_passes_what_is_removed() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let [one, two, three, _] = machine(&tree);
    let second = insert(&tree, 0x201, 2, None);
    let mut walk = DeviceWalk::new(registry.get(one.pe).unwrap());
    let first: Vec<_> = walk.by_ref().take(2).map(|device| device.bdf().0).collect();
    assert_eq!(first, [0x100, 0x200]);
    for device in [two.device, second.device] {
        drop(tree.remove_device(device, seconds(1)));
    }
    assert_eq!(registry.peek(two.pe), None, "the PE went with its devices");
    insert(&tree, 0x301, 3, None);
    let rest: Vec<_> = walk.by_ref().map(|device| (device.bdf().0, device.pe().unwrap())).collect();
    assert_eq!(rest, [(0x300, three.pe)]);
    drop(walk);
    assert_eq!(registry.orphans(seconds(2)).count(), 0);
}

#[test]
fn all_phases_of_a_recovery_see_the_same_pes() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let [one, ..] = machine(&tree);
    let stamp = tree.lock().stamp();
    insert(&tree, 0x500, 5, Some(one.pe));
    for _ in 0..2 {
        let mut phase = Walk::born_before(registry.get(one.pe).unwrap(), stamp);
        assert_eq!(numbers(&mut phase), [1, 2, 3]);
    }
}
