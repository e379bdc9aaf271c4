// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: an address leads to the old PHB's device, to the new one's or to none, while the PHB
//! that decodes it is removed and another is added in its place; never to a handle that is half
//! of one and half of the other.

// mutants: lookup_mixes_phbs => "a handle of two PHBs"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use loom::sync::Arc;
use loom::thread;

#[test]
fn an_address_never_leads_to_a_handle_of_two_phbs() {
    explore("look-up against the next PHB", || {
        let registry = Arc::new(registry::<Host>(1));
        let window = phb_info(3).windows[0].unwrap();
        let old = add_phb(&registry, 3);
        let a = insert(&registry.tree(old).unwrap(), 0x100, 5, None).device;
        registry.tree(old).unwrap().map().insert(window, a).unwrap();
        let reader = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || registry.lookup(window.start))
        };
        drop(registry.remove_phb(old, seconds(1)));
        let new = add_phb(&registry, 3);
        let b = insert(&registry.tree(new).unwrap(), 0x100, 5, None).device;
        registry.tree(new).unwrap().map().insert(window, b).unwrap();
        let found = reader.join().unwrap();
        assert!(found.is_none_or(|d| d == a || d == b), "a handle of two PHBs");
    });
}
