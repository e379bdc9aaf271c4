// SPDX-License-Identifier: GPL-2.0-or-later
//! What came, against what was expected.

use test_utils::engine::{RecoveryReport, Run};

use super::read::{Expected, Scenario, end, outcome};

/// What is not as expected, a line each.
pub(super) fn compare(scenario: &Scenario, run: &Run) -> Vec<String> {
    let mut surprises = Vec::new();
    let exit = u8::from(!run.all_work());
    if exit != scenario.exit {
        surprises.push(format!("exit: {} expected, {exit} found", scenario.exit));
    }
    if run.timed_out {
        surprises.push("the machine never came to rest".to_owned());
    }
    surprises.extend(run.missed.iter().map(|phase| format!("no recovery came to {phase:?}")));
    recoveries(scenario, run, &mut surprises);
    log(scenario, run, &mut surprises);
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
fn log(scenario: &Scenario, run: &Run, surprises: &mut Vec<String>) {
    let mut lines = run.log.iter();
    for part in &scenario.log {
        if !lines.any(|line| line.text.contains(part.as_str())) {
            let early = run.log.iter().any(|line| line.text.contains(part.as_str()));
            let how = if early { "came too early" } else { "is missing" };
            surprises.push(format!("log: `{part}` {how}"));
            return;
        }
    }
    for part in &scenario.not_in_log {
        if let Some(line) = run.log.iter().find(|line| line.text.contains(part.as_str())) {
            surprises.push(format!("log: `{}` is there", line.text));
        }
    }
}
