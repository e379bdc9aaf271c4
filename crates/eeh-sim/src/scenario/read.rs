// SPDX-License-Identifier: GPL-2.0-or-later
//! From a file to a scenario that fits its machine, or to what is wrong with it and in which line.

use core::fmt;
use core::ops::Range;
use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use eeh_recovery::{Params, Phase};
use test_utils::drivers::{Temperament, parse_duration};
use test_utils::engine::{Fate, Within};
use test_utils::linux::FirmwareKind;
use test_utils::topology::{FunctionSpec, MachineSpec, PciAddress, Synthetic};
use toml::Spanned;

use super::file::{Action, Device, File};
use super::verbs::{self, Deed};
use crate::cli::{MachineArgs, PlatformArg, Size};
use crate::error::SimError;
use crate::options::{self, check, machine};
use crate::texts::Text;

/// When something is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct When {
    /// As soon as this phase is entered; `None`: when the machine is up.
    pub(super) phase: Option<Within>,
    /// So long after that.
    pub(super) after: Duration,
}

/// What must become of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Expected {
    pub(super) outcome: String,
    pub(super) resets: Option<u32>,
    pub(super) driver: Option<String>,
}

/// A scenario of which all is possible.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) title: String,
    pub(super) machine: MachineSpec,
    pub(super) firmware: FirmwareKind,
    pub(super) seed: u64,
    pub(super) drivers: BTreeMap<PciAddress, Temperament>,
    pub(super) params: Params,
    pub(super) deeds: Vec<(When, String, Deed)>,
    pub(super) exit: u8,
    pub(super) recoveries: Option<Vec<String>>,
    pub(super) log: Vec<String>,
    pub(super) not_in_log: Vec<String>,
    pub(super) lit: Option<Vec<String>>,
    pub(super) texts: BTreeMap<Text, Vec<String>>,
    pub(super) devices: BTreeMap<PciAddress, Expected>,
}

/// Where in the file something is wrong.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn wrong(&self, span: Range<usize>, message: impl fmt::Display) -> SimError {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        SimError::Scenario { path: self.path.to_owned(), line, message: message.to_string() }
    }

    /// Reads a value with `FromStr`.
    fn parse<T: core::str::FromStr<Err: fmt::Display>>(
        &self,
        value: &Spanned<String>,
    ) -> Result<T, SimError> {
        value.get_ref().parse().map_err(|error: T::Err| self.wrong(value.span(), error))
    }

    fn duration(&self, value: &Spanned<String>) -> Result<Duration, SimError> {
        parse_duration(value.get_ref()).map_err(|error| self.wrong(value.span(), error))
    }
}

/// Where the machine of a scenario comes from.
type Loader<'a> = dyn Fn(&MachineArgs) -> Result<MachineSpec, SimError> + 'a;

/// Reads a scenario and checks it against its machine, and against the platform that it must be for.
pub(super) fn read(path: &Path, platform: Option<PlatformArg>) -> Result<Scenario, SimError> {
    let text = fs::read_to_string(path).map_err(|source| SimError::Read { path: path.to_owned(), source })?;
    parse(path, &text, platform, &|args| machine(args, Synthetic { phbs: 1, functions: 1, seed: 0 }))
}

/// The same of a text, which `path` is the name of in messages, and of a machine that `loader` finds.
pub(super) fn parse(
    path: &Path,
    text: &str,
    platform: Option<PlatformArg>,
    loader: &Loader<'_>,
) -> Result<Scenario, SimError> {
    let source = Source { path, text };
    let file: File = toml::from_str(text)
        .map_err(|error| source.wrong(error.span().unwrap_or_default(), error.message()))?;
    let firmware = firmware(&source, &file, platform)?;
    let mut machine = load(&source, &file, loader)?;
    advanced_features(&source, &mut machine, &file)?;
    let machine = machine;
    let params = params(&source, &file)?;
    let drivers = drivers(&source, &machine, &file)?;
    let deeds = file.action.iter().map(|action| deed(&source, &machine, action));
    let deeds = deeds.collect::<Result<_, _>>()?;
    let devices = file.expect.devices.iter().map(|(key, device)| expected(&source, &machine, key, device));
    let devices = devices.collect::<Result<_, _>>()?;
    let exit = *file.expect.exit.get_ref();
    if exit > 1 {
        return Err(source.wrong(file.expect.exit.span(), format!("exit: 0 or 1 is expected, found {exit}")));
    }
    let recoveries = match &file.expect.recoveries {
        Some(all) => Some(all.iter().map(|one| recovery(&source, one)).collect::<Result<_, _>>()?),
        None => None,
    };
    Ok(Scenario {
        title: file.title,
        machine,
        firmware,
        seed: file.seed,
        drivers,
        params,
        deeds,
        exit,
        recoveries,
        log: file.expect.log,
        not_in_log: file.expect.not_in_log,
        lit: file.expect.lit,
        texts: file.expect.texts,
        devices,
    })
}

/// The firmware of the platform.
fn firmware(source: &Source<'_>, file: &File, wanted: Option<PlatformArg>) -> Result<FirmwareKind, SimError> {
    let named = file.platform.as_ref();
    let platform = named.map_or(PlatformArg::Powernv, |platform| *platform.get_ref());
    if wanted.is_some_and(|wanted| wanted != platform) {
        let span = named.map_or(0..0, Spanned::span);
        let message = "platform: --platform contradicts the scenario, which is for the other one";
        return Err(source.wrong(span, message));
    }
    let firmware = file.firmware.as_ref();
    options::firmware(platform, firmware.map(|firmware| *firmware.get_ref())).map_err(|_| {
        let span = firmware.map_or(0..0, Spanned::span);
        source.wrong(span, "firmware: that of pseries cannot be chosen")
    })
}

fn load(source: &Source<'_>, file: &File, loader: &Loader<'_>) -> Result<MachineSpec, SimError> {
    let (args, span) = match (&file.machine, &file.synthetic) {
        (Some(path), None) => {
            let directory = source.path.parent().unwrap_or(Path::new(""));
            let machine = Some(directory.join(path.get_ref()));
            (MachineArgs { machine, synthetic: None }, path.span())
        }
        (None, Some(size)) => {
            (MachineArgs { machine: None, synthetic: Some(source.parse::<Size>(size)?) }, size.span())
        }
        (Some(_), Some(size)) => {
            return Err(source.wrong(size.span(), "machine and synthetic: only one of them is expected"));
        }
        (None, None) => return Err(source.wrong(0..0, "machine or synthetic is expected")),
    };
    loader(&args).map_err(|error| source.wrong(span, error))
}

fn advanced_features(source: &Source<'_>, machine: &mut MachineSpec, file: &File) -> Result<(), SimError> {
    for key in &file.advanced_features {
        let at: PciAddress = source.parse(key)?;
        check::function(machine, "advanced_features", at).map_err(|error| source.wrong(key.span(), error))?;
        let phb = machine.phbs.iter_mut().find(|phb| phb.number == at.phb);
        let function = phb.and_then(|phb| phb.functions.iter_mut().find(|function| function.bdf == at.bdf));
        if !function.is_some_and(FunctionSpec::add_advanced_features) {
            return Err(source.wrong(key.span(), format!("{at} has no room for another capability")));
        }
    }
    Ok(())
}

fn params(source: &Source<'_>, file: &File) -> Result<Params, SimError> {
    let mut params = Params::default();
    let given = &file.params;
    params.max_freezes = given.max_freezes.unwrap_or(params.max_freezes);
    params.recovery = given.recovery.unwrap_or(params.recovery);
    params.early_log = given.early_log.unwrap_or(params.early_log);
    if let Some(limit) = &given.job_limit {
        params.job_limit = source.duration(limit)?;
    }
    if let Some(pause) = &given.add_back_pause {
        params.add_back_pause = source.duration(pause)?;
    }
    Ok(params)
}

fn drivers(
    source: &Source<'_>,
    machine: &MachineSpec,
    file: &File,
) -> Result<BTreeMap<PciAddress, Temperament>, SimError> {
    let mut drivers = BTreeMap::new();
    for (key, words) in &file.drivers {
        let address: PciAddress = source.parse(key)?;
        check::driver(machine, "drivers", address).map_err(|error| source.wrong(key.span(), error))?;
        drivers.insert(address, source.parse(words)?);
    }
    Ok(drivers)
}

fn deed(
    source: &Source<'_>,
    machine: &MachineSpec,
    action: &Action,
) -> Result<(When, String, Deed), SimError> {
    let text = action.what.get_ref();
    let deed = verbs::parse(machine, text).map_err(|error| source.wrong(action.what.span(), error))?;
    let phase = match &action.phase {
        Some(name) => Some(phase(name.get_ref()).map_err(|error| source.wrong(name.span(), error))?),
        None => None,
    };
    let after = action.at.as_ref().map_or(Ok(Duration::ZERO), |at| source.duration(at))?;
    Ok((When { phase, after }, text.clone(), deed))
}

fn phase(words: &str) -> Result<Within, String> {
    let (name, within): (_, fn(Phase) -> Within) = match words.split_once(' ') {
        Some(("request", name)) => (name.trim(), Within::Request),
        Some(("job", name)) => (name.trim(), Within::Job),
        _ => (words, Within::Recovery),
    };
    Phase::ALL.into_iter().find(|phase| format!("{phase:?}") == name).map(within).ok_or_else(|| {
        let all: Vec<String> = Phase::ALL.iter().map(|phase| format!("{phase:?}")).collect();
        let all = all.join(", ");
        format!("in: there is no phase `{words}`; there are, also behind `request` and `job`, {all}")
    })
}

/// The words for what becomes of a device.
const OUTCOMES: [&str; 5] = ["untouched", "works again", "failed", "removed", "added"];

/// The word for what became of a device.
pub(super) const fn outcome(fate: Fate) -> &'static str {
    match fate {
        Fate::Untouched => OUTCOMES[0],
        Fate::WorksAgain => OUTCOMES[1],
        Fate::Failed(_) => OUTCOMES[2],
        Fate::Removed => OUTCOMES[3],
        Fate::Added => OUTCOMES[4],
    }
}

fn expected(
    source: &Source<'_>,
    machine: &MachineSpec,
    key: &Spanned<String>,
    device: &Device,
) -> Result<(PciAddress, Expected), SimError> {
    let address: PciAddress = source.parse(key)?;
    check::function(machine, "expect", address).map_err(|error| source.wrong(key.span(), error))?;
    let outcome = device.outcome.get_ref().clone();
    if !OUTCOMES.contains(&outcome.as_str()) {
        let message = format!("there is no outcome `{outcome}`; there are {}", OUTCOMES.join(", "));
        return Err(source.wrong(device.outcome.span(), message));
    }
    Ok((address, Expected { outcome, resets: device.resets, driver: device.driver.clone() }))
}

/// How recoveries end.
const ENDS: [&str; 5] = ["recovered", "failed", "gone", "cancelled", "fenced"];

/// The word for how a recovery ended.
pub(super) const fn end(outcome: eeh_recovery::Outcome) -> &'static str {
    use eeh_recovery::Outcome;
    match outcome {
        Outcome::Recovered => ENDS[0],
        Outcome::Failed => ENDS[1],
        Outcome::Gone => ENDS[2],
        Outcome::Cancelled => ENDS[3],
        Outcome::Fenced => ENDS[4],
    }
}

fn recovery(source: &Source<'_>, text: &Spanned<String>) -> Result<String, SimError> {
    let ends = text.get_ref().rsplit_once(' ').is_some_and(|(_, end)| ENDS.contains(&end));
    if !ends || !text.get_ref().starts_with("PHB#") {
        let message = format!(
            "`PHB#2-PE#fb recovered` or the like is expected, with {}; found `{}`",
            ENDS.join(", "),
            text.get_ref()
        );
        return Err(source.wrong(text.span(), message));
    }
    Ok(text.get_ref().clone())
}
