// SPDX-License-Identifier: GPL-2.0-or-later
//! Deterministic simulation over many seeds.
//!
//! `EEH_SEED=N` replays one seed with its log, `EEH_SEEDS=N` runs the seeds below N (default 100).

mod common;

use core::sync::atomic::{AtomicU64, Ordering};
use std::env;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use common::{FIXTURES, fixture};
use test_utils::engine::Fault;
use test_utils::seeds::{Canary, Failure, Plan, Summary, run_twice, run_with};
use test_utils::topology::MachineSpec;

fn fixtures() -> Vec<MachineSpec> {
    FIXTURES.iter().map(|name| fixture(name)).collect()
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Every so many seeds, one is run twice.
const TWICE: u64 = 8;

fn one(seed: u64, fixtures: &[MachineSpec]) -> Result<Summary, Failure> {
    let plan = Plan::new(seed, fixtures);
    if seed.is_multiple_of(TWICE) { run_twice(&plan, None) } else { run_with(plan, None) }
}

fn replay(seed: u64, fixtures: &[MachineSpec]) {
    let failure = match run_with(Plan::new(seed, fixtures), None) {
        Ok(summary) => return println!("seed {seed}: {summary:?}"),
        Err(failure) => failure,
    };
    for line in &failure.log {
        println!("{line}");
    }
    panic!("{}\n{failure}", failure.plan);
}

#[test]
fn seeds_find_nothing() {
    let fixtures = fixtures();
    if let Some(seed) = number("EEH_SEED") {
        return replay(seed, &fixtures);
    }
    let (count, next) = (number("EEH_SEEDS").unwrap_or(100), AtomicU64::new(0));
    let (failures, total) = (Mutex::new(Vec::new()), Mutex::new(Summary::default()));
    let started = Instant::now();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= count {
                return;
            }
            match one(seed, &fixtures) {
                Ok(summary) => total.lock().expect("no panic").add(&summary),
                Err(failure) => failures.lock().expect("no panic").push(failure),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let total = total.into_inner().expect("no panic");
    println!("{count} seeds in {:.1} s: {total:?}", started.elapsed().as_secs_f64());
    let mut failures = failures.into_inner().expect("no panic");
    failures.sort_by_key(|failure| failure.seed);
    let shown: String = failures.iter().take(20).map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{} of {count} seeds fail:\n{shown}", failures.len());
}

/// Seeds that once failed, and why; on PowerNV, as they did before there was another platform.
const REGRESSIONS: [(u64, &str); 6] = [
    (18, "the interrupt of a PHB that is given up is armed while its error stands, for ever"),
    (92, "a PHB that breaks while it recovers from a fence recovers for ever"),
    (131, "a PE recovers for ever because of a device whose driver is stuck in `remove`"),
    (591, "the same after a handler that died"),
    (688, "the same after a handler that hangs"),
    (
        1039,
        "a function that a driver adds below a bridge that is being removed stays behind (the simulator's)",
    ),
];

#[test]
fn seeds_that_failed_once_fail_no_more() {
    let fixtures = fixtures();
    for (seed, what) in REGRESSIONS {
        if let Err(failure) = run_with(Plan::powernv(seed, &fixtures), None) {
            panic!("{what}:\n{failure}");
        }
    }
}

/// The first seed of a well-behaved machine that begins with a broken device.
fn quiet_seed(fixtures: &[MachineSpec]) -> Plan {
    let plans = (0..1000).map(|seed| Plan::powernv(seed, fixtures));
    let mut good = plans.filter(|plan| {
        let breaks = matches!(plan.timed.first(), Some((_, Fault::Break(..))));
        // A machine of the fixtures has devices enough to tamper with.
        let large = plan.spec.phbs.len() > 3;
        plan.gentle && breaks && large && run_with(plan.clone(), None).is_ok_and(|s| s.recoveries > 0)
    });
    good.next().expect("one of a thousand")
}

#[test]
fn each_checker_sees_the_bug_that_was_planted_for_it() {
    let plan = quiet_seed(&fixtures());
    for canary in Canary::ALL {
        let result = if canary == Canary::Chance {
            run_twice(&plan, Some(canary))
        } else {
            run_with(plan.clone(), Some(canary))
        };
        let failure = result.expect_err(&format!("{canary:?} is planted"));
        let seen = failure.violations.iter().any(|v| v.checker == canary.seen_by());
        assert!(seen, "{canary:?} is not seen by {:?}:\n{failure}", canary.seen_by());
    }
}
