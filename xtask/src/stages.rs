// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask test`: all checks of the host, in order of their cost.

use core::time::Duration;

use crate::context::{Context, Fallible};
use crate::process::{self, End};
use crate::report::{Findings, Report};
use crate::{compile_fail, hazards, loom, no_std, sim, stores, tidy};

/// Names of the stages, in order.
pub(crate) const NAMES: [&str; 11] = [
    "fmt",
    "tidy",
    "clippy",
    "tests",
    "doc tests",
    "sim",
    "compile-fail",
    "no_std",
    "stores",
    "loom",
    "hazards",
];

/// A cargo command of a stage may not run for ever.
const LIMIT: Duration = Duration::from_secs(1800);

/// Runs the stages whose name contains one of `only`, or all; answers whether everything passed.
pub(crate) fn run(ctx: &Context, only: &[String]) -> bool {
    let mut report = Report::new();
    for name in NAMES {
        if only.is_empty() || only.iter().any(|part| name.contains(part.as_str())) {
            report.stage(name, || stage(ctx, name));
        }
    }
    report.finish()
}

fn stage(ctx: &Context, name: &str) -> Fallible<Findings> {
    let models = loom::Options { model: None, bound: 2, mutants: false, record: false };
    match name {
        "fmt" => {
            let mut findings = cargo(ctx, name, &["fmt", "--all", "--check"])?;
            findings.absorb(cargo(ctx, name, &["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"])?);
            Ok(findings)
        }
        "tidy" => tidy::run(ctx),
        "clippy" => {
            cargo(ctx, name, &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
        }
        "tests" => tests(ctx, name, &["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]),
        "doc tests" => tests(ctx, name, &["test", "--workspace", "--doc", "--no-fail-fast"]),
        "sim" => sim::run(ctx, &sim::Options { seeds: sim::SEEDS, seed: None, trace: None, record: false }),
        "compile-fail" => compile_fail::run(ctx),
        "no_std" => no_std::run(ctx),
        "stores" => stores::run(ctx),
        "loom" => loom::run_models(ctx, &models),
        "hazards" => hazards::run(ctx, &hazards::Options::default()),
        other => Err(format!("no stage {other}").into()),
    }
}

fn cargo(ctx: &Context, name: &str, args: &[&str]) -> Fallible<Findings> {
    let run = process::run(ctx, name, ctx.cargo().args(args), LIMIT)?;
    let mut findings = Findings::default();
    findings.check(run.ok(), || {
        format!("cargo {} ({:?}):\n{}", args.join(" "), run.end, process::tail(&run.output, 60))
    });
    Ok(findings)
}

/// Like [`cargo`], with the tests counted from libtest's result lines.
fn tests(ctx: &Context, name: &str, args: &[&str]) -> Fallible<Findings> {
    let run = process::run(ctx, name, ctx.cargo().args(args), LIMIT)?;
    let mut findings = Findings { passed: loom::counted(&run.output), ..Findings::default() };
    for line in run.output.lines().filter(|line| line.starts_with("test ") && line.ends_with("FAILED")) {
        findings.failures.push(line.to_owned());
    }
    if run.end != End::Success {
        let from = run.output.find("\nfailures:\n").map_or(run.output.as_str(), |at| &run.output[at..]);
        let shown: String = from.lines().take(60).collect::<Vec<_>>().join("\n");
        let text = if findings.failures.is_empty() { process::tail(&run.output, 60) } else { shown };
        findings.failures.push(format!(
            "cargo {} ({:?}); all of it in {}:\n{text}",
            args.join(" "),
            run.end,
            run.log.display()
        ));
    }
    Ok(findings)
}
