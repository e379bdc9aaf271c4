// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: a PE that is inserted while the subtree above it is marked or unmarked ends up with the
//! subtree's marks: it misses none and keeps none.

// mutants: child_is_born_healthy => "a PE missed the mark of those above it"
// mutants: clear_spares_the_young => "a PE kept a mark for ever"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{Passed, PeFlags, PeId, Registry, TreeId};
use loom::sync::Arc;
use loom::thread;

fn while_inserting(
    marks: PeFlags,
    act: impl FnOnce(&Registry<Host>, TreeId, PeId),
) -> (Arc<Registry<Host>>, PeId, PeId) {
    let registry = Arc::new(registry::<Host>(1));
    let id = add_phb(&registry, 0);
    let parent = insert(&registry.tree(id).unwrap(), 0x100, 5, None).pe;
    registry.tree(id).unwrap().lock().mark_subtree(parent, marks);
    let inserter = {
        let registry = Arc::clone(&registry);
        thread::spawn(move || insert(&registry.tree(id).unwrap(), 0x200, 6, Some(parent)).pe)
    };
    act(&registry, id, parent);
    let child = inserter.join().unwrap();
    (registry, parent, child)
}

#[test]
fn nothing_misses_a_mark() {
    explore("insertion against mark", || {
        let (registry, _, child) = while_inserting(PeFlags::empty(), |registry, id, parent| {
            registry.tree(id).unwrap().lock().mark_subtree(parent, PeFlags::INHERITED);
        });
        let flags = registry.peek(child).unwrap().flags;
        assert_eq!(flags, PeFlags::INHERITED, "a PE missed the mark of those above it");
    });
}

#[test]
fn nothing_keeps_a_mark() {
    explore("insertion against unmark", || {
        let (registry, _, child) = while_inserting(PeFlags::INHERITED, |registry, id, parent| {
            let tree = registry.tree(id).unwrap();
            tree.lock().clear_subtree(parent, PeFlags::INHERITED, Passed::Include);
        });
        let flags = registry.peek(child).unwrap().flags;
        assert_eq!(flags, PeFlags::empty(), "a PE kept a mark for ever");
    });
}
