// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask ppc64le`: tests as ppc64le programs under QEMU's user emulation, the barriers in ppc64le code, and
//! the shapes that they forbid.
//!
//! The emulation runs on a host that keeps more order than POWER does: what POWER may reorder shows in the code only.

mod barriers;
mod code;
mod litmus;
mod tools;

use core::time::Duration;
use std::process::Command;

use clap::Args;

use crate::context::{Context, Fallible};
use crate::figures;
use crate::loom::counted;
use crate::process;
use crate::report::Findings;

const TARGET: &str = "powerpc64le-unknown-linux-gnu";
/// The crates whose tests run: those with all the concurrency.
const CRATES: [&str; 2] = ["eeh-pe", "eeh-recovery"];
const LIMIT: Duration = Duration::from_secs(4 * 3600);

/// What to do.
#[derive(Args)]
pub(crate) struct Options {
    /// Only the barriers: nothing is linked or run
    #[arg(long)]
    barriers: bool,
    /// Only the tests
    #[arg(long, conflicts_with_all = ["barriers", "litmus"])]
    tests: bool,
    /// Only the shapes, under a model of POWER's memory: needs no target
    #[arg(long, conflicts_with = "barriers")]
    litmus: bool,
    /// Writes the figures into docs/verification.md
    #[arg(long)]
    record: bool,
}

/// Judges the shapes, looks at the barriers, runs the tests.
pub(crate) fn run(ctx: &Context, options: &Options) -> Fallible<Findings> {
    let mut findings = Findings::default();
    if !options.tests && !options.barriers {
        let (found, rows) = litmus::run();
        findings.absorb(found);
        findings.notes.extend(rows.iter().map(|row| row.join(", ")));
        if options.record {
            figures::record(ctx, "ppc64le --litmus", &rows)?;
        }
    }
    if options.litmus {
        return Ok(findings);
    }
    if !library()? {
        findings.absorb(Findings::not_run(format!("the library is missing: rustup target add {TARGET}")));
        return Ok(findings);
    }
    if !options.tests {
        let (found, rows) = barriers::run(ctx)?;
        findings.absorb(found);
        if options.record {
            figures::record(ctx, "ppc64le --barriers", &rows)?;
        }
    }
    if !options.barriers {
        let (found, rows) = tests(ctx)?;
        findings.absorb(found);
        if options.record {
            figures::record(ctx, "ppc64le --tests", &rows)?;
        }
    }
    Ok(findings)
}

/// Whether there is a core and a standard library for the target, or can be fetched.
fn library() -> Fallible<bool> {
    let there = || -> Fallible<bool> {
        let out = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output()?;
        Ok(std::path::Path::new(String::from_utf8(out.stdout)?.trim()).is_dir())
    };
    if !there()? {
        let _ = Command::new("rustup").args(["target", "add", TARGET]).output();
    }
    there()
}

fn tests(ctx: &Context) -> Fallible<(Findings, Vec<Vec<String>>)> {
    let tools = match tools::find() {
        Ok(tools) => tools,
        Err(error) => return Ok((Findings::not_run(error.to_string()), Vec::new())),
    };
    let mut findings = Findings::default();
    let mut rows = Vec::new();
    for name in CRATES {
        let mut cargo = ctx.cargo();
        cargo.args([
            "test",
            "--release",
            "--target",
            TARGET,
            "-p",
            name,
            "--lib",
            "--tests",
            "--no-fail-fast",
        ]);
        cargo.arg("--target-dir").arg(ctx.target.join("ppc64le"));
        tools.prepare(&mut cargo);
        // Emulation is slow: the host runs more cases. What a debug build checks is checked.
        cargo.env("PROPTEST_CASES", "32");
        for (key, value) in [("OPT_LEVEL", "1"), ("DEBUG_ASSERTIONS", "true"), ("OVERFLOW_CHECKS", "true")] {
            cargo.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
        }
        let run = process::run(ctx, &format!("ppc64le-{name}"), &mut cargo, LIMIT)?;
        let (passed, seconds) = (counted(&run.output), run.time.as_secs());
        findings.passed += passed;
        findings.notes.push(format!("{name}: {passed} tests, {seconds} s"));
        if !run.ok() || passed == 0 {
            findings.failures.push(format!("{name} ({:?}):\n{}", run.end, process::tail(&run.output, 40)));
        }
        let failed = run.output.lines().filter(|line| line.starts_with("test ") && line.ends_with("FAILED"));
        rows.push(vec![name.to_owned(), passed.to_string(), failed.count().to_string(), seconds.to_string()]);
    }
    Ok((findings, rows))
}
