// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: the last reference to a removed PE is dropped without a lock, against another put,
//! against a walk and against look-ups: the PE is freed once, and a walk that stands on it goes on
//! to the next one.

// mutants: put_is_not_atomic => "freed twice, or not at all"
// mutants: push_links_late => "one of two was not freed"
// mutants: lookup_finds_the_removed => "a removed PE was found"
// mutants: removal_frees_held => "the walk lost its place"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{PeNumber, Walk};
use loom::sync::Arc;
use loom::thread;

#[test]
fn two_puts_free_once() {
    explore("put against put", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let tree = registry.tree(id).unwrap();
        let a = insert(&tree, 0x100, 5, None);
        let mine = registry.get(a.pe).unwrap();
        let taken = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let other = {
            let (registry, taken) = (Arc::clone(&registry), Arc::clone(&taken));
            thread::spawn(move || {
                let theirs = registry.get(a.pe);
                taken.store(theirs.is_some(), loom::sync::atomic::Ordering::Relaxed);
                drop(theirs);
            })
        };
        drop(tree.remove_device(a.device, seconds(1)));
        drop(mine);
        other.join().unwrap();
        let root = tree.lock().root().unwrap().references();
        assert_eq!(root, 1, "freed twice, or not at all");
        // Both slots work again.
        let b = insert(&tree, 0x100, 5, None);
        let c = insert(&tree, 0x200, 6, None);
        assert_ne!(b.pe, c.pe, "freed twice, or not at all");
    });
}

#[test]
fn two_are_freed_while_the_lock_is_taken() {
    explore("puts against the reaper", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let tree = registry.tree(id).unwrap();
        let a = insert(&tree, 0x100, 5, None);
        let b = insert(&tree, 0x200, 6, None);
        let hold = registry.get(b.pe).unwrap();
        let other = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                let hold = registry.get(a.pe);
                let tree = registry.tree(id).unwrap();
                drop(tree.remove_device(a.device, seconds(1)));
                drop(hold);
            })
        };
        drop(tree.remove_device(b.device, seconds(1)));
        drop(hold);
        tree.reap();
        other.join().unwrap();
        assert_eq!(tree.lock().root().unwrap().references(), 1, "one of two was not freed");
    });
}

#[test]
fn a_walk_continues_from_a_removed_pe() {
    explore("walk against removal", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let tree = registry.tree(id).unwrap();
        let a = insert(&tree, 0x100, 5, None);
        insert(&tree, 0x200, 6, None);
        let root = registry.get(tree.phb_pe().unwrap()).unwrap();
        let mut walk = Walk::new(root);
        assert!(walk.next().is_some_and(|pe| pe.id() != a.pe));
        let first = walk.next().unwrap();
        assert_eq!(first.id(), a.pe);
        let remover = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                let tree = registry.tree(id).unwrap();
                drop(tree.remove_device(a.device, seconds(1)));
                tree.reap();
            })
        };
        drop(first);
        let next = walk.next().map(|pe| pe.number());
        assert_eq!(next, Some(PeNumber(6)), "the walk lost its place");
        assert!(walk.next().is_none(), "the walk lost its place");
        remover.join().unwrap();
        drop(walk);
        assert_eq!(tree.lock().root().unwrap().references(), 2, "the removed PE was not freed");
    });
}

#[test]
fn a_last_put_goes_by_a_look_up() {
    explore("put against look-up", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let tree = registry.tree(id).unwrap();
        let a = insert(&tree, 0x100, 5, None);
        let b = insert(&tree, 0x200, 6, None);
        let hold = registry.get(a.pe).unwrap();
        drop(tree.remove_device(a.device, seconds(1)));
        let finder = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                let tree = registry.tree(id).unwrap();
                let guard = tree.lock();
                assert!(guard.pe(a.pe).is_none(), "a removed PE was found");
                assert!(guard.find(PeNumber(5)).is_none(), "a removed PE was found");
                let found: Vec<_> = guard.root().unwrap().children().map(|pe| pe.id()).collect();
                assert_eq!(found, [b.pe], "a live PE was not found");
            })
        };
        drop(hold);
        finder.join().unwrap();
        assert_eq!(tree.lock().root().unwrap().references(), 2, "the removed PE was not freed");
    });
}
