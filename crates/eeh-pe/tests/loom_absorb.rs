// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: a recovery that absorbs the reports below its PE loses none that it does not cover, and a freeze that is
//! found while a recovery ends is either covered by it or reported.

// mutants: absorb_reads_late => "a report was lost or counted twice"
// mutants: flags_are_not_atomic => "a freeze was lost to the end of a recovery"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{Isolate, Passed, PeFlags, Report};
use loom::sync::Arc;
use loom::thread;

#[test]
fn absorption_loses_no_report() {
    explore("absorption against reports", || {
        let registry = Arc::new(registry::<Host>(1));
        let tree = registry.tree(add_phb(&registry, 0)).unwrap();
        let parent = insert(&tree, 0x100, 5, None).pe;
        let child = insert(&tree, 0x200, 6, Some(parent)).pe;
        let other = insert(&tree, 0x300, 7, None).pe;
        assert_eq!(registry.report(child), Report::Queued);
        assert_eq!(registry.report(other), Report::Queued);
        let reporter = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || usize::from(registry.report(child) == Report::Queued))
        };
        let absorbed = usize::try_from(tree.lock().absorb_below(parent)).unwrap();
        let mut taken = tree.take_pending().count();
        let queued = 2 + reporter.join().unwrap();
        taken += tree.take_pending().count();
        assert_eq!(absorbed + taken, queued, "a report was lost or counted twice");
        let guard = tree.lock();
        let references = [child, other].map(|id| guard.pe(id).unwrap().references());
        assert_eq!(references, [2, 2], "a report's reference was lost or left over");
    });
}

#[test]
fn a_freeze_while_a_recovery_ends_is_reported() {
    explore("freeze against the end of a recovery", || {
        let registry = Arc::new(registry::<Host>(1));
        let tree = registry.tree(add_phb(&registry, 0)).unwrap();
        let pe = insert(&tree, 0x100, 5, None).pe;
        tree.lock().mark_subtree(pe, PeFlags::ISOLATED | PeFlags::RECOVERING);
        let detector = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || registry.isolate(pe))
        };
        tree.lock().clear_subtree(pe, PeFlags::ISOLATED, Passed::Include);
        tree.lock().clear_subtree(pe, PeFlags::RECOVERING, Passed::Include);
        let found = detector.join().unwrap();
        let flags = registry.peek(pe).unwrap().flags;
        let reported = tree.take_pending().count();
        match found {
            Isolate::Won => {
                assert_eq!(reported, 1, "a freeze was lost to the end of a recovery");
                assert!(flags.contains(PeFlags::PENDING), "a freeze was lost to the end of a recovery");
                assert!(flags.contains(PeFlags::ISOLATED), "a freeze was lost to the end of a recovery");
            }
            other => assert_eq!((other, reported, flags), (Isolate::AlreadyIsolated, 0, PeFlags::empty())),
        }
    });
}
