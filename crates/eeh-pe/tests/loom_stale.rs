// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: a stale handle never shows another occupant's identity, however the slot is reused
//! while it is looked at.

// mutants: peek_looks_before => "a look mixed two PEs"
// mutants: identity_is_relaxed => "a look mixed two PEs"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{Bdf, PeNumber};
use loom::sync::Arc;
use loom::thread;

#[test]
fn a_look_at_a_pe_is_of_one_occupant() {
    explore("look at a PE", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let a = insert(&registry.tree(id).unwrap(), 0x100, 5, None);
        let looker = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                if let Some(view) = registry.peek(a.pe) {
                    assert_eq!(view.number, PeNumber(5), "a look mixed two PEs");
                }
            })
        };
        let tree = registry.tree(id).unwrap();
        drop(tree.remove_device(a.device, seconds(1)));
        let b = insert(&tree, 0x200, 6, None);
        assert_eq!(b.pe.index(), a.pe.index(), "the slot is reused");
        looker.join().unwrap();
    });
}

#[test]
fn a_look_at_a_device_is_of_one_occupant() {
    explore("look at a device", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let a = insert(&registry.tree(id).unwrap(), 0x100, 5, None);
        let looker = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                if let Some(view) = registry.peek_device(a.device) {
                    assert_eq!((view.bdf, view.pe), (Bdf(0x100), a.pe), "a look mixed two devices");
                }
            })
        };
        let tree = registry.tree(id).unwrap();
        drop(tree.remove_device(a.device, seconds(1)));
        let b = insert(&tree, 0x200, 6, None);
        assert_eq!(b.device.index(), a.device.index(), "the slot is reused");
        looker.join().unwrap();
    });
}

#[test]
fn a_glance_at_a_device_shows_its_own_pe() {
    explore("glance at a device", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let tree = registry.tree(id).unwrap();
        let a = insert(&tree, 0x100, 5, None);
        let other = insert(&tree, 0x108, 7, None);
        let looker = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                if let Some(glance) = registry.glance(a.device) {
                    let seen = (glance.ids().1, glance.below_phb());
                    assert_eq!(seen, (a.pe, Some(PeNumber(5))), "a look mixed two PEs");
                }
            })
        };
        drop(tree.remove_device(a.device, seconds(1)));
        let b = insert(&tree, 0x200, 7, None);
        assert_eq!(
            (b.device.index(), b.pe),
            (a.device.index(), other.pe),
            "the slot is reused, in another PE"
        );
        looker.join().unwrap();
    });
}
