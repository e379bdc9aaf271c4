// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask sanitize`: the tests and the storm under the thread and the address sanitizer, without suppressions.
//!
//! The standard library is built along with them: the thread sanitizer has to see its locks. A fault of
//! its own kind is planted for each, and must be reported.

use core::time::Duration;
use std::process::Command;
use std::time::Instant;

use clap::{Args, ValueEnum};

use crate::context::{Context, Fallible, SHIPPING};
use crate::figures::{self, thousands};
use crate::fuzz::host;
use crate::loom::counted;
use crate::process::{self, Run};
use crate::report::Findings;

/// What has nothing to run on a host, or neither runs this project's code nor has threads that share anything
/// of it: tools, and measurements. The programs that the compiler must refuse never run.
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
    /// As `-Zsanitizer` has it.
    const fn name(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::Address => "address",
        }
    }

    /// What reports begin with.
    const fn reports(self) -> &'static [&'static str] {
        match self {
            Self::Thread => &["WARNING: ThreadSanitizer"],
            Self::Address => &["ERROR: AddressSanitizer", "ERROR: LeakSanitizer"],
        }
    }

    /// The programs with a planted fault, and what is said of it.
    const fn canaries(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Thread => &[("thread", "data race")],
            Self::Address => &[("address", "heap-use-after-free"), ("leak", "detected memory leaks")],
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
    for sanitizer in Sanitizer::value_variants() {
        if options.only.is_none_or(|only| only == *sanitizer) {
            under(ctx, *sanitizer, options, &mut findings)?;
        }
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

fn under(ctx: &Context, sanitizer: Sanitizer, options: &Options, findings: &mut Findings) -> Fallible<()> {
    let name = sanitizer.name();
    for (canary, planted) in sanitizer.canaries() {
        let run = cargo(ctx, sanitizer, "run", &["--manifest-path", CANARY, "--bin", canary], "canary")?;
        let reported = !run.ok() && run.output.contains(planted);
        findings.check(reported, || {
            format!("{name}: the planted fault was not reported:\n{}", process::tail(&run.output, 20))
        });
    }
    if !options.storm {
        for package in packages(ctx, options) {
            let plain = format!("profile.release.package.{package}.opt-level=0");
            let mut args = vec!["--lib", "--bins", "--tests", "--no-fail-fast", "-p", &package];
            if SHIPPING.contains(&package.as_str()) {
                // Many small programs: to optimise them takes longer than to run them.
                args.extend(["--config", &plain]);
            }
            let run = cargo(ctx, sanitizer, "test", &args, &package)?;
            let tests = u64::try_from(counted(&run.output))?;
            let what = format!("tests of {package}");
            judge(ctx, sanitizer, options, findings, (&what, format!("{} tests", thousands(tests)), &run))?;
        }
    }
    if options.package.is_empty() {
        let seconds = options.seconds.to_string();
        let mut args = vec!["-p", "eeh-sim", "--"];
        args.extend(STORM);
        args.extend(["--seconds", &seconds]);
        let run = cargo(ctx, sanitizer, "run", &args, "storm")?;
        judge(ctx, sanitizer, options, findings, ("storm", operations(&run.output), &run))?;
    }
    Ok(())
}

/// Those whose tests run.
fn packages(ctx: &Context, options: &Options) -> Vec<String> {
    if options.package.is_empty() {
        let all = ctx.members().into_iter().map(|member| member.name.to_owned());
        all.filter(|name| !EXCLUDED.contains(&name.as_str())).collect()
    } else {
        options.package.clone()
    }
}

/// One run: what it was, the work it did, how it ended. Recorded at once: the next may take an hour.
fn judge(
    ctx: &Context,
    sanitizer: Sanitizer,
    options: &Options,
    findings: &mut Findings,
    (what, work, run): (&str, String, &Run),
) -> Fallible<()> {
    let name = sanitizer.name();
    let reports: usize = sanitizer.reports().iter().map(|report| run.output.matches(report).count()).sum();
    findings.check(run.ok() && reports == 0, || first_report(sanitizer, what, run));
    let seconds = run.time.as_secs();
    findings.notes.push(format!("{name}, {what}: {work}, {reports} reports, {seconds} s"));
    if options.record {
        let row = [format!("{name}, {what}"), work, reports.to_string(), seconds.to_string()];
        figures::record(ctx, "sanitize", &[row.to_vec()])?;
    }
    Ok(())
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
    // A sanitizer is slow: the host runs more cases.
    cargo.env("PROPTEST_CASES", "32");
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
    let report = sanitizer.reports().iter().filter_map(|report| run.output.find(report)).min();
    let from = report.or_else(|| run.output.find("panicked at"));
    let shown = match from {
        Some(at) => run.output[at..].lines().take(60).collect::<Vec<_>>().join("\n"),
        None => process::tail(&run.output, 40),
    };
    format!("{}, {what} ({:?}); all of it in {}:\n{shown}", sanitizer.name(), run.end, run.log.display())
}
