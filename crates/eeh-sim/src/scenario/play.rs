// SPDX-License-Identifier: GPL-2.0-or-later
//! Plays a scenario over virtual time.

use core::time::Duration;
use std::collections::BTreeMap;

use test_utils::engine::{Engine, Planned, Run};
use test_utils::linux::{Options, SimLinux};

use super::read::{Scenario, When};
use super::verbs::Deed;
use crate::error::SimError;
use crate::texts::{self, Text};

/// Longer than any recovery.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// Boots the scenario's machine, and does to it what the scenario says. Answers what came of it, and the
/// texts that the scenario wants.
pub(super) fn play(scenario: &Scenario) -> Result<(Run, BTreeMap<Text, String>), SimError> {
    let options = Options {
        firmware: scenario.firmware,
        seed: scenario.seed,
        temperaments: scenario.drivers.clone(),
        params: scenario.params,
        ..Options::default()
    };
    let linux = SimLinux::boot(&scenario.machine, &options)?;
    let start = linux.now();
    let mut engine = Engine::new(&linux).ok_or(SimError::NoVirtualTime)?;
    for (When { phase, after }, _, deed) in &scenario.deeds {
        match (phase, deed.clone()) {
            (None, Deed::Fault(fault)) => engine.plan(Planned { at: start.after(*after), fault }),
            (Some(phase), Deed::Fault(fault)) => engine.plan_in(*phase, *after, fault),
            (phase, deed) => engine.plan_call(*phase, *after, Box::new(move |linux| change(linux, deed))),
        }
    }
    let run = engine.run(start.after(LIMIT))?;
    let texts = scenario.texts.keys().map(|text| (*text, texts::write(*text, &linux))).collect();
    Ok((run, texts))
}

/// Changes a setting of Linux.
fn change(linux: &SimLinux, deed: Deed) {
    match deed {
        Deed::Driver(address, temperament) => linux.set_temperament(address.phb, address.bdf, temperament),
        Deed::Recovery(recovery) => {
            linux.set_parameters(eeh_recovery::Params { recovery, ..linux.parameters() });
        }
        Deed::Fault(_) => {}
    }
}
