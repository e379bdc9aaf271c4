// SPDX-License-Identifier: GPL-2.0-or-later
//! Deterministic simulation over many seeds.
//!
//! `EEH_SEED=N` replays one seed with its log (and `EEH_TRACE=FILE` writes it as a trace), `EEH_SEEDS=N` runs
//! the seeds below N (default 100). A thousand and more must visit everything there is to visit.

mod common;

use core::sync::atomic::{AtomicU64, Ordering};
use std::env;
use std::fs::File;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use common::{FIXTURES, fixture};
use eeh_recovery::{Action, Cue, Mark, Phase, next};
use test_utils::engine::{self, Coverage, Fault, write_trace};
use test_utils::seeds::{Canary, Failure, Plan, Summary, replay, run_twice, run_with};
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

fn trace(marks: &[engine::Mark]) {
    if let Some(name) = env::var_os("EEH_TRACE") {
        let mut file = File::create(name).expect("the trace can be written");
        write_trace(&mut file, marks).expect("the trace can be written");
    }
}

fn replay_one(seed: u64, fixtures: &[MachineSpec]) {
    let failure = match replay(Plan::new(seed, fixtures), None) {
        Ok(remains) => {
            trace(&remains.marks);
            for line in &remains.log {
                println!("{line}");
            }
            return println!("seed {seed}: {:?}", remains.summary);
        }
        Err(failure) => failure,
    };
    trace(&failure.marks);
    for line in &failure.log {
        println!("{line}");
    }
    panic!("{}\n{failure}", failure.plan);
}

/// So many seeds visit everything.
const ENOUGH: u64 = 1000;

/// Rows that no world takes, with the test that takes each all the same. A PE that is marked KEEP does not go
/// with its last device, and only its worker takes the mark away, when its recovery is over: so the PE of a
/// recovery that has come through one of the phases that mark it is there until its PHB goes, which is
/// `Cancelled`, or until nothing leads to it, which the job finds. [`kept`] shows that there is no other way into
/// these phases.
const ROWS_ELSEWHERE: [(Phase, Cue, &str); 4] = [
    (Phase::RemoveLate, Cue::PeGone, "a_kept_pe_that_goes_all_the_same_is_released"),
    (Phase::Pause, Cue::PeGone, "a_kept_pe_that_goes_all_the_same_is_released"),
    (Phase::ReportReset, Cue::PeGone, "a_kept_pe_that_goes_all_the_same_is_released"),
    (Phase::AddVfs, Cue::PeGone, "a_kept_pe_that_goes_all_the_same_is_released"),
];
/// Where those tests are, and the one of what KEEP promises.
const ROWS: &str = include_str!("../../eeh-recovery/tests/rows.rs");
const MARKS: &str = include_str!("../../eeh-pe/tests/marks.rs");

/// A test of a file, from its name to the next one.
fn test_of<'a>(file: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = file.split_once(&format!("#[test]\nfn {name}()"))?;
    Some(rest.split("#[test]").next().unwrap_or(rest))
}

/// Whether a recovery cannot come to a phase without having marked its PE KEEP.
fn kept(phase: Phase) -> bool {
    let marks = |phase: Phase| phase.plan().enter == Some(Action::Mark(Mark::Keep));
    let mut reached = vec![Phase::Presence, Phase::ReportFailure];
    let mut at = 0;
    while let Some(&from) = reached.get(at) {
        at += 1;
        let to = Cue::ALL.into_iter().filter_map(|cue| next(from, cue)).filter(|_| !marks(from));
        let new: Vec<Phase> = to.filter(|to| !reached.contains(to)).collect();
        reached.extend(new);
    }
    !reached.contains(&phase)
}

#[test]
fn rows_that_no_world_takes_are_taken_by_the_tests_that_are_named() {
    assert!(test_of(MARKS, "a_kept_pe_stays_empty_and_invalid_until_a_device_comes_back").is_some());
    for (phase, cue, name) in ROWS_ELSEWHERE {
        assert_eq!(cue, Cue::PeGone, "what is said of KEEP is about nothing else");
        assert!(kept(phase), "a recovery comes to {phase:?} in another way");
        let test = test_of(ROWS, name).expect(name);
        assert!(
            test.contains(&format!("Phase::{phase:?}")) && test.contains(&format!("Cue::{cue:?}")),
            "{name}"
        );
    }
    assert!(!kept(Phase::PermLog) && !kept(Phase::ReportResume));
}

/// Temperaments that a thousand seeds do not bring into a phase; ten thousand bring each into all.
const PAIRS_ELSEWHERE: [(Phase, &[&str]); 5] = [
    (Phase::ThawMmio, &["disconnect"]),
    (Phase::ReportMmio, &["disconnect"]),
    (Phase::ThawDma, &["disconnect"]),
    (Phase::AddVfs, &["die", "disconnect", "hang"]),
    (Phase::SaveState, &["disconnect", "vfs"]),
];

/// What of it was not visited, of all rows of the table of recovery, and all temperaments in all phases.
fn missed(coverage: &Coverage) -> String {
    let (rows, pairs) = (coverage.rows_missed(), coverage.pairs_missed());
    let (all_rows, all_pairs) = (Coverage::rows_in_all(), Coverage::pairs_in_all());
    println!(
        "visited {} of {all_rows} rows of the table, {} of {all_pairs} pairs of temperament and phase",
        all_rows - rows.len(),
        all_pairs - pairs.len()
    );
    println!("not taken: {rows:?}");
    let elsewhere = |phase: Phase, cue: Cue| ROWS_ELSEWHERE.iter().any(|&(p, c, _)| (p, c) == (phase, cue));
    let rows: Vec<_> = rows.into_iter().filter(|&(phase, cue)| !elsewhere(phase, cue)).collect();
    let elsewhere = |word: &str, phase: Phase| {
        PAIRS_ELSEWHERE.iter().any(|(p, words)| *p == phase && words.contains(&word))
    };
    let pairs: Vec<_> = pairs.into_iter().filter(|&(word, phase)| !elsewhere(word, phase)).collect();
    let mut text = String::new();
    if !rows.is_empty() {
        text += &format!("rows that no seed takes: {rows:?}\n");
    }
    if !pairs.is_empty() {
        text += &format!("temperaments that no seed brings into a phase: {pairs:?}\n");
    }
    print!("{text}");
    text
}

#[test]
fn seeds_find_nothing() {
    let fixtures = fixtures();
    if let Some(seed) = number("EEH_SEED") {
        return replay_one(seed, &fixtures);
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
    let Summary { recoveries, events, calls, outcomes, granted, vfs, coverage, .. } = total;
    println!(
        "{count} seeds in {:.1} s: {recoveries} recoveries, {events} events, {calls} calls of drivers, \
         {granted} wishes granted, {vfs} machines with virtual functions; recovered, failed, gone, cancelled, \
         fenced: {outcomes:?}",
        started.elapsed().as_secs_f64()
    );
    let missed = missed(&coverage);
    let mut failures = failures.into_inner().expect("no panic");
    failures.sort_by_key(|failure| failure.seed);
    let shown: String = failures.iter().take(20).map(ToString::to_string).collect();
    for failure in failures.iter().skip(20) {
        println!("{failure}");
    }
    assert!(failures.is_empty(), "{} of {count} seeds fail:\n{shown}", failures.len());
    assert!(count < ENOUGH || missed.is_empty(), "{missed}");
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

/// The same, with all that [`Plan::asking`] draws.
const REGRESSIONS_ASKING: [(u64, &str); 3] = [
    (1405, "a PE that is given up hides the freeze of another from firmware's reports, for ever"),
    (2498, "the same for one that a driver holds in reset"),
    (7263, "devices stay offline whose freeze was over when its report was taken"),
];

/// The same, with all that [`Plan::meeting`] draws.
const REGRESSIONS_MEETING: [(u64, &str); 11] = [
    (769, "firmware gives up a PE that works again, which is found once more"),
    (1718, "a platform resets a PHB, and a device that no driver has stays without addresses"),
    (3329, "a PE is reset for a driver whose device has gone, and nobody ends that"),
    (4625, "a bridge that is reset between being found and being added has no bus numbers (the simulator's)"),
    (8189, "a freeze that is found at the moment of the next one (a checker's)"),
    (8475, "a device that is reset between being found and being added has no addresses (the simulator's)"),
    (9254, "a partition's PE that froze last, and that nobody has looked at (the simulator's)"),
    (9524, "a PE stays isolated whose owner's device goes while the host recovers the PE above"),
    (2853, "a driver that gave up at a fence was not told that its PHB had failed"),
    (9759, "the same, of two functions"),
    (6425, "a virtual function that was removed when the next fence came was not added back"),
];

#[test]
fn seeds_that_failed_once_fail_no_more() {
    let fixtures = fixtures();
    for (seed, what) in REGRESSIONS_MEETING {
        if let Err(failure) = run_with(Plan::meeting(seed, &fixtures), None) {
            panic!("{what}:\n{failure}");
        }
    }
    for (seed, what) in REGRESSIONS_ASKING {
        if let Err(failure) = run_with(Plan::asking(seed, &fixtures), None) {
            panic!("{what}:\n{failure}");
        }
    }
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
        let (checker, says) = canary.seen_by();
        let seen = failure.violations.iter().any(|v| v.checker == checker && v.text.contains(says));
        assert!(seen, "{canary:?} is not seen by {checker:?}:\n{failure}");
        assert_eq!(checker.canary().seen_by().0, checker, "{checker:?} has none of its own");
    }
}

/// What `cargo xtask sim --seed S --trace FILE` runs.
#[test]
fn a_seed_is_replayed_with_its_log_and_a_trace() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let program = env::current_exe().expect("a program");
    let mut command = Command::new(program);
    command.args(["seeds_find_nothing", "--exact", "--nocapture"]);
    command.env("EEH_SEED", "131").env("EEH_TRACE", file.path());
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("EEH: Beginning: 'error_detected(IO frozen)'"), "{said}");
    assert!(said.contains("seed 131: Summary"), "{said}");
    let text = std::fs::read_to_string(file.path()).expect("a trace");
    let trace: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let events = trace["traceEvents"].as_array().or_else(|| trace.as_array()).expect("events");
    let named =
        |event: &serde_json::Value, name: &str| event["name"].as_str().is_some_and(|n| n.contains(name));
    for name in ["ReportFrozen", "error_detected"] {
        assert!(events.iter().any(|event| named(event, name)), "no {name} among {} events", events.len());
    }
}
