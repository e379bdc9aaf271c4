// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask hazards`: brings each hazard back and requires that its test notices.

use crate::context::{Context, Fallible, cpus};
use crate::mutants::{self, Flavour};
use crate::process;
use crate::report::Findings;

/// Runs the test of each promise outside the loom models with its switch on.
pub(crate) fn run(ctx: &Context, name: Option<&str>) -> Fallible<Findings> {
    let mut chosen = mutants::promised(ctx)?;
    chosen.retain(|mutant| {
        !mutant.is_loom() && !mutant.is_barrier() && name.is_none_or(|part| mutant.name.contains(part))
    });
    if chosen.is_empty() {
        return Ok(Findings::not_run("no test promises to notice a mutant"));
    }
    let mut findings = Findings::default();
    let results = process::parallel(&chosen, cpus(), |mutant| {
        let cfg = mutant.cfg();
        let how = Flavour { target: None, release: false, flags: "", cfg: Some(&cfg) };
        mutants::kill(ctx, mutant, &how, &[]).map_err(|error| error.to_string())
    });
    for (mutant, result) in chosen.iter().zip(results) {
        match result {
            Ok(_) => {
                findings.passed += 1;
                findings.notes.push(format!("{}: noticed by {}", mutant.name, mutant.file.display()));
            }
            Err(error) => findings.failures.push(error),
        }
    }
    Ok(findings)
}
