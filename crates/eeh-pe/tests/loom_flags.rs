// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim (hazard 5.12): flags, live bit and count change in one exchange, so no change of one of
//! them loses another's, whoever makes it.

// mutants: flags_are_not_atomic => "a flag change was lost"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{Isolate, Opened, PeFlags, Released};
use loom::sync::Arc;
use loom::thread;

#[test]
fn hazard_5_12_the_end_of_a_pass_through_does_not_lose_a_freeze() {
    explore("release against isolate", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let tree = registry.tree(id).unwrap();
        let a = insert(&tree, 0x100, 5, None);
        let hold = registry.get(a.pe).unwrap();
        assert_eq!(tree.lock().open_device(a.device), Opened::Yes);
        let detector = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || registry.isolate(a.pe))
        };
        assert_eq!(tree.lock().release_device(a.device), Released::Last(a.pe));
        assert_eq!(detector.join().unwrap(), Isolate::Won);
        let wanted = PeFlags::ISOLATED | PeFlags::PENDING;
        assert_eq!(hold.flags(), wanted, "a flag change was lost");
    });
}

#[test]
fn hazard_5_12_a_mark_does_not_lose_a_reference() {
    explore("mark against get", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let tree = registry.tree(id).unwrap();
        let a = insert(&tree, 0x100, 5, None);
        let holder = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || drop(registry.get(a.pe).unwrap()))
        };
        tree.lock().mark_subtree(a.pe, PeFlags::RECOVERING);
        holder.join().unwrap();
        let guard = tree.lock();
        let pe = guard.pe(a.pe).unwrap();
        assert_eq!(pe.flags(), PeFlags::RECOVERING, "a flag change was lost");
        assert_eq!(pe.references(), 2, "a flag change was lost");
    });
}
