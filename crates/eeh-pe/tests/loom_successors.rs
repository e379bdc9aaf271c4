// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: what takes over from a removed PE while its recovery ends keeps none of that recovery's marks: it is born
//! without them, or is found by whoever clears them.

// mutants: sweep_ignores_successors => "a successor kept the marks of a recovery that is over"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{Passed, PeFlags};
use loom::sync::Arc;
use loom::thread;

#[test]
fn a_successor_loses_the_marks_of_the_one_it_follows() {
    explore("succession against the end of a recovery", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let tree = registry.tree(id).unwrap();
        let old = insert(&tree, 0x100, 5, None);
        tree.lock().mark_subtree(old.pe, PeFlags::ISOLATED | PeFlags::RECOVERING);
        let recovery = registry.get(old.pe).unwrap();
        let hotplug = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                let tree = registry.tree(id).unwrap();
                drop(tree.remove_device(old.device, seconds(1)));
                insert(&tree, 0x100, 5, None).pe
            })
        };
        tree.lock().clear_subtree(recovery.id(), PeFlags::INHERITED, Passed::Include);
        drop(recovery);
        let new = hotplug.join().unwrap();
        let flags = registry.peek(new).unwrap().flags;
        assert_eq!(flags, PeFlags::empty(), "a successor kept the marks of a recovery that is over");
        tree.reap();
        assert_eq!(tree.lock().root().unwrap().references(), 2, "the removed PE was not freed");
    });
}
