// SPDX-License-Identifier: GPL-2.0-or-later
//! A scenario file as it is written: TOML.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::cli::{FirmwareArg, PlatformArg};
use crate::texts::Text;

/// The whole file.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// What it shows, in one line.
    pub(super) title: String,
    /// A dump of a real machine; from the directory of the file.
    pub(super) machine: Option<Spanned<String>>,
    /// A machine made up, as for `--synthetic`.
    pub(super) synthetic: Option<Spanned<String>>,
    pub(super) platform: Option<Spanned<PlatformArg>>,
    pub(super) firmware: Option<Spanned<FirmwareArg>>,
    #[serde(default)]
    pub(super) seed: u64,
    /// Devices that have Function Level Reset by an Advanced Features capability, and their virtual functions
    /// by that only.
    #[serde(default)]
    pub(super) advanced_features: Vec<Spanned<String>>,
    /// Devices and how their drivers behave.
    #[serde(default)]
    pub(super) drivers: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    pub(super) params: Params,
    #[serde(default)]
    pub(super) action: Vec<Action>,
    pub(super) expect: Expect,
}

/// Parameters of recovery that depart from the default.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    pub(super) max_freezes: Option<u32>,
    pub(super) recovery: Option<bool>,
    pub(super) early_log: Option<bool>,
    pub(super) job_limit: Option<Spanned<String>>,
    pub(super) add_back_pause: Option<Spanned<String>>,
}

/// Something that is done.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Action {
    /// A verb and what it is done to.
    #[serde(rename = "do")]
    pub(super) what: Spanned<String>,
    /// When: after the machine is up, or after the phase was entered.
    pub(super) at: Option<Spanned<String>>,
    /// As soon as a recovery enters this phase; with `request` before it, as soon as something does that an
    /// owner, a driver or an administrator asked for, which has the same phases.
    #[serde(rename = "in")]
    pub(super) phase: Option<Spanned<String>>,
}

/// What must come of it.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// As of `eeh-sim recover`: 0 every device works, 1 one does not.
    pub(super) exit: Spanned<u8>,
    /// The recoveries in the order of their beginning, all of them, as `PHB#2-PE#fb recovered`.
    pub(super) recoveries: Option<Vec<Spanned<String>>>,
    /// Parts of lines of the log, in this order.
    #[serde(default)]
    pub(super) log: Vec<String>,
    /// What no line of the log contains.
    #[serde(default)]
    pub(super) not_in_log: Vec<String>,
    /// The slots whose attention indicator is lit at the end, all of them, as `0002:03`.
    pub(super) lit: Option<Vec<String>>,
    /// Parts of lines of Linux's texts at the end, in this order.
    #[serde(default)]
    pub(super) texts: BTreeMap<Text, Vec<String>>,
    #[serde(default)]
    pub(super) devices: BTreeMap<Spanned<String>, Device>,
}

/// What must become of a device.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Device {
    /// One of the words of the report.
    pub(super) outcome: Spanned<String>,
    /// Resets that it has seen.
    pub(super) resets: Option<u32>,
    /// Its driver at the end.
    pub(super) driver: Option<String>,
}
