// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask loom`: the models, and the mutants that must die in them.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::context::{Context, Fallible, cpus};
use crate::figures::{self, thousands};
use crate::mutants::{self, Flavour, Mutant};
use crate::process::{self, End};
use crate::report::Findings;

/// Which models, how far, and whether broken.
#[derive(clap::Args, Clone)]
pub(crate) struct Options {
    /// Only models whose file name contains this.
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Preemptions per execution (`LOOM_MAX_PREEMPTIONS`).
    #[arg(long, default_value_t = 2)]
    pub(crate) bound: usize,
    /// Switch each mutant on and require that its model notices.
    #[arg(long)]
    pub(crate) mutants: bool,
    /// Writes the figures into docs/verification.md
    #[arg(long)]
    pub(crate) record: bool,
}

/// A model may not run for ever.
const LIMIT: Duration = Duration::from_secs(900);

fn flavour(cfg: Option<&str>) -> Flavour<'_> {
    Flavour { target: Some("loom"), release: true, flags: "--cfg eeh_loom", cfg }
}

fn environment(bound: usize) -> Vec<(&'static str, String)> {
    vec![("LOOM_MAX_PREEMPTIONS", bound.to_string())]
}

/// Files with models, by package.
fn models(ctx: &Context, options: &Options) -> Fallible<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for file in ctx.files()? {
        let wanted = options.model.as_ref().is_none_or(|part| file.to_string_lossy().contains(part.as_str()));
        let in_tests = file.parent().is_some_and(|dir| dir.ends_with("tests"));
        if wanted && in_tests && file.starts_with("crates") && mutants::is_model(&file) {
            let package = ctx.member_of(&file).ok_or("a model outside of any package")?;
            found.push((package, file));
        }
    }
    Ok(found)
}

/// Runs the models as they ship.
pub(crate) fn run_models(ctx: &Context, options: &Options) -> Fallible<Findings> {
    let models = models(ctx, options)?;
    if models.is_empty() {
        return Ok(Findings::not_run("no tests/loom_*.rs matches"));
    }
    let mut findings = Findings::default();
    let mut rows = Vec::new();
    for result in process::parallel(&models, cpus(), |(package, file)| run_model(ctx, package, file, options))
    {
        match result {
            Ok((part, row)) => {
                findings.absorb(part);
                rows.push(row);
            }
            Err(error) => findings.failures.push(error),
        }
    }
    if options.record {
        figures::record(ctx, "loom", &rows)?;
    }
    Ok(findings)
}

fn run_model(
    ctx: &Context,
    package: &str,
    file: &Path,
    options: &Options,
) -> Result<(Findings, Vec<String>), String> {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let program = mutants::build(ctx, package, file, &flavour(None)).map_err(|error| error.to_string())?;
    let mut command = Command::new(&program.path);
    command.args(["--nocapture", "--test-threads=1"]).current_dir(&program.dir).env("RUST_BACKTRACE", "0");
    command.envs(environment(options.bound));
    let run = process::run(ctx, &name, &mut command, LIMIT).map_err(|error| error.to_string())?;
    let mut findings = Findings::default();
    let tests = counted(&run.output);
    match run.end {
        End::Success => {
            findings.check(tests > 0, || format!("{name}: has no model"));
            findings.passed = tests;
        }
        End::Failure => findings.failures.push(format!("{name}:\n{}", process::tail(&run.output, 30))),
        End::TimedOut => findings.failures.push(format!("{name}: not done after {} s", LIMIT.as_secs())),
    }
    let executions = executions(&run.output).map_or_else(|| "uncounted".to_owned(), thousands);
    let (bound, seconds) = (options.bound, format!("{:.1}", run.time.as_secs_f64()));
    findings
        .notes
        .push(format!("{name}: bound {bound}, {tests} models, {executions} executions, {seconds} s"));
    let row = vec![format!("`{name}.rs`"), bound.to_string(), tests.to_string(), executions, seconds];
    Ok((findings, row))
}

/// Sum of the lines `loom: NAME executions=N`; `None` when there is none.
fn executions(output: &str) -> Option<u64> {
    let counts: Vec<u64> = output
        .lines()
        .filter_map(|line| line.split_once("loom: ")?.1.split_once("executions=")?.1.trim().parse().ok())
        .collect();
    (!counts.is_empty()).then(|| counts.iter().sum())
}

/// Tests that passed, by libtest's own count.
pub(crate) fn counted(output: &str) -> usize {
    output
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("test result: ")?
                .split_once(". ")?
                .1
                .split_once(" passed")?
                .0
                .parse::<usize>()
                .ok()
        })
        .sum()
}

/// Requires that each model notices its mutants.
pub(crate) fn run_mutants(ctx: &Context, options: &Options) -> Fallible<Findings> {
    let mut chosen: Vec<Mutant> = mutants::promised(ctx)?;
    chosen.retain(|mutant| {
        let file = mutant.file.to_string_lossy();
        mutant.is_loom() && options.model.as_ref().is_none_or(|part| file.contains(part.as_str()))
    });
    if chosen.is_empty() {
        return Ok(Findings::not_run("no model promises to notice a mutant"));
    }
    let mut findings = Findings::default();
    let started = Instant::now();
    let results = process::parallel(&chosen, cpus(), |mutant| {
        let env = environment(options.bound);
        mutants::kill(ctx, mutant, &flavour(Some(&mutant.cfg())), &env).map_err(|error| error.to_string())
    });
    for (mutant, result) in chosen.iter().zip(results) {
        match result {
            Ok(time) => {
                findings.passed += 1;
                findings.notes.push(format!(
                    "{}: dies with \"{}\" ({:.1} s)",
                    mutant.name,
                    mutant.message,
                    time.as_secs_f64()
                ));
            }
            Err(error) => findings.failures.push(error),
        }
    }
    if options.record {
        let counts = [chosen.len(), findings.passed].map(|count| count.to_string());
        let seconds = started.elapsed().as_secs().to_string();
        let row = ["loom".to_owned()].into_iter().chain(counts).chain([seconds]).collect();
        figures::record(ctx, "loom --mutants", &[row])?;
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::{counted, executions};

    #[test]
    fn executions_are_summed_and_their_absence_is_told() {
        assert_eq!(executions("loom: a executions=3\nx\ntest b ... loom: b executions=4\n"), Some(7));
        assert_eq!(executions("nothing"), None);
    }

    #[test]
    fn passed_tests_are_read_from_libtest() {
        let text = "test result: ok. 3 passed; 0 failed; 0 ignored\ntest result: ok. 2 passed; 0 failed\n";
        assert_eq!(counted(text), 5);
    }
}
