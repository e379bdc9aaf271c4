// SPDX-License-Identifier: GPL-2.0-or-later
//! A check stores to no memory that CPUs share, unless it finds a freeze.
//!
//! Built with `--cfg eeh_stores` (`cargo xtask stores`), where every store of eeh-pe to memory that
//! several threads see is recorded. The counters of the CPU itself are all that may be written.
#![cfg(eeh_stores)]

use std::collections::BTreeSet;

use benches::firmware::{Free, freeze};
use benches::machine::Machine;
use benches::ours::Ours;
use benches::side::Side;
use eeh_pe::Counter;
use eeh_pe::sync::stores::take;

/// Addresses of the counters of the CPU that the thread is.
fn counters(ours: &Ours<'_, Free>) -> BTreeSet<usize> {
    take();
    for &counter in Counter::ALL {
        ours.registry().stats().count(counter);
    }
    for pe in [ours.pe(0), ours.pe(1), ours.pe(1)] {
        let _ = ours.registry().stats().here().count_isolated_read(pe);
    }
    (0..8).for_each(|n| ours.registry().stats().count_false_positive(ours.pe(n)));
    take().into_iter().collect()
}

/// What `check` writes beside the CPU's own counters.
fn shared_stores(own: &BTreeSet<usize>, check: impl Fn() -> bool, frozen: bool) -> usize {
    take();
    assert_eq!(check(), frozen);
    let written = take();
    assert!(!written.is_empty(), "nothing is recorded: not even that the check was counted");
    written.iter().filter(|address| !own.contains(address)).count()
}

#[test]
fn checks_write_the_cpus_own_counters_only() {
    let machine = Machine::new(256);
    let firmware = Free::new(&machine);
    let ours = Ours::new(&machine, &firmware);
    ours.enter(0);
    let own = counters(&ours);
    let device = ours.device(3);
    let by_device = || ours.check_device(device);
    let by_address = || ours.check_address(machine.address(3, 1));

    assert_eq!(shared_stores(&own, || ours.check_device(ours.no_device()), false), 0, "device gone");
    assert_eq!(shared_stores(&own, || ours.check_address(machine.gap(3, 0)), false), 0, "nobody's address");
    assert_eq!(shared_stores(&own, by_device, false), 0, "healthy, by device");
    assert_eq!(shared_stores(&own, by_address, false), 0, "healthy, by address");

    freeze(&firmware, &machine, &[3], true);
    assert_ne!(shared_stores(&own, by_device, true), 0, "a freeze that is found is marked");

    assert_eq!(shared_stores(&own, by_device, true), 0, "isolated, by device");
    assert_eq!(shared_stores(&own, by_address, true), 0, "isolated, by address");
}

#[test]
fn the_counters_of_two_cpus_share_no_cache_line() {
    let machine = Machine::new(16);
    let firmware = Free::new(&machine);
    let ours = Ours::new(&machine, &firmware);
    let lines = |cpu| {
        ours.enter(cpu);
        counters(&ours).into_iter().map(|address| address / 128).collect::<BTreeSet<_>>()
    };
    assert!(lines(0).is_disjoint(&lines(1)));
}
