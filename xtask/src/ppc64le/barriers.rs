// SPDX-License-Identifier: GPL-2.0-or-later
//! The barriers in the code that a compiler makes of the shipping crates for ppc64le.
//!
//! mutants: exchange_is_relaxed => "exchanges without barriers"
//! mutants: push_is_relaxed => "exchanges without barriers"
//! mutants: map_reader_has_no_fence => "pe_lookup"
//! mutants: map_stores_relaxed => "pe_map"

use std::path::PathBuf;

use super::TARGET;
use super::code::{Code, Order};
use crate::context::{Context, Fallible};
use crate::mutants::{self, Mutant};
use crate::process;
use crate::report::Findings;

/// What a path must have at least, by `docs/protocol.md`: the functions are those of `xtask/no-std-check`.
const PATHS: [(&str, Order); 11] = [
    // A look at a PE: place, identity, kind, owner, and the word behind them.
    ("pe_peek", Order { exchanges: 0, acquires: 4, releases: 0 }),
    ("pe_peek_device", Order { exchanges: 0, acquires: 3, releases: 0 }),
    // Two tables, each searched in the first leaf or in all: the sequence before, and a fence between what was read and
    // the sequence again. The place's map and state.
    ("pe_lookup", Order { exchanges: 0, acquires: 10, releases: 0 }),
    ("pe_find_phb", Order { exchanges: 0, acquires: 2, releases: 0 }),
    ("pe_tree", Order { exchanges: 1, acquires: 1, releases: 0 }),
    ("pe_get", Order { exchanges: 1, acquires: 1, releases: 0 }),
    // Two last puts, each with its push.
    ("pe_drop", Order { exchanges: 4, acquires: 2, releases: 0 }),
    // The word, and the pending stack.
    ("pe_isolate", Order { exchanges: 2, acquires: 1, releases: 0 }),
    ("pe_report", Order { exchanges: 2, acquires: 1, releases: 0 }),
    // Identity, owner and word of what is born.
    ("pe_insert", Order { exchanges: 2, acquires: 4, releases: 7 }),
    // Each field of the copy that is filled, and the sequence.
    ("pe_map", Order { exchanges: 1, acquires: 4, releases: 5 }),
];

/// Checks the code as it ships, then that each mutant is noticed.
pub(super) fn run(ctx: &Context) -> Fallible<(Findings, Vec<Vec<String>>)> {
    let mut findings = Findings::default();
    let code = Code::read(&build(ctx, None)?)?;
    for failure in failures(&code)? {
        findings.failures.push(failure);
    }
    let mut rows = Vec::new();
    for (name, _) in PATHS {
        findings.passed += 1;
        let Order { exchanges, acquires, releases } = code.order(name)?;
        let counts = [exchanges, acquires, releases].map(|count| count.to_string());
        findings
            .notes
            .push(format!("{name}: {exchanges} exchanges, {acquires} acquires, {releases} releases"));
        rows.push([name.to_owned()].into_iter().chain(counts).collect());
    }
    for mutant in mutants::promised(ctx)?.iter().filter(|mutant| mutant.is_barrier()) {
        let found = failures(&Code::read(&build(ctx, Some(mutant))?)?)?;
        findings.check(found.iter().any(|failure| failure.contains(&mutant.message)), || {
            format!(
                "{}: SURVIVED: its code was not refused for \"{}\": {found:?}",
                mutant.name, mutant.message
            )
        });
        findings.notes.push(format!("{}: refused for \"{}\"", mutant.name, mutant.message));
    }
    Ok((findings, rows))
}

/// What is wrong with code.
fn failures(code: &Code) -> Fallible<Vec<String>> {
    let mut failures = Vec::new();
    for function in code.functions().filter(|function| function.unordered() > 0) {
        let name = format!("{:#}", rustc_demangle::demangle(&function.name));
        failures.push(format!("{name}: {} exchanges without barriers", function.unordered()));
    }
    for (name, least) in PATHS {
        let has = code.order(name)?;
        let enough = has.exchanges >= least.exchanges
            && has.acquires >= least.acquires
            && has.releases >= least.releases;
        if !enough {
            failures.push(format!("{name}: has {has:?}, needs {least:?}"));
        }
    }
    Ok(failures)
}

/// Links the shipping crates into one optimised object for ppc64le; nothing is run, so no linker is needed.
fn build(ctx: &Context, mutant: Option<&Mutant>) -> Fallible<PathBuf> {
    let dir = ctx.root.join("xtask/no-std-check");
    std::fs::copy(ctx.root.join("Cargo.lock"), dir.join("Cargo.lock"))?;
    let target = ctx.target.join("ppc64le");
    let mut cargo = ctx.cargo();
    cargo.current_dir(dir).args(["build", "--quiet", "--profile", "whole", "--target", TARGET]);
    cargo.arg("--target-dir").arg(&target);
    if let Some(mutant) = mutant {
        cargo.env("RUSTFLAGS", format!("--cfg {}", mutant.cfg()));
    }
    let name = mutant.map_or("ppc64le-build".to_owned(), |mutant| format!("ppc64le-build-{}", mutant.name));
    let run = process::run(ctx, &name, &mut cargo, super::LIMIT)?;
    if !run.ok() {
        return Err(format!("cannot build for {TARGET}:\n{}", process::tail(&run.output, 30)).into());
    }
    Ok(target.join(TARGET).join("whole/libno_std_check.a"))
}
