// SPDX-License-Identifier: GPL-2.0-or-later
//! 64 PHBs with 10,000 functions: built, booted, broken, recovered. Prints what that took.

mod common;

use std::time::Instant;

use common::{Scenario, ms};
use test_utils::engine::{Fate, Fault};
use test_utils::topology::{Synthetic, synthetic};

/// The most memory that the process had, in MiB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

#[test]
fn a_large_machine_boots_and_recovers_breaks_on_many_phbs() {
    let spec = synthetic(&Synthetic { phbs: 64, functions: 10_000, seed: 1 }).expect("it fits");
    assert_eq!(spec.function_count(), 10_000);
    // One device that can be broken on every fourth PHB.
    let broken: Vec<_> = spec
        .phbs
        .iter()
        .step_by(4)
        .filter_map(|phb| {
            let f = phb.functions.iter().find(|f| !f.is_bridge() && f.bars.iter().any(|bar| !bar.io))?;
            Some((phb.number, f.bdf))
        })
        .collect();
    assert!(broken.len() >= 8, "{}", broken.len());

    let begin = Instant::now();
    let scenario = Scenario::of(spec).ideal();
    let linux = scenario.boot();
    println!("booted in {:.2} s, {:?} MiB", begin.elapsed().as_secs_f64(), peak());
    let known: usize = linux.phbs().iter().map(|phb| phb.devices().len()).sum();
    assert_eq!(known, 10_000, "Linux found them all");

    let begin = Instant::now();
    let scenario = broken.iter().fold(scenario, |s, (phb, bdf)| s.at(ms(10), Fault::Break(*phb, *bdf)));
    let done = scenario.run_on(linux);
    println!("recovered in {:.2} s, {:?} MiB", begin.elapsed().as_secs_f64(), peak());
    done.assert_healthy();
    for (phb, bdf) in &broken {
        assert_eq!(done.run.device(*phb, *bdf).map(|d| d.fate), Some(Fate::WorksAgain), "{phb:x} {bdf}");
    }
    assert_eq!(done.run.recoveries.len(), broken.len());
}
