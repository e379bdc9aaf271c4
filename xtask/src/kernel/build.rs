// SPDX-License-Identifier: GPL-2.0-or-later
//! From sources to a kernel image.

use core::time::Duration;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::cache::Cache;
use super::fetch::{self, Source};
use super::guest_code;
use super::tools::Tools;
use super::tree::{self, Tree};
use super::{Options, config};
use crate::context::{Context, Fallible, cpus};
use crate::process::{self, Run};

const LIMIT: Duration = Duration::from_secs(5400);

/// A kernel that was built.
pub(crate) struct Kernel {
    /// What QEMU boots.
    pub(crate) image: PathBuf,
    /// The tree it was built in.
    pub(crate) tree: PathBuf,
    /// As the source's Makefile says.
    pub(crate) version: String,
}

/// Fetches, prepares, configures and builds, each only as far as needed.
pub(crate) fn build(ctx: &Context, cache: &Cache, options: &Options, targets: &[&str]) -> Fallible<Kernel> {
    let started = Instant::now();
    let tools = Tools::find()?;
    say(started, "kernel source");
    let source = fetch::source(cache, options.kernel_source.as_deref(), options.offline)?;
    say(started, &format!("Linux {} in {}", source.version, source.dir.display()));
    let library = fetch::rust_library(cache, options.offline)?;
    let bindgen = fetch::bindgen(ctx, cache, options.offline)?;
    let tree = tree::prepare(ctx, cache, &source, options.kind(), options.offline)?;
    say(started, &format!("build tree {}, {} files changed", tree.dir.display(), tree.written));
    let make = || fetch::make(&tools, &tree.dir, &bindgen, &library);
    config::configure(ctx, cache, &tree, options.kind(), &mut make())?;
    let name = format!("build-{}-{}", options.variant.name(), options.config.name());
    let log = cache.log(&name)?;
    say(started, &format!("make {}, log {}", targets.join(" "), log.display()));
    let mut command = make();
    let whole = targets == ["vmlinux"];
    command.arg(format!("-j{}", options.jobs.unwrap_or_else(cpus))).args(targets);
    command.args(whole.then_some("modules"));
    let run = watched(&log, &mut command, &tree)?;
    if !run.ok() {
        return Err(format!("the build failed; log {}:\n{}", log.display(), complaint(&run.output)).into());
    }
    if whole {
        let name = format!("{}-{}", options.variant.name(), options.config.name());
        guest_code::build(ctx, cache, &tools, (&tree.dir, &name), make)?;
    }
    say(started, "built");
    Ok(kernel(source, tree))
}

fn kernel(source: Source, tree: Tree) -> Kernel {
    Kernel { image: tree.dir.join("vmlinux"), tree: tree.dir, version: source.version }
}

/// What was built last.
pub(crate) fn last(cache: &Cache, options: &Options) -> Fallible<Kernel> {
    let name = format!("{}-{}", options.variant.name(), options.config.name());
    let tree = cache.path("build").join(&name);
    let image = tree.join("vmlinux");
    if image.exists() {
        return Ok(Kernel { image, tree, version: String::new() });
    }
    Err(format!("no kernel {name} has been built; run cargo xtask kernel build").into())
}

/// What was built last if that is asked for, else a build.
pub(crate) fn built_or(ctx: &Context, cache: &Cache, options: &Options, built: bool) -> Fallible<Kernel> {
    if built { last(cache, options) } else { build(ctx, cache, options, &["vmlinux"]) }
}

/// One line of what is going on.
pub(crate) fn say(started: Instant, what: &str) {
    println!("[{:>5}s] {what}", started.elapsed().as_secs());
}

/// Runs make with a bar of the steps done, of as many as the last whole build took.
fn watched(log: &Path, make: &mut std::process::Command, tree: &Tree) -> Fallible<Run> {
    let count = tree.dir.join(".eeh-steps");
    let before: u64 = std::fs::read_to_string(&count).ok().and_then(|text| text.parse().ok()).unwrap_or(2300);
    let bar = if std::io::stdout().is_terminal() { ProgressBar::new(before) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("[{elapsed:>5}] {wide_bar} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    let mut shown = 0;
    let run = process::run_to(log, make, LIMIT, &mut |log| {
        let size = std::fs::metadata(log).map_or(0, |data| data.len());
        if size != shown {
            shown = size;
            let text = std::fs::read_to_string(log).unwrap_or_default();
            bar.set_position(text.lines().count() as u64);
            bar.set_message(text.lines().last().unwrap_or_default().trim().to_owned());
        }
    })?;
    bar.finish_and_clear();
    let steps = run.output.lines().count() as u64;
    if run.ok() && steps > before {
        std::fs::write(count, steps.to_string())?;
    }
    Ok(run)
}

/// The lines of a build log that say why.
fn complaint(output: &str) -> String {
    let telling =
        |line: &&str| ["error", "Error ", "undefined", "***"].iter().any(|word| line.contains(word));
    let at = output.lines().position(|line| telling(&line)).unwrap_or(0);
    let lines: Vec<&str> = output.lines().skip(at).take(40).collect();
    lines.join("\n")
}
