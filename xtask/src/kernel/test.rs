// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask kernel test`: boots guests and runs the cases in them.

use core::time::Duration;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use comfy_table::{Table, presets};

use super::Options;
use super::boot::{Rig, Wanted};
use super::build::say;
use super::cases::{self, Case, Setup};
use super::guest::Guest;
use super::machine::Machine;
use crate::context::{Context, Fallible};
use crate::figures;
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

/// Which cases run, and where.
#[derive(Args)]
pub(crate) struct Choice {
    /// The machine; powernv10 if not given (may be repeated)
    #[arg(long, value_enum)]
    machine: Vec<Machine>,
    /// Only cases whose name contains this (may be repeated)
    #[arg(long)]
    only: Vec<String>,
    /// The short part, which CI runs
    #[arg(long, conflicts_with = "only")]
    short: bool,
    /// Writes the results into docs/verification.md
    #[arg(long, conflicts_with_all = ["only", "short"])]
    record: bool,
}

/// Boots each machine, and runs the cases that were chosen.
pub(crate) fn run(ctx: &Context, rig: &Rig, options: &Options, choice: &Choice) -> Fallible<Findings> {
    let Choice { machine, only, short, record } = choice;
    let machines = if machine.is_empty() { &[Machine::Powernv10][..] } else { machine };
    let mut rows = Vec::new();
    for machine in machines {
        let (variant, config) = options.kind();
        let setup = Setup { machine: *machine, variant, config, freezes: rig.freezes() };
        let chosen: Vec<&Case> = cases::ALL
            .iter()
            .filter(|case| case.applies(&setup) && (case.short || !*short))
            .filter(|case| only.is_empty() || only.iter().any(|part| case.name.contains(part.as_str())))
            .collect();
        on_machine(rig, &setup, &chosen, &mut rows)?;
    }
    println!("{}", table(&rows));
    if *record {
        for machine in machines {
            let machine = machine.name();
            let ran: Vec<Vec<String>> =
                rows.iter().filter(|row| row.machine.name() == machine).map(recorded).collect();
            let command = format!("kernel test --machine {machine} --config {}", options.config.name());
            figures::record(ctx, &command, &ran)?;
        }
    }
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

/// What a case did, in few words: why it failed or did not run, else what it noted.
fn what(findings: &Findings) -> String {
    let what = findings.failures.first().or(findings.not_run.as_ref()).or(findings.notes.first());
    what.map_or("", String::as_str).chars().take(90).collect::<String>().replace('\n', " ")
}

/// A row of the document.
fn recorded(row: &Row) -> Vec<String> {
    let Row { case, findings, time, .. } = row;
    let seconds = format!("{:.0}", time.as_secs_f64());
    vec![case.to_string(), verdict(findings).to_owned(), findings.passed.to_string(), seconds, what(findings)]
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["machine", "case", "verdict", "passed", "failed", "seconds", "what"]);
    for row in rows {
        table.add_row([
            row.machine.name().to_owned(),
            row.case.to_owned(),
            verdict(&row.findings).to_owned(),
            row.findings.passed.to_string(),
            row.findings.failures.len().to_string(),
            format!("{:.1}", row.time.as_secs_f64()),
            what(&row.findings),
        ]);
    }
    table
}
