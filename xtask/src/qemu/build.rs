// SPDX-License-Identifier: GPL-2.0-or-later
//! From source to a program.

use core::time::Duration;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::source::{self, Tree};
use super::{Options, tools};
use crate::context::{Context, Fallible, cpus};
use crate::kernel::build::say;
use crate::kernel::cache::Cache;
use crate::kernel::fetch::Missing;
use crate::process;

const PROGRAM: &str = "qemu-system-ppc64";
/// Only what the tests use; firmware comes from the packaged QEMU.
const CONFIGURE: [&str; 8] = [
    "--target-list=ppc64-softmmu",
    "--without-default-features",
    "--enable-tcg",
    "--enable-fdt=system",
    "--enable-slirp",
    "--disable-docs",
    "--disable-download",
    "--disable-install-blobs",
];
/// Holds what the program was made of.
const STAMP: &str = ".made-of";
const LIMIT: Duration = Duration::from_secs(5400);

/// The program, if it was built from the patches as they are now.
pub(crate) fn built(ctx: &Context, cache: &Cache) -> Fallible<Option<PathBuf>> {
    let dir = cache.path("qemu/build");
    let patches = source::of_patches(ctx)?;
    let current = std::fs::read_to_string(dir.join(STAMP)).is_ok_and(|old| old.ends_with(&patches));
    Ok(Some(dir.join(PROGRAM)).filter(|program| current && program.exists()))
}

/// Fetches, patches, configures and builds, each only as far as needed.
pub(super) fn build(ctx: &Context, cache: &Cache, options: &Options) -> Fallible<Result<PathBuf, Missing>> {
    let started = Instant::now();
    tools::check()?;
    say(started, "QEMU's source");
    let tree = match source::prepare(ctx, cache, options)? {
        Ok(tree) => tree,
        Err(missing) => return Ok(Err(missing)),
    };
    say(started, &format!("QEMU {} with patches in {}", tree.version, tree.dir.display()));
    let dir = cache.dir("qemu/build")?;
    let program = dir.join(PROGRAM);
    if std::fs::read_to_string(dir.join(STAMP)).is_ok_and(|old| old == tree.made_of) && program.exists() {
        say(started, "is built");
        return Ok(Ok(program));
    }
    let python = match tools::python(cache, options.offline)? {
        Ok(python) => python,
        Err(missing) => return Ok(Err(missing)),
    };
    configure(cache, &tree, &python, &dir, started)?;
    let log = cache.log("qemu-build")?;
    say(started, &format!("ninja {PROGRAM}, log {}", log.display()));
    let jobs = options.jobs.unwrap_or_else(cpus).to_string();
    let mut ninja = Command::new("ninja");
    ninja.args(["-j", &jobs, PROGRAM]).current_dir(&dir);
    let run = watched(&log, &mut ninja)?;
    if !run.ok() {
        let at = run.output.find("FAILED:").unwrap_or(0);
        let shown: Vec<&str> =
            run.output[at..].lines().filter(|line| !line.starts_with("cc ")).take(30).collect();
        return Err(format!("the build failed; log {}:\n{}", log.display(), shown.join("\n")).into());
    }
    std::fs::write(dir.join(STAMP), &tree.made_of)?;
    cache.record("qemu-eeh", &tree.version)?;
    say(started, "built");
    Ok(Ok(program))
}

fn configure(cache: &Cache, tree: &Tree, python: &Path, dir: &Path, started: Instant) -> Fallible<()> {
    let stamp = dir.join(".configured");
    let with = format!("{} {} {}", tree.version, python.display(), CONFIGURE.join(" "));
    if dir.join("build.ninja").exists() && std::fs::read_to_string(&stamp).is_ok_and(|old| old == with) {
        return Ok(());
    }
    let log = cache.log("qemu-configure")?;
    say(started, &format!("configure, log {}", log.display()));
    let mut command = Command::new(tree.dir.join("configure"));
    command.arg(format!("--python={}", python.display())).args(CONFIGURE).current_dir(dir);
    let run = process::run_to(&log, &mut command, LIMIT, &mut |_| ())?;
    if !run.ok() {
        let tail = process::tail(&run.output, 15);
        return Err(format!("configure failed; log {}:\n{tail}", log.display()).into());
    }
    std::fs::write(stamp, with)?;
    Ok(())
}

/// Runs ninja with a bar of the steps done.
fn watched(log: &Path, ninja: &mut Command) -> Fallible<process::Run> {
    let bar = if std::io::stdout().is_terminal() { ProgressBar::new(1) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("[{elapsed:>5}] {wide_bar} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    let mut shown = 0;
    let run = process::run_to(log, ninja, LIMIT, &mut |log| {
        let size = std::fs::metadata(log).map_or(0, |data| data.len());
        if size != shown {
            shown = size;
            let text = std::fs::read_to_string(log).unwrap_or_default();
            if let Some((done, all, what)) = text.lines().rev().find_map(step) {
                bar.set_length(all);
                bar.set_position(done);
                bar.set_message(
                    what.chars().rev().take(40).collect::<Vec<_>>().into_iter().rev().collect::<String>(),
                );
            }
        }
    })?;
    bar.finish_and_clear();
    Ok(run)
}

/// Takes ninja's `[done/all] what` apart.
fn step(line: &str) -> Option<(u64, u64, &str)> {
    let (count, what) = line.strip_prefix('[')?.split_once("] ")?;
    let (done, all) = count.split_once('/')?;
    Some((done.parse().ok()?, all.parse().ok()?, what))
}

#[cfg(test)]
mod tests {
    use super::step;

    #[test]
    fn a_line_of_ninja_says_how_far_it_is() {
        assert_eq!(step("[3/1600] Compiling C object a.o"), Some((3, 1600, "Compiling C object a.o")));
        assert_eq!(step("ninja: Entering directory"), None);
    }
}
