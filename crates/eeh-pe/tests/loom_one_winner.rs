// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: of all detectors of a freeze exactly one reports it, also while the PE is removed and
//! its slot gets another occupant, which none of them marks.

// mutants: isolate_ignores_winner => "two detectors won"
// mutants: isolate_any_generation => "a detector marked the next occupant"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{Isolate, PeFlags, PeId, Registry};
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};

/// A detector in a thread of its own.
fn detect(registry: &Arc<Registry<Host>>, pe: PeId) -> JoinHandle<Isolate> {
    let registry = Arc::clone(registry);
    thread::spawn(move || registry.isolate(pe))
}

#[test]
fn one_of_three_detectors_wins() {
    explore("three detectors", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let a = insert(&registry.tree(id).unwrap(), 0x100, 5, None);
        let detectors = [detect(&registry, a.pe), detect(&registry, a.pe)];
        let mut winners = usize::from(registry.isolate(a.pe) == Isolate::Won);
        for detector in detectors {
            winners += usize::from(detector.join().unwrap() == Isolate::Won);
        }
        assert!(winners < 2, "two detectors won");
        assert_eq!(winners, 1, "no detector won");
        assert_eq!(registry.tree(id).unwrap().take_pending().count(), 1, "the winner's report is lost");
    });
}

#[test]
fn the_next_occupant_is_not_marked() {
    explore("detectors and a new occupant", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let a = insert(&registry.tree(id).unwrap(), 0x100, 5, None);
        let detector = detect(&registry, a.pe);
        let tree = registry.tree(id).unwrap();
        drop(tree.remove_device(a.device, seconds(1)));
        let b = insert(&tree, 0x200, 6, None);
        let flags = registry.peek(b.pe).unwrap().flags;
        assert_eq!(flags, PeFlags::empty(), "a detector marked the next occupant");
        let answer = detector.join().unwrap();
        let flags = registry.peek(b.pe).unwrap().flags;
        assert_eq!(flags, PeFlags::empty(), "a detector marked the next occupant");
        let reports = tree.take_pending().count();
        assert_eq!(reports, usize::from(answer == Isolate::Won), "one report for a winner");
        assert_ne!(answer, Isolate::AlreadyIsolated, "nobody else isolated it");
    });
}

#[test]
fn one_of_two_detectors_wins_at_most_while_the_occupant_changes() {
    explore("two detectors and a new occupant", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let a = insert(&registry.tree(id).unwrap(), 0x100, 5, None);
        let detectors = [detect(&registry, a.pe), detect(&registry, a.pe)];
        let tree = registry.tree(id).unwrap();
        drop(tree.remove_device(a.device, seconds(1)));
        let b = insert(&tree, 0x200, 6, None);
        let answers = detectors.map(|detector| detector.join().unwrap());
        let flags = registry.peek(b.pe).unwrap().flags;
        assert_eq!(flags, PeFlags::empty(), "a detector marked the next occupant");
        let winners = answers.iter().filter(|answer| **answer == Isolate::Won).count();
        assert!(winners < 2, "two detectors won");
        let known = answers.contains(&Isolate::AlreadyIsolated);
        assert!(winners == 1 || !known, "it was isolated by nobody");
        assert_eq!(tree.take_pending().count(), winners, "one report for a winner");
    });
}
