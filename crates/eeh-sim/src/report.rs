// SPDX-License-Identifier: GPL-2.0-or-later
//! What `eeh-sim recover` says after the log.

use core::time::Duration;
use std::io::{self, Write};

use comfy_table::{Table, presets};
use eeh_pe::Time;
use eeh_recovery::{Outcome, Wait};
use test_utils::engine::{DeviceReport, Fate, Pause, RecoveryReport, Run};
use test_utils::topology::PciAddress;

/// What became of the devices, then how long each recovery took.
pub(crate) fn print(run: &Run, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    let (touched, rest): (Vec<_>, Vec<_>) = run.devices.iter().partition(|d| d.fate != Fate::Untouched);
    if !touched.is_empty() {
        writeln!(out, "{}", devices(&touched))?;
    }
    if !rest.is_empty() {
        writeln!(out, "{} more devices were not concerned.", rest.len())?;
    }
    for recovery in &run.recoveries {
        writeln!(out, "\n{}\n{}", headline(recovery), phases(recovery))?;
    }
    if run.recoveries.is_empty() {
        writeln!(out, "\nNothing was recovered.")?;
    }
    if run.stuck > 0 {
        writeln!(out, "\n{} tasks never came back.", run.stuck)?;
    }
    if run.timed_out {
        writeln!(out, "\nThe simulation was stopped at its limit: something never came to rest.")?;
    }
    Ok(())
}

fn table(header: &[&'static str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header);
    table
}

fn devices(reports: &[&DeviceReport]) -> Table {
    let mut table = table(&["device", "driver", "outcome", "resets"]);
    for report in reports {
        let address = PciAddress { phb: report.phb, bdf: report.bdf };
        let fate = match report.fate {
            Fate::Untouched => "not concerned".to_owned(),
            Fate::WorksAgain => "works again".to_owned(),
            Fate::Failed(why) => format!("failed: {why}"),
            Fate::Removed => "removed on request".to_owned(),
            Fate::Added => "new, works".to_owned(),
        };
        let driver = report.driver.as_deref().unwrap_or("-").to_owned();
        table.add_row([address.to_string(), driver, fate, report.resets.0.to_string()]);
    }
    table
}

fn headline(recovery: &RecoveryReport) -> String {
    let name = match recovery.pe {
        Some(pe) => format!("PHB#{:x}-PE#{pe}", recovery.phb),
        None => format!("PHB#{:x}", recovery.phb),
    };
    let (Some(took), Some((_, outcome))) = (recovery.duration(), recovery.ended) else {
        return format!("{name}: its recovery has not ended");
    };
    let how = match outcome {
        Outcome::Recovered => "recovered",
        Outcome::Failed => "failed for good",
        Outcome::Gone => "was removed meanwhile",
        Outcome::Cancelled => "went with its PHB",
        Outcome::Fenced => "was taken over by the recovery of its fenced PHB",
    };
    format!("{name} {how} {} after the freeze was found:", seconds(took))
}

fn phases(recovery: &RecoveryReport) -> Table {
    let mut table = table(&["phase", "took", "waiting for"]);
    let mut from = recovery.began;
    let queued = recovery.began.since(recovery.detected);
    if !queued.is_zero() {
        table.add_row(["Queued".to_owned(), seconds(queued), "the recoveries before it".to_owned()]);
    }
    for (phase, took) in &recovery.phases {
        let to = from.after(*took);
        table.add_row([format!("{phase:?}"), seconds(*took), waits(&recovery.pauses, from, to)]);
        from = to;
    }
    table
}

/// What was waited for between two moments, a line each.
fn waits(pauses: &[Pause], from: Time, to: Time) -> String {
    let mut sums: Vec<(Option<Wait>, Duration)> = Vec::new();
    for pause in pauses.iter().filter(|p| p.from >= from && p.to <= to && p.from < p.to) {
        let took = pause.to.since(pause.from);
        match sums.iter_mut().find(|(why, _)| *why == pause.why) {
            Some((_, sum)) => *sum += took,
            None => sums.push((pause.why, took)),
        }
    }
    let lines: Vec<String> =
        sums.iter().map(|(why, sum)| format!("{} {}", seconds(*sum), reason(*why))).collect();
    lines.join("\n")
}

/// Why, and which text asks for it.
const fn reason(why: Option<Wait>) -> &'static str {
    match why {
        None => "in firmware calls",
        Some(Wait::OpalPoll) => "firmware's reset (OPAL_PCI_RESET, OPAL_PCI_POLL)",
        Some(Wait::ResetHold) => "holding the reset (PCI 3.0 4.3.2)",
        Some(Wait::PeSettle) => "a PE after its reset (PAPR, ibm,set-slot-reset)",
        Some(Wait::LinkSettle) => "before the first access (PCIe 6.6.1)",
        Some(Wait::LinkUp) => "link training (PCIe 6.6.1)",
        Some(Wait::ConventionalSettle) => "a conventional device (PCI 3.0 4.3.2)",
        Some(Wait::DeviceReady) => "the device to be ready (PCIe 6.6.1, 2.3.1)",
        Some(Wait::FlrSettle) => "a function level reset (PCIe 6.6.2)",
        Some(Wait::TransactionsPending) => "pending transactions (PCIe 6.6.2)",
        Some(Wait::FirmwareUnavailable) => "firmware, which cannot tell yet (PAPR 7.3.11)",
        Some(Wait::RtasBusy) => "firmware, which is busy (PAPR 7.3.3)",
        Some(Wait::Helper) => "drivers and hotplug",
        Some(Wait::AddBack) => "the pause before devices are added",
        Some(Wait::Host) => "the worker",
        Some(Wait::References) => "a reference to the PE to be put",
    }
}

fn seconds(span: Duration) -> String {
    format!("{:.3} s", span.as_secs_f64())
}
