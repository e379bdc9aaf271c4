// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: a walk visits what was there before it began and is there until it ends, each exactly once; nothing that
//! was born later; and what it says of a device is that device's. All of it while hotplug removes what the walk
//! stands on and inserts behind it. So a reader of the tree shows a complete picture.

// mutants: walk_sees_the_young => "the walk went to what was born after it began"
// mutants: reader_sees_the_young => "a reader mixed two devices"
// mutants: removal_frees_held => "the walk is not complete"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{DeviceWalk, PeNumber, Walk};
use loom::sync::Arc;
use loom::thread;

#[test]
fn a_walk_is_complete() {
    explore("walk against hotplug", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let tree = registry.tree(id).unwrap();
        let gone = insert(&tree, 0x100, 5, None);
        insert(&tree, 0x200, 6, None);
        let mut walk = Walk::new(registry.get(tree.phb_pe().unwrap()).unwrap());
        let hotplug = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                let tree = registry.tree(id).unwrap();
                drop(tree.remove_device(gone.device, seconds(1)));
                insert(&tree, 0x300, 7, None);
            })
        };
        let mut seen: Vec<PeNumber> = walk.by_ref().skip(1).map(|pe| pe.number()).collect();
        hotplug.join().unwrap();
        assert!(!seen.contains(&PeNumber(7)), "the walk went to what was born after it began");
        seen.retain(|number| *number != PeNumber(5));
        assert_eq!(seen, [PeNumber(6)], "the walk is not complete");
        drop(walk);
        assert_eq!(tree.lock().root().unwrap().references(), 3, "the removed PE was not freed");
    });
}

#[test]
fn a_reader_shows_each_device_as_itself() {
    explore("reader against hotplug", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let tree = registry.tree(id).unwrap();
        let gone = insert(&tree, 0x100, 5, None);
        let stays = insert(&tree, 0x200, 6, None);
        let walk = DeviceWalk::new(registry.get(tree.phb_pe().unwrap()).unwrap());
        let hotplug = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                let tree = registry.tree(id).unwrap();
                drop(tree.remove_device(gone.device, seconds(1)));
                insert(&tree, 0x300, 5, None);
                insert(&tree, 0x208, 6, None);
            })
        };
        let mut shown = Vec::new();
        for device in walk {
            // It may be gone already; what is said is of none but it.
            if let Some(view) = registry.peek_device(device.id()) {
                let expected = if device.id() == gone.device { (0x100, gone.pe) } else { (0x200, stays.pe) };
                assert_eq!((view.bdf.0, view.pe), expected, "a reader mixed two devices");
                shown.push(device.id());
            }
        }
        hotplug.join().unwrap();
        shown.retain(|device| *device != gone.device);
        assert_eq!(shown, [stays.device], "the walk is not complete");
    });
}
