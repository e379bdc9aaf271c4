// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask fuzz`: the decoders and parsers of `fuzz/fuzz_targets` on input that libFuzzer makes up.
//!
//! Everything that is fuzzed is safe Rust, so no sanitizer is in the way of speed; overflow checks and debug
//! assertions are on.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::context::{Context, Fallible};
use crate::figures::{self, thousands};
use crate::process::{self, Run};
use crate::report::Findings;

/// The targets, and the longest input that is of use to each, in bytes.
const TARGETS: [(&str, u32); 5] =
    [("diag", 9000), ("rtas_log", 2300), ("dump", 32_000), ("scenario", 2000), ("command", 64)];
/// The target with a planted fault.
const CANARY: &str = "canary";
/// The version that is installed; another one's output may read differently.
const VERSION: &str = "0.13.2";
/// For a build, and beyond the time that the fuzzer was given.
const LIMIT: Duration = Duration::from_secs(3600);

/// What to fuzz, and how long.
#[derive(Args)]
#[command(
    after_help = "Targets: diag (OPAL's error data), rtas_log (RTAS error logs), dump (a machine's lspci and the files beside \
it), scenario (scenario files), command (what is written into debugfs and sysfs).\n\
What was found interesting stays in target/fuzz-corpus and is where the next run begins; what crashed, in \
target/fuzz-crashes."
)]
pub(crate) struct Options {
    /// Only this target (may be repeated)
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(TARGETS.map(|(name, _)| name)))]
    target: Vec<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The same in minutes
    #[arg(long, conflicts_with = "seconds")]
    minutes: Option<u64>,
    /// How many targets run at a time
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Runs one input and shows what happens; needs one --target
    #[arg(long, value_name = "FILE", requires = "target")]
    replay: Option<PathBuf>,
    /// Writes the figures into docs/verification.md
    #[arg(long)]
    record: bool,
}

/// Builds the targets and runs them, the planted fault first.
pub(crate) fn run(ctx: &Context, options: &Options) -> Fallible<Findings> {
    if Command::new("c++").arg("--version").output().is_err() {
        return Ok(Findings::not_run("libFuzzer needs a C++ compiler (Debian: g++)"));
    }
    let programs = build(ctx)?;
    let chosen: Vec<(&str, u32)> = TARGETS
        .into_iter()
        .filter(|(name, _)| options.target.is_empty() || options.target.iter().any(|target| target == name))
        .collect();
    if let Some(input) = &options.replay {
        return replay(ctx, &programs, &chosen, input);
    }
    let mut findings = canary(ctx, &programs)?;
    let time = Duration::from_secs(options.minutes.map_or(options.seconds, |minutes| minutes * 60));
    let results = process::parallel(&chosen, options.jobs, |(name, most)| {
        fuzz(ctx, &programs, name, *most, time).map_err(|error| error.to_string())
    });
    let mut rows = Vec::new();
    for ((name, _), result) in chosen.iter().zip(results) {
        let run = result?;
        findings.check(run.ok(), || crash(name, &run));
        let (runs, covered) = (stat(&run.output, "number_of_executed_units"), coverage(&run.output));
        let said = format!("{name}: {} inputs, {covered} edges, {} s", thousands(runs), run.time.as_secs());
        findings.notes.push(said);
        let crashes = if run.ok() { "none" } else { "yes" };
        let seconds = run.time.as_secs().to_string();
        let row = [name, thousands(runs).as_str(), covered, seconds.as_str(), crashes].map(str::to_owned);
        rows.push(row.to_vec());
    }
    if options.record {
        figures::record(ctx, "fuzz", &rows)?;
    }
    Ok(findings)
}

/// Builds all targets with coverage counters; answers where the programs are.
fn build(ctx: &Context) -> Fallible<PathBuf> {
    let tools = ctx.target.join("tools");
    let tool = tools.join("bin/cargo-fuzz");
    let told = Command::new(&tool).arg("--version").output();
    if !told.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).trim().ends_with(VERSION)) {
        let mut install = ctx.cargo();
        install.args(["install", "cargo-fuzz", "--locked", "--version", &format!("={VERSION}"), "--root"]);
        install.arg(&tools).arg("--target-dir").arg(ctx.target.join("tools-build"));
        let run = process::run(ctx, "fuzz-install", &mut install, LIMIT)?;
        if !run.ok() {
            return Err(format!("cannot install cargo-fuzz:\n{}", process::tail(&run.output, 20)).into());
        }
    }
    let target = ctx.target.join("fuzz");
    let mut command = ctx.like_cargo(&tool);
    // libFuzzer needs coverage counters, which only a nightly compiler admits to have.
    command.env("CARGO", &ctx.cargo).env("RUSTC_BOOTSTRAP", "1");
    command.args(["build", "--sanitizer", "none", "--fuzz-dir", "fuzz", "--target-dir"]).arg(&target);
    let run = process::run(ctx, "fuzz-build", &mut command, LIMIT)?;
    if !run.ok() {
        return Err(format!("cannot build the targets:\n{}", process::tail(&run.output, 40)).into());
    }
    Ok(target.join(host()?).join("release"))
}

/// The target that this compiler builds for.
pub(crate) fn host() -> Fallible<String> {
    let out = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV names no host")?.to_owned())
}

fn command(ctx: &Context, programs: &Path, name: &str, seconds: u64) -> Command {
    let mut command = Command::new(programs.join(name));
    let crashes = ctx.target.join("fuzz-crashes").join(name);
    command.current_dir(&ctx.root).env("RUST_BACKTRACE", "0");
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}-", crashes.display()));
    command.args(["-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    command
}

fn fuzz(ctx: &Context, programs: &Path, name: &str, most: u32, time: Duration) -> Fallible<Run> {
    let corpus = ctx.target.join("fuzz-corpus").join(name);
    std::fs::create_dir_all(&corpus)?;
    std::fs::create_dir_all(ctx.target.join("fuzz-crashes"))?;
    let mut command = command(ctx, programs, name, time.as_secs());
    command.arg(format!("-max_len={most}")).arg(corpus).arg(Path::new("fuzz/corpus").join(name));
    process::run(ctx, &format!("fuzz-{name}"), &mut command, time + LIMIT)
}

/// A fuzzer that does not find what was planted finds nothing.
fn canary(ctx: &Context, programs: &Path) -> Fallible<Findings> {
    std::fs::create_dir_all(ctx.target.join("fuzz-crashes"))?;
    let mut command = command(ctx, programs, CANARY, 120);
    command.args(["-max_len=64", "-use_value_profile=1"]);
    let run = process::run(ctx, "fuzz-canary", &mut command, LIMIT)?;
    let mut findings = Findings::default();
    let found = !run.ok() && run.output.contains("the planted fault");
    findings.check(found, || format!("the planted fault was not found:\n{}", process::tail(&run.output, 10)));
    findings
        .notes
        .push(format!("{CANARY}: the planted fault was found after {:.1} s", run.time.as_secs_f64()));
    Ok(findings)
}

fn replay(ctx: &Context, programs: &Path, chosen: &[(&str, u32)], input: &Path) -> Fallible<Findings> {
    let [(name, _)] = chosen else { return Err("--replay needs one --target".into()) };
    let mut command = Command::new(programs.join(name));
    let run = process::run(ctx, "fuzz-replay", command.env("RUST_BACKTRACE", "1").arg(input), LIMIT)?;
    println!("{}", run.output);
    let mut findings = Findings::default();
    findings.check(run.ok(), || format!("{name} fails with {}", input.display()));
    Ok(findings)
}

/// What is said of a target that found something.
fn crash(name: &str, run: &Run) -> String {
    let input = run.output.lines().find_map(|line| line.split_once("Test unit written to ").map(|at| at.1));
    let replay = input.map_or_else(
        || format!("no input was kept; see {}", run.log.display()),
        |input| format!("replay: cargo xtask fuzz --target {name} --replay {input}"),
    );
    format!("{name} ({:?}):\n{}\n{replay}", run.end, process::tail(&run.output, 30))
}

/// A line `stat::NAME: N` of libFuzzer.
fn stat(output: &str, name: &str) -> u64 {
    let value = output.lines().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
    value.and_then(|value| value.trim_start_matches(':').trim().parse().ok()).unwrap_or(0)
}

/// What `cov:` says in the last line that has it.
fn coverage(output: &str) -> &str {
    let last = output.lines().rev().find_map(|line| line.split_once(" cov: ")?.1.split_whitespace().next());
    last.unwrap_or("0")
}

#[cfg(test)]
mod tests {
    use super::{TARGETS, coverage, stat};

    #[test]
    fn figures_are_read_from_what_libfuzzer_prints() {
        let text = "#2\tINITED cov: 20 ft: 24\n#9\tDONE   cov: 31 ft: 40 corp: 4\nstat::number_of_executed_units: 77\n";
        assert_eq!((coverage(text), stat(text, "number_of_executed_units")), ("31", 77));
        assert_eq!((coverage(""), stat("", "x")), ("0", 0));
    }

    #[test]
    fn every_target_is_a_program_and_has_a_corpus() {
        let fuzz = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).expect("fuzz/Cargo.toml");
        for (name, _) in TARGETS {
            assert!(manifest.contains(&format!("\"fuzz_targets/{name}.rs\"")), "{name}");
            assert!(fuzz.join("corpus").join(name).is_dir(), "{name}");
        }
    }
}
