// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: no report is lost and none is taken twice, while PEs are reported again as soon as
//! their last report is taken; and each carries the record of its own freeze.

// mutants: report_ends_early => "a report was lost or taken twice"
// mutants: push_is_relaxed => "a report carries another's record"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{Detection, Report};
use loom::sync::Arc;
use loom::thread;

#[test]
fn every_report_is_taken_once() {
    explore("reports and their taker", || {
        let registry = Arc::new(registry::<Host>(1));
        let tree = registry.tree(add_phb(&registry, 0)).unwrap();
        let a = insert(&tree, 0x100, 5, None).pe;
        let b = insert(&tree, 0x200, 6, None).pe;
        assert_eq!(registry.report(a), Report::Queued);
        assert_eq!(registry.report(b), Report::Queued);
        let reporter = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || usize::from(registry.report(a) == Report::Queued))
        };
        let mut taken = tree.take_pending().count();
        let queued = 2 + reporter.join().unwrap();
        taken += tree.take_pending().count();
        assert_eq!(taken, queued, "a report was lost or taken twice");
        let guard = tree.lock();
        let references = [a, b].map(|id| guard.pe(id).unwrap().references());
        assert_eq!(references, [2, 2], "a report's reference was lost or left over");
    });
}

#[test]
fn a_record_is_that_of_its_report() {
    explore("records and their reader", || {
        let registry = Arc::new(registry::<Host>(1));
        let tree = registry.tree(add_phb(&registry, 0)).unwrap();
        let a = insert(&tree, 0x100, 5, None).pe;
        let detection = |nth: u64| Detection { at: seconds(nth), address: nth };
        assert_eq!(registry.report_at(a, detection(1)), Report::Queued);
        let reporter = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || usize::from(registry.report_at(a, detection(2)) == Report::Queued))
        };
        let mut taken: Vec<Detection> = tree.take_pending().map(|report| report.detection).collect();
        let queued = 1 + reporter.join().unwrap();
        taken.extend(tree.take_pending().map(|report| report.detection));
        assert_eq!(taken, [detection(1), detection(2)][..queued], "a report carries another's record");
    });
}
