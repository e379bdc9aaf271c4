// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: a reader of the address map finds a mapped address while the ranges around it come and
//! go, and never a device that the address does not belong to.

// mutants: map_reader_looks_once => "a look-up went wrong"
// mutants: map_reader_has_no_fence => "a look-up went wrong"
// mutants: map_stores_relaxed => "a look-up went wrong"
// mutants: map_writes_in_place => "a look-up went wrong"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{Window, WindowKind};
use loom::sync::Arc;
use loom::thread;

#[test]
fn a_mapped_address_is_found_while_others_come_and_go() {
    explore("map reader against writer", || {
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
        let reader = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                assert_eq!(registry.lookup(start + 0x1010), Some(a), "a look-up went wrong");
            })
        };
        // Two updates: the second one writes the copy that an early reader uses.
        tree.map().insert(page(0), b).unwrap();
        tree.map().insert(page(2), b).unwrap();
        reader.join().unwrap();
        let found = [0x10, 0x1010, 0x2010, 0x3010].map(|offset| registry.lookup(start + offset));
        assert_eq!(found, [Some(b), Some(a), Some(b), None], "a look-up went wrong");
    });
}
