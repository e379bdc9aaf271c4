// SPDX-License-Identifier: GPL-2.0-or-later
//! Claim: who finds a freeze takes its devices offline before the worker begins with them, or not at all: no device
//! is offline after its recovery.

// mutants: visit_comes_too_late => "a device is offline after its recovery"

#![cfg(eeh_loom)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use core::sync::atomic::Ordering;

use common::*;
use eeh_pe::{Isolate, Passed, PeFlags};
use loom::sync::Arc;
use loom::thread;

const ONLINE: usize = 0;
const OFFLINE: usize = 1;

#[test]
fn no_device_is_taken_offline_behind_the_worker() {
    explore("visit against the worker", || {
        let registry = Arc::new(registry::<Host>(1));
        let id = add_phb(&registry, 0);
        let tree = registry.tree(id).unwrap();
        let state = Platform::default();
        let a = tree.insert_device(info(0x100), state.clone(), spec(5), None).map_err(|(e, _)| e).unwrap();
        let detector = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                assert_eq!(registry.isolate(a.pe), Isolate::Won);
                let tree = registry.tree(id).unwrap();
                tree.visit_reported(a.pe, |device| device.store(OFFLINE, Ordering::Relaxed));
            })
        };
        let recover = || {
            for report in tree.take_pending() {
                let pe = report.pe.id();
                tree.lock().mark_subtree(pe, PeFlags::RECOVERING);
                state.store(ONLINE, Ordering::Relaxed);
                tree.lock().clear_subtree(pe, PeFlags::INHERITED, Passed::Include);
            }
        };
        recover();
        detector.join().unwrap();
        recover();
        assert_eq!(state.load(Ordering::Relaxed), ONLINE, "a device is offline after its recovery");
    });
}
