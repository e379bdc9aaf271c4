// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: a PE that is removed while its owner keeps it in reset leaves one report, whatever detectors and the
//! worker do meanwhile; and the report leads to that PE, not to the next one in its slot.

// mutants: removal_reports_late => "a PE went in reset and left no report"
// mutants: queue_takes_no_reference => "the report led to another PE"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{Detection, Inserted, Isolate, PeFlags, PeNumber, Registry, Tree};
use loom::sync::Arc;
use loom::thread;

/// A PE in reset.
fn in_reset(tree: &Tree<'_, Host>) -> Inserted {
    let a = insert(tree, 0x100, 5, None);
    tree.lock().mark_subtree(a.pe, PeFlags::RESET);
    a
}

fn assert_nothing_is_left(registry: &Registry<Host>, tree: &Tree<'_, Host>, below: u32) {
    assert_eq!(registry.orphans(seconds(3)).count(), 0, "the removed PE was not freed");
    assert_eq!(tree.lock().root().unwrap().references(), 1 + below, "references were lost or left over");
}

#[test]
fn a_removal_and_a_detector_leave_one_report() {
    explore("removal in reset against a detector", || {
        let registry = Arc::new(registry::<Host>(1));
        let tree = registry.tree(add_phb(&registry, 0)).unwrap();
        let a = in_reset(&tree);
        let detector = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || registry.isolate_at(a.pe, Detection { at: seconds(1), address: 1 }))
        };
        let removed = tree.remove_device(a.device, seconds(2)).unwrap();
        let answer = detector.join().unwrap();
        assert!(removed.pe_removed, "the PE was empty");
        assert_ne!(answer, Isolate::AlreadyIsolated, "nobody else isolated it");
        assert!(removed.reported || answer == Isolate::Won, "a PE went in reset and left no report");
        let mut reports = tree.take_pending();
        let report = reports.next().expect("a PE went in reset and left no report");
        assert_eq!((report.pe.id(), report.pe.number()), (a.pe, PeNumber(5)), "the report led to another PE");
        let record = if removed.reported { (seconds(2), 0) } else { (seconds(1), 1) };
        assert_eq!(
            (report.detection.at, report.detection.address),
            record,
            "a report carries another's record"
        );
        assert!(reports.next().is_none(), "one PE was reported twice");
        drop(report);
        assert_nothing_is_left(&registry, &tree, 0);
    });
}

#[test]
fn a_removal_and_the_worker_agree_on_one_report() {
    explore("removal in reset against the worker", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let tree = registry.tree(id).unwrap();
        let a = in_reset(&tree);
        let worker = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                let tree = registry.tree(id).unwrap();
                let taken: Vec<_> = tree.take_pending().map(|r| (r.pe.id(), r.pe.number())).collect();
                taken
            })
        };
        drop(tree.remove_device(a.device, seconds(1)));
        // Takes the old PE's slot when that is free by now.
        insert(&tree, 0x200, 6, None);
        let mut taken = worker.join().unwrap();
        taken.extend(tree.take_pending().map(|r| (r.pe.id(), r.pe.number())));
        assert!(taken.iter().all(|report| *report == (a.pe, PeNumber(5))), "the report led to another PE");
        assert_eq!(taken.len(), 1, "a PE went in reset and left no report");
        assert_nothing_is_left(&registry, &tree, 1);
    });
}
