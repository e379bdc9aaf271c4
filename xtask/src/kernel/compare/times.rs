// SPDX-License-Identifier: GPL-2.0-or-later
//! From freeze to resume, with the kernel's own clock and tracepoints.

use core::time::Duration;

use super::{Bench, Entry};
use crate::context::Fallible;
use crate::kernel::boot::Wanted;
use crate::kernel::cases;
use crate::kernel::guest::Guest;
use crate::kernel::machine::{Function, Machine, POWERNV, SWAPPED};
use crate::kernel::resets::{self, TRACING};
use crate::kernel::trace::{Waits, waits};
use crate::report::Findings;

const LONG: Duration = Duration::from_secs(300);
/// The second NVMe below a root port.
const TWICE: &str = "0005:01:00.0";
/// Seconds that a reset of a root port's bus has OPAL ask for: what is shorter was none.
const REAL: f64 = 0.9;

/// A recovery that was timed.
pub(super) struct Timed {
    /// Seconds.
    pub(super) total: f64,
    waits: Waits,
    /// Whether QEMU reset the device.
    pub(super) real: bool,
}

impl Timed {
    /// Whether it was like any other recovery of such a device will be.
    pub(super) fn usual(&self, function: &Function) -> bool {
        self.real && (function.below_switch || self.waits.asked > REAL)
    }
}

/// Every class of device, below a root port and behind a switch.
pub(super) fn measure(bench: &Bench, findings: &mut Findings) -> Fallible<Vec<Entry>> {
    let mut entries = Vec::new();
    let here: Vec<&Function> = POWERNV.iter().filter(|function| function.address != TWICE).collect();
    for (name, swapped, functions) in
        [("compare-recovery", false, here), ("compare-swapped", true, SWAPPED.iter().collect())]
    {
        let mut guest = bench.rig.guest(name, Machine::Powernv10, Wanted { swapped, ..Wanted::plain("") })?;
        prepare(&mut guest)?;
        for function in functions {
            entries.extend(of(&mut guest, function, findings)?);
        }
        std::fs::write(guest.files.dir.join("transcript.log"), guest.take_transcript())?;
    }
    Ok(entries)
}

/// Records all firmware calls, and lets PEs freeze as often as they like.
pub(super) fn prepare(guest: &mut Guest) -> Fallible<()> {
    for event in ["opal_entry", "opal_exit"] {
        guest.must(&format!("echo 1 >{TRACING}/events/powerpc/{event}/enable"), LONG)?;
    }
    guest.must(&format!("echo 8192 >{TRACING}/buffer_size_kb"), LONG)?;
    guest.must("echo 1000 >$eeh_debug/eeh_max_freezes", LONG).map(drop)
}

/// Breaks one device, until its bus was really reset: firmware refuses the first one after boot.
fn of(guest: &mut Guest, function: &Function, findings: &mut Findings) -> Fallible<Vec<Entry>> {
    let class = match function.qemu {
        "nvme" => "NVMe",
        "qemu-xhci" => "xHCI",
        "ich9-ahci" => "AHCI",
        other => other,
    };
    let position = if function.below_switch { "behind a switch" } else { "under a root port" };
    let what = format!("{class} {position}");
    let mut tries = Vec::new();
    loop {
        let Some(timed) = frozen(guest, function)? else {
            return Ok(vec![Entry::none(format!("{what}: s"), "no recovery in 200 s")]);
        };
        cases::works(findings, guest, function)?;
        let done = timed.usual(function) || tries.len() == 2;
        tries.push(timed);
        if done {
            break;
        }
    }
    let said = |timed: &Timed| {
        format!("{:.2}, {}", timed.total, if timed.real { "reset" } else { "not reset, taken for success" })
    };
    let Some(last) = tries.last() else { return Err("no recovery".into()) };
    let shown = tries.iter().map(said).collect::<Vec<_>>().join("; then ");
    let firmware = last.waits.asked + last.waits.inside;
    Ok(vec![
        Entry::with(format!("{what}: s"), last.total, shown),
        Entry::number(format!("{what}: s that firmware asked for and took"), firmware, 2),
        Entry::number(format!("{what}: s of its own"), last.total - firmware, 2),
    ])
}

/// Breaks a device and has it looked at; `None` when it does not recover.
fn frozen(guest: &mut Guest, function: &Function) -> Fallible<Option<Timed>> {
    let address = function.address;
    let mark = format!("frozen-{address}");
    guest
        .must(&format!("echo >{TRACING}/trace; wait_for 30 healthy {address}; dmesg -c >/dev/null"), LONG)?;
    let trace = resets::mark(guest);
    let shot = format!(
        "mark {mark}; echo {address} >$eeh_debug/eeh_dev_break; echo {address} >$eeh_debug/eeh_dev_check"
    );
    guest.must(&shot, LONG)?;
    if guest.run(&format!("log_wait {mark} 'EEH: Recovery successful' 1 200"), LONG)?.status != 0 {
        return Ok(None);
    }
    let log = guest
        .must(&format!("log_since {mark} | grep -e '@mark {mark}' -e 'EEH: Recovery successful'"), LONG)?;
    done(guest, function, &trace, &log).map(Some)
}

/// A recovery that is asked for.
pub(super) fn forced(guest: &mut Guest, function: &Function) -> Fallible<Timed> {
    let address = function.address;
    guest.must(&format!("echo >{TRACING}/trace; wait_for 30 healthy {address}"), LONG)?;
    let trace = resets::mark(guest);
    let log = guest.must(&format!("recovery {address} 200"), LONG)?;
    done(guest, function, &trace, &log)
}

fn done(guest: &mut Guest, function: &Function, trace: &resets::Mark, log: &str) -> Fallible<Timed> {
    let total = cases::duration(log).ok_or_else(|| format!("no times in the log: {log}"))?;
    let calls = guest.must(&format!("grep '^ *eehd' {TRACING}/trace"), LONG)?;
    let real = !resets::since(guest, trace, function.qemu).is_empty();
    Ok(Timed { total, waits: waits(&calls), real })
}
