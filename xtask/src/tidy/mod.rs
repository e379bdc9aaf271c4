// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask tidy`: rules of the house that no other tool checks.

mod docs;
mod evidence;
mod files;
mod graph;
mod shipping;
mod switches;

use crate::context::{Context, Fallible};
use crate::report::Findings;

/// Checks all rules.
pub(crate) fn run(ctx: &Context) -> Fallible<Findings> {
    let mut findings = Findings::default();
    findings.absorb(files::check(ctx)?);
    findings.absorb(graph::check(ctx)?);
    findings.absorb(shipping::check(ctx)?);
    findings.absorb(switches::check(ctx)?);
    findings.absorb(docs::check(ctx)?);
    findings.absorb(evidence::check(ctx)?);
    Ok(findings)
}
