// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask hazards`: brings each hazard back and requires that its test notices.

use std::time::Instant;

use crate::context::{Context, Fallible, cpus};
use crate::figures;
use crate::mutants::{self, Flavour};
use crate::process;
use crate::report::Findings;

/// Which, and what of it is written down.
#[derive(clap::Args, Clone, Default)]
pub(crate) struct Options {
    /// Only mutants whose name contains this
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Writes the figures into docs/verification.md
    #[arg(long, conflicts_with = "name")]
    pub(crate) record: bool,
}

/// Runs the test of each promise outside the loom models with its switch on.
pub(crate) fn run(ctx: &Context, options: &Options) -> Fallible<Findings> {
    let started = Instant::now();
    let mut chosen = mutants::promised(ctx)?;
    chosen.retain(|mutant| {
        !mutant.is_loom()
            && !mutant.is_barrier()
            && options.name.as_ref().is_none_or(|part| mutant.name.contains(part))
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
    if options.record {
        let counts = [chosen.len(), findings.passed].map(|count| count.to_string());
        let seconds = started.elapsed().as_secs().to_string();
        let row = ["hazards".to_owned()].into_iter().chain(counts).chain([seconds]).collect();
        figures::record(ctx, "hazards", &[row])?;
    }
    Ok(findings)
}
