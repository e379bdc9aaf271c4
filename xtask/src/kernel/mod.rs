// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask kernel`: fetches, builds, boots and tests a ppc64le Linux with this project as its EEH.
//!
//! Everything fetched and built is kept in a cache outside the repository; see `cache`.

pub(crate) mod apt;
mod boot;
pub(crate) mod build;
pub(crate) mod cache;
mod cases;
mod clippy;
mod compare;
mod config;
mod conformance;
mod count;
mod edits;
pub(crate) mod fetch;
mod guest;
mod guest_code;
mod initramfs;
mod machine;
mod objects;
mod qmp;
mod registers;
mod resets;
mod same_text;
mod selftest;
mod size;
mod storm;
mod test;
pub(crate) mod tools;
mod trace;
mod tree;
mod unmixed;
mod walk;
mod workspace;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::context::{Context, Fallible};
use crate::report::Findings;
use boot::Rig;
use cache::Cache;
use compare::Part;
use fetch::Missing;
use machine::Machine;

/// What `cargo xtask kernel` takes.
#[derive(Args)]
pub(crate) struct Kernel {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds the kernel image
    Build {
        #[command(flatten)]
        options: Options,
        /// What make is asked for
        #[arg(default_value = "vmlinux")]
        targets: Vec<String>,
    },
    /// Builds, and boots to a shell
    Boot {
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        guest: OnWhat,
    },
    /// Boots to a shell what was built last
    Shell {
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        guest: OnWhat,
    },
    /// Builds, and looks at the objects: what any context reaches, exports, no floating point, lines of glue
    Objects {
        #[command(flatten)]
        options: Options,
    },
    /// Builds the object only, and runs clippy on what it is made of, with the kernel's flags: no warning passes
    Clippy {
        #[command(flatten)]
        options: Options,
    },
    /// Compiles the C EEH in an edited and in an unedited tree: the edits change nothing of it
    SameText {
        #[command(flatten)]
        options: Options,
    },
    /// Builds, boots, and runs the cases in the guest
    Test {
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        choice: test::Choice,
        /// What was built last, without building
        #[arg(long)]
        built: bool,
    },
    /// Builds, boots in the QEMU of `cargo xtask qemu build`, and runs the kernel's own test of EEH
    Selftest {
        #[command(flatten)]
        options: Options,
        /// The machine; all four if not given (may be repeated)
        #[arg(long, value_enum)]
        machine: Vec<Machine>,
        /// What was built last, without building
        #[arg(long)]
        built: bool,
    },
    /// Builds, boots in the QEMU of `cargo xtask qemu build`, and breaks, removes, binds and reads everything at once
    Storm {
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        weather: storm::Weather,
    },
    /// Builds and boots both variants, and counts the instructions of EEH's checks
    Count {
        #[command(flatten)]
        options: Options,
        /// What was built last, without building
        #[arg(long)]
        built: bool,
    },
    /// Builds and boots both variants, and compares their firmware calls with the simulator's
    Conformance {
        #[command(flatten)]
        options: Options,
        /// Puts what was recorded into the repository
        #[arg(long)]
        keep: bool,
        /// What was built last, without building
        #[arg(long)]
        built: bool,
    },
    /// Builds and boots both variants, measures, and writes the table of docs/comparison.md
    Compare {
        #[command(flatten)]
        options: Options,
        /// Only this part; the rest of the table stays as it was measured (may be repeated)
        #[arg(long, value_enum)]
        only: Vec<Part>,
        /// Only this variant, in the same way (may be repeated)
        #[arg(long, value_enum)]
        of: Vec<Variant>,
        /// What was built last, without building
        #[arg(long)]
        built: bool,
    },
}

/// What a shell runs on.
#[derive(Args)]
struct OnWhat {
    /// The machine
    #[arg(long, value_enum, default_value = "powernv10")]
    machine: Machine,
    /// More kernel parameters
    #[arg(long, default_value = "")]
    append: String,
}

/// Which kernel, from what.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// A Linux 7.3 source tree that has not been built in, instead of Debian's
    #[arg(long, value_name = "DIR")]
    pub(crate) kernel_source: Option<PathBuf>,
    /// Whose EEH: this project's, or the C code of the same kernel
    #[arg(long, value_enum, default_value = "rust")]
    pub(crate) variant: Variant,
    /// For measuring, or with the kernel's own checkers
    #[arg(long, value_enum, default_value = "speed")]
    pub(crate) config: Config,
    /// Fetches nothing
    #[arg(long)]
    pub(crate) offline: bool,
    /// Jobs of make; as many as CPUs if not given
    #[arg(long, short)]
    pub(crate) jobs: Option<usize>,
}

impl Options {
    fn kind(&self) -> (Variant, Config) {
        (self.variant, self.config)
    }
}

/// Whose EEH.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Variant {
    /// This project's.
    Rust,
    /// The kernel's own.
    C,
}

impl Variant {
    fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
        }
    }
}

/// Which configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Config {
    /// As a distribution would.
    Speed,
    /// With lock, memory and scheduling checkers.
    Check,
}

impl Config {
    fn name(self) -> &'static str {
        match self {
            Self::Speed => "speed",
            Self::Check => "check",
        }
    }
}

/// Runs the command; what cannot be had here is NOT RUN.
pub(crate) fn run(ctx: &Context, kernel: &Kernel) -> Fallible<Findings> {
    match task(ctx, &Cache::open()?, &kernel.task) {
        Err(error) if error.is::<Missing>() => Ok(Findings::not_run(error.to_string())),
        other => other,
    }
}

fn task(ctx: &Context, cache: &Cache, task: &Task) -> Fallible<Findings> {
    let mut findings = Findings::default();
    match task {
        Task::Build { options, targets } => {
            let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
            let kernel = build::build(ctx, cache, options, &targets)?;
            findings.passed = 1;
            findings.notes.push(format!("Linux {}: {}", kernel.version, kernel.image.display()));
        }
        Task::Boot { options, guest } => {
            let kernel = build::build(ctx, cache, options, &["vmlinux"])?;
            let rig = Rig::new(ctx, cache, options, &kernel)?;
            findings
                .check(rig.shell(guest.machine, &guest.append)?, || "QEMU ended with an error".to_owned());
        }
        Task::Shell { options, guest } => {
            let rig = Rig::new(ctx, cache, options, &build::last(cache, options)?)?;
            findings
                .check(rig.shell(guest.machine, &guest.append)?, || "QEMU ended with an error".to_owned());
        }
        Task::Objects { options } => {
            let kernel = build::build(ctx, cache, options, &["vmlinux"])?;
            objects::check(ctx, &kernel.tree, &mut findings)?;
        }
        Task::Clippy { options } => return clippy::run(ctx, cache, options),
        Task::SameText { options } => return same_text::run(ctx, cache, options),
        Task::Test { options, choice, built } => {
            let kernel = build::built_or(ctx, cache, options, *built)?;
            return test::run(ctx, &Rig::new(ctx, cache, options, &kernel)?, options, choice);
        }
        Task::Selftest { options, machine, built } => {
            let all = [Machine::Powernv8, Machine::Powernv9, Machine::Powernv10, Machine::Pseries];
            let machines = if machine.is_empty() { &all } else { &machine[..] };
            return selftest::run(ctx, cache, options, (machines, *built));
        }
        Task::Storm { options, weather } => return storm::run(ctx, cache, options, weather),
        Task::Count { options, built } => return count::run(ctx, cache, options, *built),
        Task::Conformance { options, keep, built } => {
            return conformance::run(ctx, cache, options, (*built, *keep));
        }
        Task::Compare { options, only, of, built } => {
            return compare::run(ctx, cache, options, (only, of, *built));
        }
    }
    Ok(findings)
}
