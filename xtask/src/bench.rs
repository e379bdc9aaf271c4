// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask bench`: ratios of the checks against their C-like versions, from one run.

use core::time::Duration;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::context::{Context, Fallible};
use crate::process;
use crate::report::Findings;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rounds of each measurement; the fastest counts
    #[arg(long, default_value_t = 200)]
    rounds: usize,
    /// Count instructions per call under valgrind instead of measuring time
    #[arg(long)]
    instructions: bool,
}

/// Measures, prints the table, and requires the ratios that this project promises.
pub(crate) fn run(ctx: &Context, options: &Options) -> Fallible<Findings> {
    let program = build(ctx)?;
    if options.instructions {
        return instructions(ctx, &program);
    }
    let mut command = Command::new(&program);
    command.args(["table", "--rounds", &options.rounds.to_string()]);
    let run = process::run(ctx, "bench", &mut command, Duration::from_secs(900))?;
    println!("\n{}", run.output);
    let mut findings = Findings::default();
    findings.check(run.ok(), || "a ratio is below what is promised".to_owned());
    Ok(findings)
}

fn build(ctx: &Context) -> Fallible<PathBuf> {
    let mut command = ctx.cargo();
    command.args([
        "build",
        "--release",
        "--quiet",
        "--message-format=json",
        "-p",
        "benches",
        "--bin",
        "ratios",
    ]);
    let out = command.output()?;
    String::from_utf8_lossy(&out.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| format!("cannot build benches: {}", String::from_utf8_lossy(&out.stderr)).into())
}

/// Instructions per call: the difference of two runs that differ in the number of calls only.
fn instructions(ctx: &Context, program: &PathBuf) -> Fallible<Findings> {
    const FEW: u64 = 1000;
    const MANY: u64 = 11_000;
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Ok(Findings::not_run("there is no valgrind"));
    }
    println!("\ninstructions per call (callgrind, {MANY} calls less {FEW} calls)\n");
    println!("{:<10} {:<10} {:>8} {:>8}", "by", "case", "here", "C-like");
    let mut findings = Findings::default();
    for by in ["device", "address"] {
        for case in ["unknown", "healthy", "isolated"] {
            let mut counts = Vec::new();
            for side in ["here", "clike"] {
                let few = count(ctx, program, [side, by, case], FEW)?;
                let many = count(ctx, program, [side, by, case], MANY)?;
                counts.push(many.saturating_sub(few) / (MANY - FEW));
            }
            println!("{by:<10} {case:<10} {:>8} {:>8}", counts[0], counts[1]);
            findings.passed += 1;
        }
    }
    Ok(findings)
}

fn count(ctx: &Context, program: &PathBuf, [side, by, case]: [&str; 3], calls: u64) -> Fallible<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program).args([
        "call",
        side,
        by,
        case,
        &calls.to_string(),
    ]);
    let run = process::run(ctx, "instructions", &mut command, Duration::from_secs(120))?;
    let collected = run.output.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected.ok_or_else(|| format!("valgrind counted nothing:\n{}", process::tail(&run.output, 10)).into())
}
