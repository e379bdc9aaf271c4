// SPDX-License-Identifier: GPL-2.0-or-later
//! clippy on what is compiled into a kernel, with the kernel's own flags and lints: a host compiles nothing of the
//! shim.

use core::time::Duration;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::cache::{Cache, write_if_changed};
use super::fetch::{Missing, output};
use super::tree::PLACE;
use super::{Options, Variant, build, tools};
use crate::context::{Context, Fallible};
use crate::process;
use crate::report::Findings;

const LIMIT: Duration = Duration::from_secs(900);
/// What a configuration may leave out and needs nothing of C: linted anyway.
const ALSO: &str = "CONFIG_RUST_DEBUG_ASSERTIONS";
/// In the place of the tree: the flags of the object, as Kbuild wrote them.
const LINT: &str = ". ./cargo.env && \
    export CARGO_TARGET_POWERPC64LE_UNKNOWN_LINUX_GNU_RUSTFLAGS=\
    \"$CARGO_TARGET_POWERPC64LE_UNKNOWN_LINUX_GNU_RUSTFLAGS $1\" && \
    exec \"$0\" clippy --quiet --message-format short $EEH_CARGO_FLAGS -- -D warnings";

/// Builds the object only, and lints what it is made of: any warning fails.
pub(crate) fn run(ctx: &Context, cache: &Cache, options: &Options) -> Fallible<Findings> {
    if options.variant != Variant::Rust {
        return Err("--variant c has no Rust to lint".into());
    }
    if output(ctx.cargo().args(["clippy", "--version"])).is_err() {
        let how =
            if tools::has("rustup") { "rustup component add clippy" } else { "apt-get install rust-clippy" };
        return Err(Missing(format!("no cargo clippy; run: {how}")).into());
    }
    let kernel = build::build(ctx, cache, options, &[&format!("{PLACE}/")])?;
    let conf = settings(ctx, cache, &kernel.tree)?;
    let mut findings = Findings::default();
    for more in ["", &format!("--cfg={ALSO}")] {
        lint(ctx, cache, (&kernel.tree, &conf), more, &mut findings)?;
    }
    let left = left_out(ctx, &kernel.tree)?;
    if !left.is_empty() {
        findings.notes.push(format!("not in this configuration, so not linted: {}", left.join(", ")));
    }
    Ok(findings)
}

/// The kernel's settings of clippy for our compiler: ours need a newer one than the rest of its Rust.
fn settings(ctx: &Context, cache: &Cache, tree: &Path) -> Fallible<PathBuf> {
    let mut table: Table = std::fs::read_to_string(tree.join(".clippy.toml"))?.parse()?;
    let manifest: Table = std::fs::read_to_string(ctx.root.join("Cargo.toml"))?.parse()?;
    let version = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("package")?.get("rust-version")?.as_str())
        .ok_or("no rust-version")?;
    table.insert("msrv".into(), Value::String(version.to_owned()));
    let dir = cache.dir("clippy")?;
    write_if_changed(&dir.join("clippy.toml"), toml::to_string(&table)?.as_bytes())?;
    Ok(dir)
}

fn lint(
    ctx: &Context,
    cache: &Cache,
    (tree, conf): (&Path, &Path),
    more: &str,
    findings: &mut Findings,
) -> Fallible<()> {
    let log = cache.log(if more.is_empty() { "clippy" } else { "clippy-more" })?;
    let mut shell = ctx.like_cargo(Path::new("sh"));
    shell.current_dir(tree.join(PLACE)).env("CLIPPY_CONF_DIR", conf);
    let run = process::run_to(&log, shell.args(["-c", LINT]).arg(&ctx.cargo).arg(more), LIMIT, &mut |_| ())?;
    let found = complaints(&run.output);
    if found.is_empty() {
        findings.check(run.ok(), || format!("clippy failed; log {}", log.display()));
        return Ok(());
    }
    for line in found {
        // What both passes find is one failure.
        if !findings.failures.contains(&line) {
            findings.failures.push(line);
        }
    }
    Ok(())
}

/// The lines that are of a place in our sources.
fn complaints(output: &str) -> Vec<String> {
    let ours = |line: &&str| {
        line.starts_with("crates/") && [": error", ": warning"].iter().any(|what| line.contains(what))
    };
    output.lines().filter(ours).map(str::to_owned).collect()
}

/// Configuration symbols that parts of the shim want, and this kernel has not.
fn left_out(ctx: &Context, tree: &Path) -> Fallible<Vec<String>> {
    let has = std::fs::read_to_string(tree.join("include/generated/rustc_cfg"))?;
    let mut left = Vec::new();
    for path in ctx.files()?.iter().filter(|path| path.starts_with("crates/kernel-shim/src")) {
        for line in ctx.read(path)?.unwrap_or_default().lines() {
            let Some(symbol) = line.trim().strip_prefix("#[cfg(").and_then(|rest| rest.strip_suffix(")]"))
            else {
                continue;
            };
            let there = has.lines().any(|line| line == format!("--cfg={symbol}"));
            if !there && symbol != ALSO && !left.contains(&symbol.to_owned()) {
                left.push(symbol.to_owned());
            }
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::complaints;

    #[test]
    fn only_what_is_of_our_sources_counts() {
        let output = "warning: unstable feature specified for `-Ctarget-feature`: `vsx`\n\
                      crates/kernel-shim/src/time.rs:76:5: error: redundant closure\n\
                      crates/kernel-shim/src/pci.rs:1:1: warning: this is an error of the configuration\n\
                      error: could not compile `kernel-shim` (lib) due to 1 previous error\n";
        let found = complaints(output);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|line| line.starts_with("crates/kernel-shim/src/")));
    }
}
