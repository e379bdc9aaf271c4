// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: a reference is to the PE its handle names, or is refused: never to a slot that is being
//! freed or that has another occupant.

// mutants: get_ignores_live => "a reference led to another PE"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::PeNumber;
use loom::sync::Arc;
use loom::thread;

#[test]
fn a_reference_keeps_its_pe_through_removal_and_reuse() {
    explore("reference against removal", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let a = insert(&registry.tree(id).unwrap(), 0x100, 5, None);
        let holder = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                let Some(hold) = registry.get(a.pe) else { return };
                assert_eq!(hold.number(), PeNumber(5), "a reference led to another PE");
                thread::yield_now();
                assert_eq!(hold.number(), PeNumber(5), "a reference led to another PE");
            })
        };
        let tree = registry.tree(id).unwrap();
        drop(tree.remove_device(a.device, seconds(1)));
        // Takes the old PE's slot when that is free by now.
        insert(&tree, 0x200, 6, None);
        holder.join().unwrap();
        assert_eq!(registry.orphans(seconds(2)).count(), 0, "the removed PE was not freed");
        assert_eq!(tree.lock().root().unwrap().references(), 2, "references were lost or left over");
    });
}
