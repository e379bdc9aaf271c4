// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask kernel test`: boots guests and runs the cases in them.

use core::time::Duration;
use std::path::PathBuf;
use std::time::Instant;

use comfy_table::{Table, presets};

use super::Options;
use super::boot::{Rig, Wanted};
use super::build::say;
use super::cases::{self, Case, Setup};
use super::guest::Guest;
use super::machine::Machine;
use crate::context::Fallible;
use crate::report::Findings;

/// The log of a whole run, over a slow console.
const SHORT: Duration = Duration::from_secs(120);

/// One row of the table.
struct Row {
    machine: Machine,
    case: &'static str,
    findings: Findings,
    time: Duration,
    log: PathBuf,
}

/// Boots each machine, runs the cases whose name contains one of `only`.
pub(crate) fn run(
    rig: &Rig,
    options: &Options,
    (machines, only, short): (&[Machine], &[String], bool),
) -> Fallible<Findings> {
    let mut rows = Vec::new();
    for machine in machines {
        let (variant, config) = options.kind();
        let setup = Setup { machine: *machine, variant, config, freezes: rig.freezes() };
        let chosen: Vec<&Case> = cases::ALL
            .iter()
            .filter(|case| case.applies(&setup) && (case.short || !short))
            .filter(|case| only.is_empty() || only.iter().any(|part| case.name.contains(part.as_str())))
            .collect();
        on_machine(rig, &setup, &chosen, &mut rows)?;
    }
    println!("{}", table(&rows));
    let mut all = Findings::default();
    for row in rows {
        let name = format!("{} {}", row.machine.name(), row.case);
        let mut findings = row.findings;
        for text in &mut findings.failures {
            *text = format!("{name}: {text}; log {}", row.log.display());
        }
        findings.not_run = findings.not_run.map(|reason| format!("{name}: {reason}"));
        all.notes.extend(findings.not_run.clone().map(|reason| format!("NOT RUN {reason}")));
        all.absorb(findings);
    }
    all.check(all.passed > 0, || "no case ran".to_owned());
    Ok(all)
}

/// Runs the cases of one machine; a guest lives as long as it answers and the cases want the same one.
fn on_machine(rig: &Rig, setup: &Setup, chosen: &[&'static Case], rows: &mut Vec<Row>) -> Fallible<()> {
    let started = Instant::now();
    let mut guest: Option<(Guest, Wanted<'_>)> = None;
    for case in chosen {
        if let Some(reason) = case.lacks(setup) {
            let (time, log) = (Duration::ZERO, PathBuf::new());
            let findings = Findings::not_run(reason);
            rows.push(Row { machine: setup.machine, case: case.name, findings, time, log });
            continue;
        }
        if guest.as_ref().is_none_or(|(_, wanted)| *wanted != case.wanted) {
            drop(guest.take());
            say(started, &format!("boot {} {}", setup.machine.name(), case.wanted.append));
            let name = format!("{}-{}", setup.machine.name(), case.name);
            match rig.guest(&name, setup.machine, case.wanted) {
                Ok(booted) => guest = Some((booted, case.wanted)),
                Err(error) => {
                    let findings = Findings { failures: vec![error.to_string()], ..Findings::default() };
                    let (time, log) = (Duration::ZERO, PathBuf::new());
                    rows.push(Row { machine: setup.machine, case: case.name, findings, time, log });
                    continue;
                }
            }
        }
        let Some((running, _)) = guest.as_mut() else { continue };
        let begun = Instant::now();
        let (findings, alive) = one(running, setup, case);
        let log = running.files.dir.join(format!("{}.log", case.name));
        std::fs::write(&log, running.take_transcript())?;
        let row = Row { machine: setup.machine, case: case.name, findings, time: begun.elapsed(), log };
        say(started, &format!("{:<28} {}", row.case, verdict(&row.findings)));
        rows.push(row);
        if !alive {
            guest = None;
        }
    }
    Ok(())
}

/// One case, and whether the guest answers afterwards.
fn one(guest: &mut Guest, setup: &Setup, case: &Case) -> (Findings, bool) {
    let mut findings = match (case.work)(guest, setup) {
        Ok(findings) => findings,
        Err(error) => Findings { failures: vec![error.to_string()], ..Findings::default() },
    };
    if case.last {
        return (findings, false);
    }
    let alive = match guest.run("complaints", SHORT) {
        Ok(answer) => {
            findings.check(answer.output.is_empty(), || format!("the kernel complained: {}", answer.output));
            // Into the transcript, and out of the next case's sight.
            guest.run("dmesg -c", SHORT).is_ok()
        }
        Err(error) => {
            findings.failures.push(error.to_string());
            false
        }
    };
    (findings, alive)
}

fn verdict(findings: &Findings) -> &'static str {
    match (&findings.not_run, findings.failures.is_empty()) {
        (_, false) => "FAILED",
        (Some(_), true) => "NOT RUN",
        (None, true) => "ok",
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["machine", "case", "verdict", "passed", "failed", "seconds", "what"]);
    for row in rows {
        let what =
            row.findings.failures.first().or(row.findings.not_run.as_ref()).or(row.findings.notes.first());
        let what: String = what.map_or("", String::as_str).chars().take(90).collect();
        table.add_row([
            row.machine.name().to_owned(),
            row.case.to_owned(),
            verdict(&row.findings).to_owned(),
            row.findings.passed.to_string(),
            row.findings.failures.len().to_string(),
            format!("{:.1}", row.time.as_secs_f64()),
            what.replace('\n', " "),
        ]);
    }
    table
}
