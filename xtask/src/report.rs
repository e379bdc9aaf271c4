// SPDX-License-Identifier: GPL-2.0-or-later
//! One line per stage while it runs, a table and a verdict at the end.

use core::time::Duration;
use std::io::Write;
use std::time::Instant;

use crate::context::Fallible;

/// What a stage found.
#[derive(Default)]
pub(crate) struct Findings {
    /// Checks that held.
    pub(crate) passed: usize,
    /// What did not hold, one entry each.
    pub(crate) failures: Vec<String>,
    /// Lines worth a look on success too.
    pub(crate) notes: Vec<String>,
    /// Why the stage could not run here, if it could not.
    pub(crate) not_run: Option<String>,
}

impl Findings {
    /// Nothing could be checked, because of `reason`.
    pub(crate) fn not_run(reason: impl Into<String>) -> Self {
        Self { not_run: Some(reason.into()), ..Self::default() }
    }

    /// Counts one check.
    pub(crate) fn check(&mut self, holds: bool, failure: impl FnOnce() -> String) {
        if holds {
            self.passed += 1;
        } else {
            self.failures.push(failure());
        }
    }

    /// Adds what a part of the stage found.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.passed += other.passed;
        self.failures.extend(other.failures);
        self.notes.extend(other.notes);
        self.not_run = self.not_run.take().or(other.not_run);
    }
}

struct Row {
    name: String,
    verdict: &'static str,
    passed: usize,
    failed: usize,
    time: Duration,
}

/// The stages so far.
pub(crate) struct Report {
    started: Instant,
    rows: Vec<Row>,
    allow_missing: bool,
}

impl Report {
    /// An empty report. `EEH_CI_ALLOW_MISSING` set: a stage that could not run is no failure.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            rows: Vec::new(),
            allow_missing: std::env::var_os("EEH_CI_ALLOW_MISSING").is_some_and(|value| !value.is_empty()),
        }
    }

    /// Runs a stage and prints how it went. An error of the stage itself is a failure of it.
    pub(crate) fn stage(&mut self, name: &str, work: impl FnOnce() -> Fallible<Findings>) {
        print!("[{:>5}s] {name} ... ", self.started.elapsed().as_secs());
        let _ = std::io::stdout().flush();
        let begun = Instant::now();
        let findings = work()
            .unwrap_or_else(|error| Findings { failures: vec![error.to_string()], ..Findings::default() });
        let time = begun.elapsed();
        let verdict = match (&findings.not_run, findings.failures.is_empty()) {
            (_, false) => "FAILED",
            (Some(_), true) => "NOT RUN",
            (None, true) => "ok",
        };
        println!(
            "{verdict}: {} passed, {} failed, {:.1} s",
            findings.passed,
            findings.failures.len(),
            time.as_secs_f64()
        );
        for note in findings.notes.iter().chain(&findings.not_run) {
            println!("         {note}");
        }
        for failure in &findings.failures {
            println!("  FAILED {failure}");
        }
        self.rows.push(Row {
            name: name.to_owned(),
            verdict,
            passed: findings.passed,
            failed: findings.failures.len(),
            time,
        });
    }

    /// Prints the table; answers whether everything passed.
    pub(crate) fn finish(self) -> bool {
        println!("\n{:<28} {:>8} {:>8} {:>8} {:>8}", "stage", "verdict", "passed", "failed", "seconds");
        for row in &self.rows {
            let seconds = row.time.as_secs_f64();
            println!(
                "{:<28} {:>8} {:>8} {:>8} {seconds:>8.1}",
                row.name, row.verdict, row.passed, row.failed
            );
        }
        let passed: usize = self.rows.iter().map(|row| row.passed).sum();
        let failed: usize = self.rows.iter().map(|row| row.failed).sum();
        let not_run = self.rows.iter().filter(|row| row.verdict == "NOT RUN").count();
        println!(
            "\n{passed} passed, {failed} failed, {not_run} stages not run, {} s",
            self.started.elapsed().as_secs()
        );
        if not_run > 0 && !self.allow_missing {
            println!("a stage that did not run is a failure; EEH_CI_ALLOW_MISSING=1 accepts it");
        }
        failed == 0 && (not_run == 0 || self.allow_missing)
    }
}
