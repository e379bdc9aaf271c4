// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: the reports of a PHB that is removed are taken by its worker or cancelled, each once, also one that its
//! detector has not linked yet: nothing of them keeps the PHB's place, and nobody is waited for.

// mutants: cancel_keeps_the_reference => "a report keeps the place of its PHB"
// mutants: dead_tree_keeps_reports => "a report keeps the place of its PHB"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::Report;
use loom::sync::Arc;
use loom::thread;

#[test]
fn reports_of_a_removed_phb_are_taken_or_cancelled() {
    explore("cancellation against taker and detector", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 3);
        let tree = registry.tree(id).unwrap();
        let a = insert(&tree, 0x100, 5, None).pe;
        let b = insert(&tree, 0x200, 6, None).pe;
        drop(tree);
        assert_eq!(registry.report(a), Report::Queued);
        let detector = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || registry.report(b))
        };
        let worker = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                let tree = registry.tree(id)?;
                let taken: Vec<_> = tree.take_pending().map(|report| report.pe.id()).collect();
                Some(taken)
            })
        };
        drop(registry.remove_phb(id, seconds(1)));
        let reported = detector.join().unwrap();
        let taken = worker.join().unwrap().unwrap_or_default();
        assert!(taken != [a, a] && taken != [b, b], "a report was taken twice");
        assert!(reported == Report::Queued || !taken.contains(&b), "what was not reported was taken");
        registry.reap();
        assert!(registry.tree(id).is_none(), "a report keeps the place of its PHB");
    });
}
