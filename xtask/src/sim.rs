// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask sim`: deterministic simulation over many seeds, or one seed with its log.

use core::time::Duration;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;

use crate::context::{Context, Fallible};
use crate::figures::{self, thousands};
use crate::process;
use crate::report::Findings;

/// How many seeds `cargo xtask test` runs.
pub(crate) const SEEDS: u64 = 1000;
const LIMIT: Duration = Duration::from_secs(1800);
/// What seeds spend their time in is optimised. The rest is what the tests were built with: a release build would
/// take three times as long as a thousand seeds do, and assert nothing.
const FAST: [&str; 8] =
    ["eeh-pe", "eeh-recovery", "eeh-powernv", "eeh-pseries", "test-utils", "spin", "rand_chacha", "chacha20"];

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
    /// Writes the figures into docs/verification.md
    #[arg(long, conflicts_with = "seed")]
    pub(crate) record: bool,
}

/// What runs the seeds.
fn command(ctx: &Context, options: &Options) -> Command {
    let mut cargo = ctx.cargo();
    cargo.arg("test");
    for package in FAST {
        cargo.args(["--config", &format!("profile.dev.package.{package}.opt-level=1")]);
    }
    cargo.args(["-p", "test-utils", "--test", "seeds", "--", "--nocapture"]);
    match options.seed {
        Some(seed) => cargo.arg("seeds_find_nothing").env("EEH_SEED", seed.to_string()),
        None => cargo.env("EEH_SEEDS", options.seeds.to_string()),
    };
    if let Some(file) = &options.trace {
        // The test runs in its package's directory.
        cargo.env("EEH_TRACE", std::path::absolute(file).unwrap_or_else(|_| file.clone()));
    }
    cargo
}

/// Runs the seeds, the regressions and the canaries.
pub(crate) fn run(ctx: &Context, options: &Options) -> Fallible<Findings> {
    let run = process::run(ctx, "sim", &mut command(ctx, options), LIMIT)?;
    if options.seed.is_some() {
        println!("{}", run.output);
    }
    let mut findings = Findings::default();
    let told = |line: &&str| {
        line.contains(" seeds in ") || line.starts_with("seed ") || line.starts_with("visited ")
    };
    findings.notes.extend(run.output.lines().filter(told).map(str::to_owned));
    if options.record {
        let row = figures_of(&run.output, options.seeds).ok_or("the simulation says nothing of itself")?;
        figures::record(ctx, "sim", &[row])?;
    }
    findings.check(run.ok(), || {
        let from = run.output.find("panicked at").unwrap_or(0);
        let shown: Vec<&str> = run.output[from..].lines().take(60).collect();
        format!("{:?}; all of it in {}:\n{}", run.end, run.log.display(), shown.join("\n"))
    });
    Ok(findings)
}

/// Seeds, how many failed, recoveries, rows and pairs visited, seconds.
fn figures_of(output: &str, seeds: u64) -> Option<Vec<String>> {
    let (seconds, rest) = output.split_once(&format!("{seeds} seeds in "))?.1.split_once(" s: ")?;
    let recoveries = rest.split(' ').next()?.parse().ok()?;
    let failed = output
        .split_once(&format!(" of {seeds} seeds fail"))
        .map_or("0", |(before, _)| before.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default());
    let (rows, rest) = output.split_once("visited ")?.1.split_once(" rows")?;
    let pairs = rest.split_once(", ")?.1.split_once(" pairs")?.0;
    let [seeds, recoveries] = [seeds, recoveries].map(thousands);
    Some([&seeds, failed, &recoveries, rows, pairs, seconds].map(str::to_owned).to_vec())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::PathBuf;

    use super::{Options, command, figures_of};
    use crate::context::Context;

    #[test]
    fn one_seed_is_replayed_with_a_trace_where_the_caller_is() {
        let ctx = Context::new().expect("the workspace");
        let options =
            Options { seeds: 1000, seed: Some(7), trace: Some(PathBuf::from("t.json")), record: false };
        let command = command(&ctx, &options);
        let set =
            |name: &str| command.get_envs().find(|(key, _)| *key == OsStr::new(name)).and_then(|(_, v)| v);
        assert_eq!(set("EEH_SEED"), Some(OsStr::new("7")));
        assert_eq!(set("EEH_SEEDS"), None);
        let here = std::path::absolute("t.json").expect("a directory");
        assert_eq!(set("EEH_TRACE"), Some(here.as_os_str()), "tests run in their package's directory");
        assert!(command.get_args().any(|arg| arg == "seeds_find_nothing"));
    }

    #[test]
    fn figures_are_read_from_what_the_seeds_print() {
        let text = "1000 seeds in 5.0 s: 2345 recoveries, 1 events\nvisited 119 of 169 rows of the table, 381 of \
                    405 pairs of temperament\n";
        let expected = ["1,000", "0", "2,345", "119 of 169", "381 of 405", "5.0"];
        assert_eq!(figures_of(text, 1000).unwrap_or_default(), expected);
        let failing = format!("{text}x:\n68 of 1000 seeds fail:\n");
        assert_eq!(figures_of(&failing, 1000).unwrap_or_default()[1], "68");
        assert_eq!(figures_of(text, 10), None);
    }
}
