// SPDX-License-Identifier: GPL-2.0-or-later
//! The same Linux on real threads and a scaled clock.

mod common;

use core::time::Duration;
use std::thread;

use common::{address, both, endpoints, fixture};
use eeh_recovery::Params;
use test_utils::hw::Timing;
use test_utils::linux::{Clock, Crew, FirmwareKind, Options, SimLinux};
use test_utils::task::block_on;

const SOON: Duration = Duration::from_secs(60);

fn boot(firmware: FirmwareKind) -> SimLinux {
    // A second is a millisecond: what is a limit of minutes for Linux must not be one of a busy host.
    let params = Params { job_limit: Duration::from_secs(50_000), max_freezes: 1000, ..Params::default() };
    let options =
        Options { clock: Clock::Scaled(1000), record: false, params, firmware, ..Options::default() };
    SimLinux::boot(&fixture("powernv10"), &options).expect("it boots")
}

const fn is_sync<T: Sync>() {}
const _: () = is_sync::<SimLinux>();

#[test]
fn all_phbs_recover_at_once_on_threads() {
    for firmware in both() {
        all_phbs_recover(&boot(firmware));
    }
}

fn all_phbs_recover(linux: &SimLinux) {
    let crew = Crew::new(linux);
    thread::scope(|scope| {
        crew.start(scope);
        for _ in 0..3 {
            let breakers: Vec<_> = endpoints(&fixture("powernv10"))
                .into_iter()
                .map(|at| scope.spawn(move || linux.break_device(at.phb, at.bdf)))
                .collect();
            for breaker in breakers {
                breaker.join().expect("no panic");
            }
            assert!(crew.wait_quiet(SOON), "{:?}", linux.watcher().tally());
            for at in endpoints(&fixture("powernv10")) {
                assert_eq!(linux.works(at.phb, at.bdf), Ok(()), "{at} {:?}", linux.watcher().tally());
            }
        }
        crew.stop();
    });
    assert_eq!(crew.threads(), 0);
    let began = linux.watcher().tally().began.load(core::sync::atomic::Ordering::Relaxed);
    assert_eq!(began, 24);
}

#[test]
fn hotplug_on_threads_gives_phbs_new_workers() {
    for firmware in both() {
        new_workers(&boot(firmware));
    }
}

fn new_workers(linux: &SimLinux) {
    let crew = Crew::new(linux);
    let spec = std::sync::Arc::new(fixture("powernv10").phb(3).expect("there").clone());
    let nic = address("0003:01:00.0");
    thread::scope(|scope| {
        crew.start(scope);
        for _ in 0..5 {
            block_on(linux.remove_phb(3)).expect("there");
            // The old worker lets its tree go when it gets to it.
            let mut added = block_on(linux.add_phb(&spec));
            while added.is_err() {
                thread::yield_now();
                added = block_on(linux.add_phb(&spec));
            }
            linux.break_device(nic.phb, nic.bdf);
            // The thread that looks for new trees has its turn first.
            let began = std::time::Instant::now();
            while linux.works(nic.phb, nic.bdf).is_err() && began.elapsed() < SOON {
                thread::yield_now();
            }
            assert_eq!(linux.works(nic.phb, nic.bdf), Ok(()), "{:?}", linux.watcher().tally());
        }
        assert!(crew.wait_quiet(SOON));
        crew.stop();
    });
    assert_eq!(crew.threads(), 0);
    assert_eq!(linux.registry().trees().count(), 6, "the old trees are drained");
}

#[test]
fn a_hanging_driver_costs_a_helper_and_no_other_phb() {
    both().into_iter().for_each(a_helper_is_lost);
}

fn a_helper_is_lost(firmware: FirmwareKind) {
    let mut options = Options { clock: Clock::Scaled(1000), record: false, firmware, ..Options::default() };
    let (nvme, other) = (address("0002:03:00.0"), address("0003:01:00.0"));
    options.temperaments.insert(nvme, "hang=slot_reset".parse().expect("valid"));
    options.params.job_limit = Duration::from_secs(2_000);
    let linux = SimLinux::boot(&fixture("powernv10"), &options).expect("it boots");
    linux.hardware(2).expect("there").set_timing(nvme.bdf, Timing::default());
    let crew = Crew::new(&linux);
    thread::scope(|scope| {
        crew.start(scope);
        linux.break_device(nvme.phb, nvme.bdf);
        linux.break_device(other.phb, other.bdf);
        assert!(crew.wait_quiet(SOON), "{:?}", linux.watcher().tally());
        assert_eq!(linux.works(other.phb, other.bdf), Ok(()));
        assert!(linux.works(nvme.phb, nvme.bdf).is_err());
        // Its sibling's events find a new helper.
        let sibling = address("0002:04:00.0");
        linux.break_device(sibling.phb, sibling.bdf);
        assert!(crew.wait_quiet(SOON), "{:?}", linux.watcher().tally());
        assert_eq!(linux.works(sibling.phb, sibling.bdf), Ok(()));
        crew.stop();
    });
    assert_eq!(crew.threads(), 0);
}
