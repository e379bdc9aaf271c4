// SPDX-License-Identifier: GPL-2.0-or-later
//! Checks and builds of this workspace.
//!
//! `test` needs a Rust tool chain and nothing else; other commands name what they miss. Every command prints what it checked, with times, and
//! ends with exit code 0 only if all of it held.

mod bench;
mod compile_fail;
mod context;
mod figures;
mod fuzz;
mod hazards;
mod kernel;
mod loom;
mod mutants;
mod no_std;
mod ppc64le;
mod process;
mod qemu;
mod report;
mod sanitize;
mod sim;
mod stages;
mod stores;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use context::{Context, Fallible};
use report::{Findings, Report};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, version)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// All checks that a Rust tool chain can make: format, rules, lints, tests, compile-fail cases, no_std, stores, seeds, loom models, hazards
    Test {
        /// Only stages whose name contains this (may be repeated; see --list)
        #[arg(long)]
        only: Vec<String>,
        /// Print the stages' names
        #[arg(long)]
        list: bool,
    },
    /// Model-checks the shipping functions under all interleavings up to a preemption bound
    Loom(loom::Options),
    /// Brings each hazard back and requires that its test notices
    Hazards(hazards::Options),
    /// Programs that the compiler must refuse
    CompileFail,
    /// Links the shipping crates without std and looks for what must not be there
    NoStd,
    /// Checks store to no memory that CPUs share
    Stores,
    /// Speed of the checks against the same work done as Linux's C does it
    Bench(bench::Options),
    /// Deterministic simulation: everything happens by seeds, and checkers judge
    Sim(sim::Options),
    /// Decoders and parsers on input that libFuzzer makes up
    Fuzz(fuzz::Options),
    /// Tests and storm under the thread and the address sanitizer
    Sanitize(sanitize::Options),
    /// POWER's memory model, barriers in ppc64le code, tests as ppc64le programs
    Ppc64le(ppc64le::Options),
    /// Builds, boots and tests a ppc64le Linux with this project as its EEH
    Kernel(kernel::Kernel),
    /// Builds a QEMU whose PCI host bridges freeze PEs
    Qemu(qemu::Qemu),
    /// House rules: licence lines, dependency graph, file length, mutants and their tests, ...
    Tidy,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ctx = match Context::new() {
        Ok(ctx) => ctx,
        Err(error) => {
            eprintln!("cargo xtask: {error}");
            return ExitCode::FAILURE;
        }
    };
    let passed = match cli.command {
        Task::Test { list: true, .. } => {
            println!("{}", stages::NAMES.join("\n"));
            true
        }
        Task::Test { only, list: false } => stages::run(&ctx, &only),
        Task::Loom(options) if options.mutants => one("loom mutants", || loom::run_mutants(&ctx, &options)),
        Task::Loom(options) => one("loom", || loom::run_models(&ctx, &options)),
        Task::Hazards(options) => one("hazards", || hazards::run(&ctx, &options)),
        Task::CompileFail => one("compile-fail", || compile_fail::run(&ctx)),
        Task::NoStd => one("no_std", || no_std::run(&ctx)),
        Task::Stores => one("stores", || stores::run(&ctx)),
        Task::Bench(options) => one("bench", || bench::run(&ctx, &options)),
        Task::Sim(options) => one("sim", || sim::run(&ctx, &options)),
        Task::Fuzz(options) => one("fuzz", || fuzz::run(&ctx, &options)),
        Task::Sanitize(options) => one("sanitize", || sanitize::run(&ctx, &options)),
        Task::Ppc64le(options) => one("ppc64le", || ppc64le::run(&ctx, &options)),
        Task::Qemu(qemu) => one("qemu", || qemu::run(&ctx, &qemu)),
        Task::Kernel(kernel) => one("kernel", || kernel::run(&ctx, &kernel)),
        Task::Tidy => one("tidy", || tidy::run(&ctx)),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one(name: &str, work: impl FnOnce() -> Fallible<Findings>) -> bool {
    let mut report = Report::new();
    report.stage(name, work);
    report.finish()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
