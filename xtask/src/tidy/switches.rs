// SPDX-License-Identifier: GPL-2.0-or-later
//! Every mutant has a test that promises to notice it, and every promise a mutant.

use crate::context::{Context, Fallible};
use crate::mutants;
use crate::report::Findings;

pub(super) fn check(ctx: &Context) -> Fallible<Findings> {
    let mut findings = Findings::default();
    let promised = mutants::promised(ctx)?;
    let switches = mutants::switches(ctx)?;
    for (name, file) in &switches {
        findings.check(promised.iter().any(|mutant| mutant.name == *name), || {
            format!("{}: no test promises to notice mutant {name}", file.display())
        });
    }
    for mutant in &promised {
        findings.check(switches.iter().any(|(name, _)| *name == mutant.name), || {
            format!("{}: there is no mutant {}", mutant.file.display(), mutant.name)
        });
    }
    Ok(findings)
}
