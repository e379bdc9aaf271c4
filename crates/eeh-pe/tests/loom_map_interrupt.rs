// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: a reader that interrupts the writer of the address map, at any atomic operation, finds
//! the right device and does not wait for the writer, who cannot go on.

// mutants: map_writes_in_place => "the interrupt's look-up went wrong"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use common::*;
use eeh_pe::sync::hook;
use eeh_pe::{DeviceId, Registry, Window, WindowKind};

type Update = fn(&Registry<Host>, DeviceId, Window);

/// Runs `update` once for each of its atomic operations, interrupted there by a look-up.
fn interrupted_everywhere(name: &'static str, update: Update) {
    let past_the_end = Arc::new(AtomicBool::new(false));
    let mut points = 0;
    while !past_the_end.load(Ordering::Relaxed) {
        let (k, flag) = (points, Arc::clone(&past_the_end));
        explore(name, move || flag.store(!interrupted_at(k, update), Ordering::Relaxed));
        points += 1;
    }
    assert!(points > 10, "an update has more than ten atomic operations, not {points}");
    eprintln!("loom: {name}: {points} points of interruption");
}

/// One update of a map of two ranges, interrupted at operation `k`; false when it has fewer.
fn interrupted_at(k: usize, update: Update) -> bool {
    let registry = Arc::new(registry::<Host>(1));
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None).device;
    let b = insert(&tree, 0x200, 6, None).device;
    let start = phb_info(0).windows[0].unwrap().start;
    let page = |n: u64| Window {
        start: start + 0x1000 * n,
        end_inclusive: start + 0x1000 * n + 0xfff,
        kind: WindowKind::Mem,
    };
    tree.map().insert(page(1), a).unwrap();
    tree.map().insert(page(3), b).unwrap();
    let interrupt = {
        let registry = Arc::clone(&registry);
        move || {
            let found = registry.lookup(start + 0x1010);
            assert_eq!(found, Some(a), "the interrupt's look-up went wrong");
        }
    };
    hook::arm(k, interrupt);
    update(&registry, b, page(0));
    !hook::disarm()
}

#[test]
fn inserting_a_range() {
    interrupted_everywhere("interrupted insertion", |registry, device, window| {
        registry.tree(device.tree()).unwrap().map().insert(window, device).unwrap();
    });
}

#[test]
fn removing_a_device() {
    interrupted_everywhere("interrupted removal", |registry, device, _| {
        registry.tree(device.tree()).unwrap().map().remove_device(device);
    });
}
