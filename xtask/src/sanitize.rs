// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask sanitize`: the tests and the storm under the thread and the address sanitizer, without suppressions.
//!
//! The standard library is built along with them for the thread sanitizer, which has to see its locks. A fault of
//! its own kind is planted for each, and must be reported.

use core::time::Duration;
use std::process::Command;
use std::time::Instant;

use clap::{Args, ValueEnum};

use crate::context::{Context, Fallible};
use crate::figures::{self, thousands};
use crate::fuzz::host;
use crate::loom::counted;
use crate::process::{self, Run};
use crate::report::Findings;

/// What runs no code of the workspace's that has threads, or has nothing to run on a host.
const EXCLUDED: [&str; 3] = ["xtask", "benches", "kernel-shim"];
/// For a build or a run of all tests.
const LIMIT: Duration = Duration::from_secs(4 * 3600);
/// A storm that is not expected to be as fast as usual.
const STORM: [&str; 9] =
    ["storm", "--machine", "fixtures/powernv10", "--threads", "2", "--seed", "1", "--slowdown", "20"];
const CANARY: &str = "xtask/sanitizer-canary/Cargo.toml";

/// A sanitizer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Sanitizer {
    /// Data races
    Thread,
    /// Memory that is not, or no longer, the program's
    Address,
}

impl Sanitizer {
    /// As `-Zsanitizer` has it; also the name of its canary.
    const fn name(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::Address => "address",
        }
    }

    /// What a report begins with.
    const fn report(self) -> &'static str {
        match self {
            Self::Thread => "WARNING: ThreadSanitizer",
            Self::Address => "ERROR: AddressSanitizer",
        }
    }

    /// What is said of the planted fault.
    const fn planted(self) -> &'static str {
        match self {
            Self::Thread => "data race",
            Self::Address => "heap-use-after-free",
        }
    }
}

/// What to run under which sanitizer.
#[derive(Args)]
#[command(after_help = "Needs the library's sources, which rustup is asked for (component rust-src).")]
pub(crate) struct Options {
    /// Only this one
    #[arg(long, value_enum)]
    only: Option<Sanitizer>,
    /// No tests, the storm only
    #[arg(long)]
    storm: bool,
    /// Only the tests of this package (may be repeated), and no storm
    #[arg(long, conflicts_with = "storm")]
    package: Vec<String>,
    /// How long the storm lasts
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Writes the figures into docs/verification.md
    #[arg(long)]
    record: bool,
}

/// Runs the canaries, the tests and the storm.
pub(crate) fn run(ctx: &Context, options: &Options) -> Fallible<Findings> {
    if !sources()? {
        return Ok(Findings::not_run("the library's sources are missing: rustup component add rust-src"));
    }
    let mut findings = Findings::default();
    let mut rows = Vec::new();
    for sanitizer in Sanitizer::value_variants() {
        if options.only.is_none_or(|only| only == *sanitizer) {
            rows.extend(under(ctx, *sanitizer, options, &mut findings)?);
        }
    }
    if options.record {
        figures::record(ctx, "sanitize", &rows)?;
    }
    Ok(findings)
}

/// Whether the library's sources are there, or can be fetched.
fn sources() -> Fallible<bool> {
    let out = Command::new("rustc").args(["--print", "sysroot"]).output()?;
    let root = std::path::PathBuf::from(String::from_utf8(out.stdout)?.trim());
    let there = || root.join("lib/rustlib/src/rust/library/Cargo.lock").exists();
    if !there() {
        let _ = Command::new("rustup").args(["component", "add", "rust-src"]).output();
    }
    Ok(there())
}

fn under(
    ctx: &Context,
    sanitizer: Sanitizer,
    options: &Options,
    findings: &mut Findings,
) -> Fallible<Vec<Vec<String>>> {
    let name = sanitizer.name();
    let canary = cargo(ctx, sanitizer, "run", &["--manifest-path", CANARY, "--bin", name], "canary")?;
    let reported = !canary.ok() && canary.output.contains(sanitizer.planted());
    findings.check(reported, || {
        format!("{name}: the planted fault was not reported:\n{}", process::tail(&canary.output, 20))
    });
    let mut rows = Vec::new();
    let mut judge = |what: &str, work: String, run: &Run| {
        let reports = run.output.matches(sanitizer.report()).count();
        findings.check(run.ok() && reports == 0, || first_report(sanitizer, what, run));
        let seconds = run.time.as_secs();
        findings.notes.push(format!("{name}, {what}: {work}, {reports} reports, {seconds} s"));
        let seconds = seconds.to_string();
        rows.push([format!("{name}, {what}"), work, reports.to_string(), seconds].to_vec());
    };
    if !options.storm {
        let mut args = vec!["--lib", "--bins", "--tests", "--no-fail-fast"];
        if options.package.is_empty() {
            args.push("--workspace");
            args.extend(EXCLUDED.iter().flat_map(|name| ["--exclude", name]));
        }
        args.extend(options.package.iter().flat_map(|name| ["-p", name]));
        let run = cargo(ctx, sanitizer, "test", &args, "tests")?;
        let tests = u64::try_from(counted(&run.output))?;
        let what = if options.package.is_empty() { "all".into() } else { options.package.join(", ") };
        judge(&format!("tests of {what}"), format!("{} tests", thousands(tests)), &run);
    }
    if options.package.is_empty() {
        let seconds = options.seconds.to_string();
        let mut args = vec!["-p", "eeh-sim", "--"];
        args.extend(STORM);
        args.extend(["--seconds", &seconds]);
        let run = cargo(ctx, sanitizer, "run", &args, "storm")?;
        judge("storm", operations(&run.output), &run);
    }
    Ok(rows)
}

/// One cargo command with everything instrumented.
fn cargo(ctx: &Context, sanitizer: Sanitizer, command: &str, args: &[&str], step: &str) -> Fallible<Run> {
    let name = sanitizer.name();
    let mut cargo = ctx.cargo();
    cargo.args([command, "--release", "--target", &host()?, "-Zbuild-std", "--target-dir"]);
    cargo.arg(ctx.target.join(format!("sanitize-{name}"))).args(args);
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", format!("-Zsanitizer={name}"));
    // Fast enough for storms, with all that a debug build checks.
    for (key, value) in [("OPT_LEVEL", "1"), ("DEBUG_ASSERTIONS", "true"), ("OVERFLOW_CHECKS", "true")] {
        cargo.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
    }
    // What the environment suppresses would not be zero reports.
    cargo.env("TSAN_OPTIONS", "halt_on_error=1").env("ASAN_OPTIONS", "detect_leaks=1");
    let started = Instant::now();
    let mut run = process::run(ctx, &format!("sanitize-{name}-{step}"), &mut cargo, LIMIT)?;
    run.time = started.elapsed();
    Ok(run)
}

/// The first three rows of what a storm counts.
fn operations(output: &str) -> String {
    let count = |name: &str| {
        let rest = output.lines().find_map(|line| line.trim().strip_prefix(name));
        rest.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0)
    };
    ["checks", "freezes", "recoveries"].map(|name| format!("{} {name}", thousands(count(name)))).join(", ")
}

fn first_report(sanitizer: Sanitizer, what: &str, run: &Run) -> String {
    let from = run.output.find(sanitizer.report()).or_else(|| run.output.find("panicked at"));
    let shown = match from {
        Some(at) => run.output[at..].lines().take(60).collect::<Vec<_>>().join("\n"),
        None => process::tail(&run.output, 40),
    };
    format!("{}, {what} ({:?}); all of it in {}:\n{shown}", sanitizer.name(), run.end, run.log.display())
}
