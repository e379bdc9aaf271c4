// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask sim`: deterministic simulation over many seeds, or one seed with its log.

use core::time::Duration;
use std::path::PathBuf;

use clap::Args;

use crate::context::{Context, Fallible};
use crate::process;
use crate::report::Findings;

/// How many seeds `cargo xtask test` runs.
pub(crate) const SEEDS: u64 = 1000;
const LIMIT: Duration = Duration::from_secs(1800);

/// What to simulate.
#[derive(Args)]
pub(crate) struct Options {
    /// Runs the seeds below this
    #[arg(long, default_value_t = SEEDS, conflicts_with = "seed")]
    pub(crate) seeds: u64,
    /// Replays one seed and prints the machine's log
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Writes what happened in that seed into this file, for Perfetto or chrome://tracing
    #[arg(long, requires = "seed", value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
}

/// Runs the seeds, the regressions and the canaries.
pub(crate) fn run(ctx: &Context, options: &Options) -> Fallible<Findings> {
    let mut cargo = ctx.cargo();
    cargo.args(["test", "--release", "-p", "test-utils", "--test", "seeds", "--", "--nocapture"]);
    match options.seed {
        Some(seed) => cargo.arg("seeds_find_nothing").env("EEH_SEED", seed.to_string()),
        None => cargo.env("EEH_SEEDS", options.seeds.to_string()),
    };
    if let Some(file) = &options.trace {
        // The test runs in its package's directory.
        cargo.env("EEH_TRACE", std::path::absolute(file).unwrap_or_else(|_| file.clone()));
    }
    let run = process::run(ctx, "sim", &mut cargo, LIMIT)?;
    if options.seed.is_some() {
        println!("{}", run.output);
    }
    let mut findings = Findings::default();
    let told = |line: &&str| {
        line.contains(" seeds in ") || line.starts_with("seed ") || line.starts_with("visited ")
    };
    findings.notes.extend(run.output.lines().filter(told).map(str::to_owned));
    findings.check(run.ok(), || {
        let from = run.output.find("panicked at").unwrap_or(0);
        let shown: Vec<&str> = run.output[from..].lines().take(60).collect();
        format!("{:?}; all of it in {}:\n{}", run.end, run.log.display(), shown.join("\n"))
    });
    Ok(findings)
}
