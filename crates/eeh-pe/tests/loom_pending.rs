// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: no report is lost and none is taken twice, while PEs are reported again as soon as
//! their last report is taken.

// mutants: report_ends_early => "a report was lost or taken twice"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::Report;
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
