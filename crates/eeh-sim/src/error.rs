// SPDX-License-Identifier: GPL-2.0-or-later
//! Why a command could not do its work: each of these ends the program with 2.

use std::io;
use std::path::PathBuf;

use test_utils::engine::Stalled;
use test_utils::linux::BootError;
use test_utils::topology::{PciAddress, SyntheticError, TopologyError};

/// Wrong input, wrong options, or no way to write the result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SimError {
    /// The machine cannot be read.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The machine cannot be made up.
    #[error("--synthetic: {0}")]
    Synthetic(#[from] SyntheticError),
    /// An option names a device that the machine does not have.
    #[error("{option}: there is no device {address} in this machine; {hint}")]
    NoDevice {
        /// Which option.
        option: &'static str,
        /// What it names.
        address: PciAddress,
        /// What there is instead.
        hint: String,
    },
    /// An option names a PHB that the machine does not have.
    #[error("{option}: there is no PHB {phb:x} in this machine; {hint}")]
    NoPhb {
        /// Which option.
        option: &'static str,
        /// What it names.
        phb: u32,
        /// What there is instead.
        hint: String,
    },
    /// An option asks of a device what that device cannot do.
    #[error("{option}: {address} {reason}")]
    Unfit {
        /// Which option.
        option: &'static str,
        /// The device.
        address: PciAddress,
        /// Why not.
        reason: String,
    },
    /// Two options exclude each other.
    #[error("{0} and {1} contradict each other: {2}")]
    Contradiction(String, String, String),
    /// The machine does not boot.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The simulation makes no progress.
    #[error(transparent)]
    Stalled(#[from] Stalled),
    /// The machine has a real clock where an engine wants to move time.
    #[error("the machine has no virtual time")]
    NoVirtualTime,
    /// A scenario file cannot be read.
    #[error("{}: expected a scenario file, found {source}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A scenario file is wrong.
    #[error("{}:{line}: {message}", .path.display())]
    Scenario {
        /// Which.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What was expected, and what is there.
        message: String,
    },
    /// A file cannot be written.
    #[error("{}: expected a file that can be written, found {source}", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The result cannot be printed.
    #[error("standard output: {0}")]
    Output(#[source] io::Error),
}
