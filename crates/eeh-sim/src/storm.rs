// SPDX-License-Identifier: GPL-2.0-or-later
//! `eeh-sim storm`.

use std::io::Write;

use crate::Verdict;
use crate::error::SimError;
use crate::options::StormOptions;

/// Lets the threads loose and prints the counts.
pub(crate) fn run(options: StormOptions, _out: &mut dyn Write) -> Result<Verdict, SimError> {
    let StormOptions { machine, duration, threads, seed } = options;
    drop((machine, duration, threads, seed));
    Err(SimError::NotBuilt("storm"))
}
