// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask qemu`: a QEMU whose host bridges freeze, from Debian's source and `qemu/patches`.
//!
//! Kept in `qemu/` of the cache that `kernel::cache` describes.

mod build;
mod source;
mod tools;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::context::{Context, Fallible};
use crate::kernel::cache::Cache;
use crate::report::Findings;

pub(crate) use build::built;

/// What `cargo xtask qemu` takes.
#[derive(Args)]
pub(crate) struct Qemu {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fetches the source, applies the patches, configures and builds, each only as far as needed
    Build(Options),
}

/// From what, and how.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// A source archive of QEMU 10.0, instead of Debian's
    #[arg(long, value_name = "TAR")]
    pub(crate) source: Option<PathBuf>,
    /// Fetches nothing
    #[arg(long)]
    pub(crate) offline: bool,
    /// Jobs of ninja; as many as CPUs if not given
    #[arg(long, short)]
    pub(crate) jobs: Option<usize>,
}

/// Runs the command.
pub(crate) fn run(ctx: &Context, qemu: &Qemu) -> Fallible<Findings> {
    let cache = Cache::open()?;
    let Task::Build(options) = &qemu.task;
    let mut findings = Findings::default();
    match build::build(ctx, &cache, options)? {
        Ok(program) => {
            findings.passed = 1;
            findings.notes.push(program.display().to_string());
        }
        Err(missing) => findings.not_run = Some(missing.0),
    }
    Ok(findings)
}
