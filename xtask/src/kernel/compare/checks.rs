// SPDX-License-Identifier: GPL-2.0-or-later
//! What a check costs, and how long interrupts are off in checks and in recoveries: under a clock that counts
//! instructions, so that an instruction is a nanosecond and the figures repeat.

use core::time::Duration;

use super::{Bench, Entry};
use crate::context::Fallible;
use crate::kernel::count::{CHECKS, DEVICE, counted_by, of};
use crate::kernel::guest::Guest;
use crate::kernel::resets::TRACING;

const LONG: Duration = Duration::from_secs(900);
/// The checks that can have interrupts off; the first three of [`CHECKS`] with a firmware call.
const IRQS_OFF: [(&str, u8); 5] = [
    ("unknown-address", 0),
    ("healthy-by-device", 0),
    ("healthy-by-address", 0),
    ("isolated-by-device", 1),
    ("isolated-by-address", 1),
];
/// A disk under another root port, whose recoveries are watched.
const RECOVERED: &str = "0005:01:00.0";
/// `kernel/count/eeh_latency.c`: nanoseconds between two samples.
const PERIOD: u32 = 20_000;

/// The row of a check.
fn instructions(check: &str) -> String {
    format!("check, {}: instructions", name(check))
}

/// The most that a row of instructions may be.
pub(super) fn limit(what: &str) -> Option<f64> {
    let (_, most, _) = CHECKS.into_iter().find(|(check, ..)| what == instructions(check))?;
    u32::try_from(most).ok().map(f64::from)
}

/// Counts, asks for firmware calls, watches recoveries.
pub(super) fn measure(bench: &Bench) -> Fallible<Vec<Entry>> {
    let (mut guest, log) = counted_by(&bench.rig)?;
    let mut entries = Vec::new();
    for (check, _, answer) in CHECKS {
        let count = f64::from(u32::try_from(of(&log, check, answer)?)?);
        entries.push(Entry::number(instructions(check), count, 0));
    }
    for (what, device) in [("healthy", RECOVERED), ("isolated", DEVICE)] {
        let calls = firmware_calls(&mut guest, device)?;
        entries.push(Entry::number(format!("check, {what} by device: firmware calls"), calls, 0));
    }
    for (check, answer) in IRQS_OFF {
        let off = of(&log, &format!("irqs-off-{check}"), answer)?;
        let off = f64::from(u32::try_from(off)?);
        entries.push(Entry::number(format!("check, {}: interrupts off, instructions", name(check)), off, 0));
    }
    // The first recovery after boot is refused in C, the second is real.
    let (mut all, mut own) = (0.0_f64, 0.0_f64);
    for _ in 0..2 {
        let sampled = sampled(&mut guest, &format!("recovery {RECOVERED} 200 >/dev/null"))?;
        (all, own) = (all.max(sampled.0), own.max(sampled.1));
    }
    let idle = sampled(&mut guest, "sleep 1")?;
    std::fs::write(guest.files.dir.join("transcript.log"), guest.take_transcript())?;
    entries.push(Entry::number(
        "recovery of an NVMe: interrupts off longest, thousand instructions",
        all / 1000.0,
        1,
    ));
    entries.push(Entry::with(
        "of it outside firmware: thousand instructions",
        own / 1000.0,
        format!("{:.1} (idle: {:.1})", own / 1000.0, idle.1 / 1000.0),
    ));
    Ok(entries)
}

fn name(check: &str) -> String {
    match check {
        "null" => "no device given".to_owned(),
        "unknown-address" => "address of no device".to_owned(),
        other => other.replace('-', " "),
    }
}

/// How often a check of a device asks firmware for a state.
fn firmware_calls(guest: &mut Guest, device: &str) -> Fallible<f64> {
    let at = format!("{TRACING}/events/powerpc/opal_entry");
    let line = format!(
        "echo 'opcode == 23' >{at}/filter; echo >{TRACING}/trace; echo 1 >{at}/enable; \
         echo {device} >$eeh_debug/eeh_dev_check; echo 0 >{at}/enable; echo 0 >{at}/filter; \
         grep -c opal_entry: {TRACING}/trace || true"
    );
    let said = guest.must(&line, LONG)?;
    let count = said.lines().find_map(|line| line.trim().parse().ok());
    count.ok_or_else(|| format!("no count of calls: {said}").into())
}

/// Nanoseconds that an interrupt had to wait at most during a command: of all, and outside firmware.
fn sampled(guest: &mut Guest, command: &str) -> Fallible<(f64, f64)> {
    let at = "/sys/kernel/debug/eeh_irqs_off";
    let line = format!("echo {PERIOD} >{at} && {command}; cat {at}_longest {at}_longest_own; echo 0 >{at}");
    let said = guest.must(&line, LONG)?;
    // Firmware writes to the console too.
    let numbers: Vec<f64> = said.lines().filter_map(|line| line.trim().parse().ok()).collect();
    match numbers[..] {
        [all, own] => Ok((all, own)),
        _ => Err(format!("no latencies: {said}").into()),
    }
}
