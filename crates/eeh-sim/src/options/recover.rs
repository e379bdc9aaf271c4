// SPDX-License-Identifier: GPL-2.0-or-later
//! What `eeh-sim recover` is to do.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use test_utils::drivers::{Temperament, show_duration};
use test_utils::linux::FirmwareKind;
use test_utils::topology::{MachineSpec, PciAddress, Synthetic};

use super::check;
use crate::cli::{At, RecoverArgs};
use crate::error::SimError;
use crate::texts::Text;

/// Everything that `recover` needs, and all of it possible.
#[derive(Debug)]
pub(crate) struct RecoverOptions {
    pub(crate) machine: MachineSpec,
    /// What is done to the machine, by time.
    pub(crate) actions: Vec<Action>,
    /// Drivers that depart from the table.
    pub(crate) drivers: BTreeMap<PciAddress, Temperament>,
    pub(crate) firmware: FirmwareKind,
    pub(crate) seed: u64,
    /// Texts to print at the end.
    pub(crate) texts: Vec<Text>,
    /// Whether lines of the log tell their recovery.
    pub(crate) ids: bool,
    pub(crate) early_log: bool,
    /// Where the trace goes; the file has been created.
    pub(crate) trace: Option<(PathBuf, fs::File)>,
}

/// Something that is done to the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Action {
    /// After the machine is up.
    pub(crate) at: Duration,
    pub(crate) what: What,
}

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// A load of the device is not answered.
    Break(PciAddress),
    /// The PHB is fenced.
    Fence(u32),
    /// The PHB dies.
    Kill(u32),
    /// The device is taken away with all below it.
    Remove(PciAddress),
}

impl What {
    const fn option(self) -> &'static str {
        match self {
            Self::Break(_) => "--break",
            Self::Fence(_) => "--fence",
            Self::Kill(_) => "--kill",
            Self::Remove(_) => "--remove",
        }
    }

    const fn phb(self) -> u32 {
        match self {
            Self::Break(address) | Self::Remove(address) => address.phb,
            Self::Fence(phb) | Self::Kill(phb) => phb,
        }
    }
}

impl core::fmt::Display for Action {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (option, at) = (self.what.option(), show_duration(self.at));
        match self.what {
            What::Break(address) | What::Remove(address) => write!(f, "{option} {address}@{at}"),
            What::Fence(phb) | What::Kill(phb) => write!(f, "{option} {phb:x}@{at}"),
        }
    }
}

impl RecoverOptions {
    /// Reads the machine and checks the options against it.
    ///
    /// # Errors
    ///
    /// For a machine that cannot be read, devices that it does not have, options that exclude each
    /// other, a trace file that cannot be written.
    pub(crate) fn new(args: RecoverArgs) -> Result<Self, SimError> {
        let firmware = super::firmware(args.platform, args.firmware)?;
        let machine = super::machine(&args.machine, Synthetic { phbs: 1, functions: 1, seed: 0 })?;
        let mut actions = Vec::new();
        actions.extend(args.breaks.iter().map(|at| action(at, What::Break(at.what))));
        actions.extend(args.fences.iter().map(|at| action(at, What::Fence(at.what.0))));
        actions.extend(args.kills.iter().map(|at| action(at, What::Kill(at.what.0))));
        for at in &args.removes {
            if at.time.is_none() {
                let reason = "needs a moment, as in --remove 0002:03:00.0@500ms".to_owned();
                return Err(SimError::Unfit { option: "--remove", address: at.what, reason });
            }
            actions.push(action(at, What::Remove(at.what)));
        }
        actions.sort_by_key(|action| action.at);
        for action in &actions {
            check_action(&machine, action.what)?;
        }
        contradictions(&machine, &actions)?;
        let mut drivers = BTreeMap::new();
        for driver in args.drivers {
            check::driver(&machine, "--driver", driver.address)?;
            if drivers.insert(driver.address, driver.temperament).is_some() {
                let reason = "has two temperaments; one with commas between its words is meant".to_owned();
                return Err(SimError::Unfit { option: "--driver", address: driver.address, reason });
            }
        }
        let trace = args.trace.map(|path| create(&path).map(|file| (path, file))).transpose()?;
        let RecoverArgs { seed, texts, ids, early_log, .. } = args;
        Ok(Self { machine, actions, drivers, firmware, seed, texts, ids, early_log, trace })
    }
}

fn action<T>(at: &At<T>, what: What) -> Action {
    Action { at: at.time.unwrap_or_default(), what }
}

fn create(path: &Path) -> Result<fs::File, SimError> {
    let wrong = |source: io::Error| SimError::Write { path: path.to_owned(), source };
    fs::File::create(path).map_err(wrong)
}

/// The machine has what the action is about.
fn check_action(machine: &MachineSpec, what: What) -> Result<(), SimError> {
    let option = what.option();
    match what {
        What::Fence(phb) | What::Kill(phb) => check::phb(machine, option, phb),
        What::Remove(address) => check::function(machine, option, address).map(drop),
        What::Break(address) => check::breakable(machine, option, address),
    }
}

/// Nothing happens to what is dead or gone, and nothing twice at one moment.
fn contradictions(machine: &MachineSpec, actions: &[Action]) -> Result<(), SimError> {
    let contradiction = |a: &Action, b: &Action, reason: &str| {
        Err(SimError::Contradiction(a.to_string(), b.to_string(), reason.to_owned()))
    };
    for (index, earlier) in actions.iter().enumerate() {
        for later in actions.iter().skip(index + 1) {
            if earlier == later {
                return contradiction(earlier, later, "the same twice");
            }
            let (first, second) = order(earlier, later);
            match (first.what, second.what) {
                (What::Kill(dead), other) if other.phb() == dead => {
                    return contradiction(first, second, "a PHB that is dead is past that");
                }
                (What::Remove(gone), What::Break(address) | What::Remove(address))
                    if is_below(machine, address, gone) =>
                {
                    return contradiction(first, second, "the device is gone by then");
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// At one moment, what ends something comes first.
fn order<'a>(earlier: &'a Action, later: &'a Action) -> (&'a Action, &'a Action) {
    let ends = |action: &Action| match action.what {
        What::Kill(_) => 0,
        What::Remove(_) => 1,
        What::Break(_) | What::Fence(_) => 2,
    };
    if earlier.at == later.at && ends(later) < ends(earlier) { (later, earlier) } else { (earlier, later) }
}

/// Whether a device is the other, or below that bridge.
fn is_below(machine: &MachineSpec, address: PciAddress, top: PciAddress) -> bool {
    let Some(phb) = machine.phb(address.phb).filter(|_| address.phb == top.phb) else { return false };
    let mut at = address.bdf;
    loop {
        if at == top.bdf {
            return true;
        }
        match phb.parent_of(at) {
            Some(bridge) => at = bridge.bdf,
            None => return false,
        }
    }
}
