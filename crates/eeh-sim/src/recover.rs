// SPDX-License-Identifier: GPL-2.0-or-later
//! `eeh-sim recover`.

use std::io::Write;

use crate::Verdict;
use crate::error::SimError;
use crate::options::{Action, RecoverOptions, What};

/// Does what the options say and prints the log.
pub(crate) fn run(options: RecoverOptions, _out: &mut dyn Write) -> Result<Verdict, SimError> {
    let RecoverOptions { machine, actions, drivers, firmware, seed, trace } = options;
    let plan: Vec<(core::time::Duration, What)> =
        actions.iter().map(|Action { at, what }| (*at, *what)).collect();
    drop((machine, plan, drivers, firmware, seed, trace));
    Err(SimError::NotBuilt("recover"))
}
