// SPDX-License-Identifier: GPL-2.0-or-later
//! Options that have been checked against the machine that they are for.

pub(crate) mod check;
mod recover;
mod storm;
mod suggest;

use test_utils::linux::FirmwareKind;
use test_utils::opal::Version;
use test_utils::topology::{MachineSpec, Synthetic, Topology, synthetic};

use crate::cli::{FirmwareArg, MachineArgs, PlatformArg};
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

/// The firmware of a platform.
///
/// # Errors
///
/// For one that is not of the platform.
pub(crate) fn firmware(
    platform: PlatformArg,
    firmware: Option<FirmwareArg>,
) -> Result<FirmwareKind, SimError> {
    match (platform, firmware) {
        (PlatformArg::Powernv, None | Some(FirmwareArg::Skiboot)) => Ok(Version::skiboot().into()),
        (PlatformArg::Powernv, Some(FirmwareArg::Ideal)) => Ok(Version::Ideal.into()),
        (PlatformArg::Pseries, None) => Ok(FirmwareKind::pseries()),
        (PlatformArg::Pseries, Some(firmware)) => {
            let firmware = match firmware {
                FirmwareArg::Skiboot => "skiboot",
                FirmwareArg::Ideal => "ideal",
            };
            Err(SimError::Contradiction(
                "--platform pseries".to_owned(),
                format!("--firmware {firmware}"),
                "that is firmware of powernv".to_owned(),
            ))
        }
    }
}
