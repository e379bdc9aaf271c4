// SPDX-License-Identifier: GPL-2.0-or-later
//! `eeh-sim run`: a scenario file, which says what happens to a machine and what must come of it.

mod expect;
mod file;
mod play;
mod read;
mod verbs;

use std::io::Write;
use std::path::{Path, PathBuf};

use test_utils::topology::MachineSpec;

use crate::Verdict;
use crate::cli::RunArgs;
use crate::error::SimError;
use crate::report;

pub(crate) use verbs::VERBS;

/// Plays a scenario, prints log and report, and whether what was expected came.
pub(crate) fn run(args: &RunArgs, out: &mut dyn Write) -> Result<Verdict, SimError> {
    let scenario = read::read(&find(&args.scenario), args.platform)?;
    let (run, texts) = play::play(&scenario)?;
    for line in &run.log {
        writeln!(out, "{line}").map_err(SimError::Output)?;
    }
    report::print(&run, out).map_err(SimError::Output)?;
    let surprises = expect::compare(&scenario, &run, &texts);
    let said = if surprises.is_empty() {
        format!("{}: as expected.", scenario.title)
    } else {
        format!("{}: not as expected:\n  {}", scenario.title, surprises.join("\n  "))
    };
    writeln!(out, "\n{said}").map_err(SimError::Output)?;
    Ok(if surprises.is_empty() { Verdict::Works } else { Verdict::Broken })
}

/// Reads a scenario's text without playing it. No file is opened and no machine is made up: `machine` stands
/// for any that the text asks for.
///
/// # Errors
///
/// What is wrong with the text, and in which line.
pub fn check(text: &str, machine: &MachineSpec) -> Result<(), String> {
    let scenario = read::parse(Path::new("scenario"), text, None, &|_| Ok(machine.clone()));
    scenario.map(|_| ()).map_err(|error| error.to_string())
}

/// The file, or the one with `.toml` behind its name.
fn find(path: &Path) -> PathBuf {
    let with_ending = path.with_added_extension("toml");
    if !path.exists() && with_ending.exists() { with_ending } else { path.to_owned() }
}
