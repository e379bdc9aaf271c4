// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask stores`: checks write to no memory that CPUs share.

use core::time::Duration;
use std::path::Path;
use std::process::Command;

use crate::context::{Context, Fallible};
use crate::loom;
use crate::mutants::{self, Flavour};
use crate::process;
use crate::report::Findings;

/// Runs the test that needs eeh-pe to record its stores.
pub(crate) fn run(ctx: &Context) -> Fallible<Findings> {
    let how = Flavour { target: None, release: false, flags: "", cfg: Some("eeh_stores") };
    let program = mutants::build(ctx, "benches", Path::new("benches/tests/no_shared_store.rs"), &how)?;
    let mut command = Command::new(&program.path);
    command.current_dir(&program.dir).env("RUST_BACKTRACE", "0");
    let run = process::run(ctx, "stores", &mut command, Duration::from_secs(120))?;
    let passed = loom::counted(&run.output);
    let mut findings = Findings { passed, ..Findings::default() };
    if !run.ok() || passed == 0 {
        findings.failures.push(process::tail(&run.output, 30));
    }
    Ok(findings)
}
