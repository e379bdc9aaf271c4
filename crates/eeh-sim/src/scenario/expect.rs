// SPDX-License-Identifier: GPL-2.0-or-later
//! What came, against what was expected.

use std::collections::BTreeMap;

use test_utils::engine::{RecoveryReport, Run};

use super::read::{Expected, Scenario, end, outcome};
use crate::texts::Text;

/// What is not as expected, a line each.
pub(super) fn compare(scenario: &Scenario, run: &Run, texts: &BTreeMap<Text, String>) -> Vec<String> {
    let mut surprises = Vec::new();
    let exit = u8::from(!run.all_work());
    if exit != scenario.exit {
        surprises.push(format!("exit: {} expected, {exit} found", scenario.exit));
    }
    if run.timed_out {
        surprises.push("the machine never came to rest".to_owned());
    }
    surprises.extend(run.missed.iter().map(ToString::to_string));
    recoveries(scenario, run, &mut surprises);
    if let Some(expected) = &scenario.lit {
        let found: Vec<String> = run.lit.iter().map(|(phb, bus)| format!("{phb:04x}:{bus:02x}")).collect();
        if found != *expected {
            surprises.push(format!("lit: {expected:?} expected, {found:?} found"));
        }
    }
    let lines: Vec<&str> = run.log.iter().map(|line| line.text.as_str()).collect();
    in_order("log", &scenario.log, &lines, &mut surprises);
    for part in &scenario.not_in_log {
        if let Some(line) = lines.iter().find(|line| line.contains(part.as_str())) {
            surprises.push(format!("log: `{line}` is there"));
        }
    }
    for (text, parts) in &scenario.texts {
        let lines: Vec<&str> = texts.get(text).map(|text| text.lines().collect()).unwrap_or_default();
        in_order(&format!("{text:?}"), parts, &lines, &mut surprises);
    }
    for (address, expected) in &scenario.devices {
        match run.device(address.phb, address.bdf) {
            None => surprises.push(format!("{address}: there is no such device")),
            Some(device) => {
                let found = Expected {
                    outcome: outcome(device.fate).to_owned(),
                    resets: expected.resets.map(|_| device.resets.0),
                    driver: expected.driver.as_ref().and(device.driver.clone()),
                };
                if found != *expected {
                    surprises.push(format!("{address}: {} expected, {} found", show(expected), show(&found)));
                }
            }
        }
    }
    surprises
}

fn show(device: &Expected) -> String {
    let resets = device.resets.map(|resets| format!(", {resets} resets")).unwrap_or_default();
    let driver = device.driver.as_ref().map(|driver| format!(", {driver}")).unwrap_or_default();
    format!("{}{resets}{driver}", device.outcome)
}

fn recoveries(scenario: &Scenario, run: &Run, surprises: &mut Vec<String>) {
    let Some(expected) = &scenario.recoveries else { return };
    let found: Vec<String> = run.recoveries.iter().map(recovery).collect();
    if found != *expected {
        surprises.push(format!("recoveries: {expected:?} expected, {found:?} found"));
    }
}

fn recovery(report: &RecoveryReport) -> String {
    let end = report.ended.map_or("running", |(_, outcome)| end(outcome));
    match report.pe {
        Some(pe) => format!("PHB#{:x}-PE#{pe} {end}", report.phb),
        None => format!("PHB#{:x} {end}", report.phb),
    }
}

/// Parts of lines come in their order; between them may be others.
fn in_order(name: &str, parts: &[String], lines: &[&str], surprises: &mut Vec<String>) {
    let mut rest = lines.iter();
    for part in parts {
        if !rest.any(|line| line.contains(part.as_str())) {
            let early = lines.iter().any(|line| line.contains(part.as_str()));
            let how = if early { "came too early" } else { "is missing" };
            surprises.push(format!("{name}: `{part}` {how}"));
            return;
        }
    }
}
