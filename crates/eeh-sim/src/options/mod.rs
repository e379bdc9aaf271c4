// SPDX-License-Identifier: GPL-2.0-or-later
//! Options that have been checked against the machine that they are for.

pub(crate) mod check;
mod recover;
mod storm;
mod suggest;

use test_utils::topology::{MachineSpec, Synthetic, Topology, synthetic};

use crate::cli::MachineArgs;
use crate::error::SimError;

pub(crate) use recover::{Action, RecoverOptions, What};
pub(crate) use storm::StormOptions;

/// The machine that was asked for; without any, `default`.
pub(crate) fn machine(args: &MachineArgs, default: Synthetic) -> Result<MachineSpec, SimError> {
    if let Some(path) = &args.machine {
        return Ok(Topology::load(path)?);
    }
    let parameters = args.synthetic.map_or(default, |size| Synthetic {
        phbs: size.phbs,
        functions: size.functions,
        seed: size.seed,
    });
    Ok(synthetic(&parameters)?)
}
