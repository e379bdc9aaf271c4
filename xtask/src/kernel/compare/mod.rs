// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask kernel compare`: the C EEH and this one, the same work on the same machine, in one table, which it
//! writes into `docs/comparison.md`. What was measured is kept in the cache, so that one part can be
//! measured again alone.

mod checks;
mod held;
mod hotplug;
mod locks;
mod memory;
mod page;
mod times;
mod together;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::boot::Rig;
use super::build::{self, say};
use super::cache::{Cache, write_if_changed};
use super::machine::Machine;
use super::{Config, Options, Variant, selftest, size};
use crate::context::{Context, Fallible};
use crate::report::Findings;

/// What is measured together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum, Serialize, Deserialize)]
pub(crate) enum Part {
    /// From freeze to resume, each class of device at each position
    Recovery,
    /// Several PHBs at once
    Together,
    /// Removal and rescan while another PHB recovers
    Hotplug,
    /// The kernel's own eeh-basic.sh
    Selftest,
    /// Instructions and firmware calls of a check, interrupts off
    Checks,
    /// Text and data
    Size,
    /// Memory of PEs and devices
    Memory,
    /// How long locks are held, on the check configuration
    Locks,
}

impl Part {
    /// Only the check configuration has lockdep.
    fn config(self) -> Config {
        if self == Self::Locks { Config::Check } else { Config::Speed }
    }
}

/// One row's number for one variant.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    what: String,
    /// What a limit is held against.
    value: Option<f64>,
    shown: String,
}

impl Entry {
    /// A number with so many digits behind the point.
    fn number(what: impl Into<String>, value: f64, digits: usize) -> Self {
        Self { what: what.into(), value: Some(value), shown: format!("{value:.digits$}") }
    }

    /// A number, and how it came about.
    fn with(what: impl Into<String>, value: f64, shown: String) -> Self {
        Self { what: what.into(), value: Some(value), shown }
    }

    /// What could not be had.
    fn none(what: impl Into<String>, why: &str) -> Self {
        Self { what: what.into(), value: None, shown: why.to_owned() }
    }
}

/// By part and variant.
type Measured = BTreeMap<Part, BTreeMap<String, Vec<Entry>>>;

/// One variant's kernel, and what boots it.
struct Bench {
    rig: Rig,
    tree: PathBuf,
    variant: Variant,
    config: Config,
    version: String,
}

/// Builds and boots both variants, measures these parts (all if none is given), writes the table.
pub(crate) fn run(
    ctx: &Context,
    cache: &Cache,
    options: &Options,
    (only, of, built): (&[Part], &[Variant], bool),
) -> Fallible<Findings> {
    let parts = if only.is_empty() { Part::value_variants() } else { only };
    let kept = cache.path("compare.json");
    let mut all: Measured = std::fs::read(&kept).map_or_else(|_| Ok(Measured::new()), |data| read(&data))?;
    let mut findings = Findings::default();
    let mut version = String::new();
    for variant in [Variant::C, Variant::Rust] {
        if !of.is_empty() && !of.contains(&variant) {
            continue;
        }
        let mut bench: Option<Bench> = None;
        for part in parts {
            if bench.as_ref().is_none_or(|bench| bench.config != part.config()) {
                bench = Some(set_up(ctx, cache, options, (variant, part.config()), built)?);
            }
            let Some(bench) = bench.as_ref() else { continue };
            if !bench.rig.freezes() {
                return Ok(Findings::not_run("no QEMU whose devices freeze; run cargo xtask qemu build"));
            }
            version.clone_from(&bench.version);
            let started = Instant::now();
            match measure(*part, bench, &mut findings) {
                Ok(entries) => {
                    for entry in &entries {
                        println!("         {}: {}", entry.what, entry.shown);
                    }
                    all.entry(*part).or_default().insert(variant.name().to_owned(), entries);
                    write_if_changed(&kept, &serde_json::to_vec_pretty(&all)?)?;
                }
                Err(error) => findings.failures.push(format!("{part:?} of {}: {error}", variant.name())),
            }
            say(started, &format!("{part:?} of {}", variant.name()));
        }
    }
    let rows = page::rows(&all);
    page::judge(&rows, &mut findings);
    let versions = page::versions(cache, &version)?;
    page::write(&ctx.root.join("docs/comparison.md"), &rows, &versions)?;
    Ok(findings)
}

fn read(data: &[u8]) -> Fallible<Measured> {
    Ok(serde_json::from_slice(data)?)
}

fn set_up(
    ctx: &Context,
    cache: &Cache,
    options: &Options,
    (variant, config): (Variant, Config),
    built: bool,
) -> Fallible<Bench> {
    let options = Options { variant, config, ..options.clone() };
    let kernel = build::built_or(ctx, cache, &options, built)?;
    let rig = Rig::new(ctx, cache, &options, &kernel)?;
    Ok(Bench { rig, version: linux(&kernel.tree), tree: kernel.tree, variant, config })
}

/// The version that a tree says it is.
fn linux(tree: &Path) -> String {
    let release = std::fs::read_to_string(tree.join("include/config/kernel.release")).unwrap_or_default();
    release.trim().to_owned()
}

fn measure(part: Part, bench: &Bench, findings: &mut Findings) -> Fallible<Vec<Entry>> {
    match part {
        Part::Recovery => times::measure(bench, findings),
        Part::Together => together::measure(bench),
        Part::Hotplug => hotplug::measure(bench),
        Part::Selftest => script(bench),
        Part::Checks => checks::measure(bench),
        Part::Size => {
            let size = size::of(&bench.tree, bench.variant)?;
            findings.notes.extend(size.parts());
            Ok(vec![
                Entry::number("text and constants, as `size` counts: KB", size.text(), 1),
                Entry::number("of it what C has too: KB", size.equal(), 1),
                Entry::number("data, zeroed included: KB", size.data(), 1),
            ])
        }
        Part::Memory => memory::measure(bench),
        Part::Locks => locks::measure(bench, findings),
    }
}

/// The kernel's own script, on eight devices.
fn script(bench: &Bench) -> Fallible<Vec<Entry>> {
    let (outcome, _) = selftest::on(&bench.rig, Machine::Powernv10, bench.variant)?;
    let shown = format!(
        "{:.1}; {} of {} failed, {} really reset",
        outcome.took, outcome.failed, outcome.tested, outcome.reset
    );
    Ok(vec![Entry::with("`eeh-basic.sh`, eight devices: s", outcome.took, shown)])
}
