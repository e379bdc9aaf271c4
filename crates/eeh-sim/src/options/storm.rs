// SPDX-License-Identifier: GPL-2.0-or-later
//! What `eeh-sim storm` is to do.

use core::time::Duration;

use test_utils::linux::FirmwareKind;
use test_utils::topology::{MachineSpec, Synthetic};

use crate::cli::StormArgs;
use crate::error::SimError;
use crate::storm::Plant;

/// Everything that `storm` needs.
#[derive(Debug)]
pub(crate) struct StormOptions {
    pub(crate) machine: MachineSpec,
    pub(crate) firmware: FirmwareKind,
    /// How long, by the wall clock.
    pub(crate) duration: Duration,
    /// Beside those of the recoveries; at least 1.
    pub(crate) threads: u32,
    pub(crate) seed: u64,
    /// A fault planted on purpose.
    pub(crate) plant: Option<Plant>,
    /// How much slower this program is than usual; at least 1.
    pub(crate) slowdown: u32,
}

/// The machine of a storm that names none.
const MACHINE: Synthetic = Synthetic { phbs: 8, functions: 96, seed: 0 };

impl StormOptions {
    /// Reads or makes up the machine.
    ///
    /// # Errors
    ///
    /// When that is not possible.
    pub(crate) fn new(args: &StormArgs) -> Result<Self, SimError> {
        let StormArgs { machine, platform, seconds, threads, seed, plant, slowdown } = args;
        Ok(Self {
            firmware: super::firmware(*platform, None)?,
            machine: super::machine(machine, MACHINE)?,
            duration: Duration::from_secs(u64::from(*seconds)),
            threads: *threads,
            seed: *seed,
            plant: *plant,
            slowdown: *slowdown,
        })
    }
}
