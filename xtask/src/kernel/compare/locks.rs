// SPDX-License-Identifier: GPL-2.0-or-later
//! How long locks are held in checks and in recoveries, on the check configuration, whose lockdep has trace events:
//! one CPU, and a clock that counts instructions.

use core::time::Duration;
use std::collections::BTreeSet;

use super::held::{self, Hold};
use super::{Bench, Entry};
use crate::context::Fallible;
use crate::kernel::boot::Wanted;
use crate::kernel::guest::Guest;
use crate::kernel::machine::Machine;
use crate::kernel::resets::{self, TRACING};
use crate::report::Findings;

const LONG: Duration = Duration::from_secs(900);
/// A disk whose driver takes part in a recovery, and one whose driver cannot: it is removed and found again.
const RECOVERED: [(&str, &str, &str); 2] =
    [("an NVMe", "0005:01:00.0", "nvme"), ("an AHCI", "0004:01:00.0", "ich9-ahci")];
/// Takes the traces out of the guest: the console is slow.
const DISK: (&str, &str) = ("0000:01:00.0", "nvme0.img");
/// POWER's timebase; a nanosecond is an instruction.
const MEGAHERTZ: u64 = 512;
/// EEH's own spin locks, C's and those here.
const SPIN: [&str; 7] = [
    "confirm_error_lock",
    "eeh_eventlist_lock",
    "&pci_io_addr_cache_root.piar_lock",
    "eeh_tree",
    "eeh_mailbox",
    "eeh_history",
    "eeh_setup",
];
const RESCAN: &str = "pci_rescan_remove_lock";
/// Other locks of which a machine has one, whose holder may sleep.
const SHARED: [&str; 5] = ["pci_slot_mutex", "pci_bus_sem", "eeh_dev_mutex", "eeh_registry", "eeh_map"];
/// That of one device.
const DEVICE: &str = "&dev->mutex";
/// What any write to a file takes: it shows that a trace is alive.
const WRITE: &str = "sb_writers";
/// Of all locks; those of RCU are no locks.
const ALL: &str = "name != \"rcu_read_lock\" && name != \"rcu_callback\"";

/// Looks whose code takes what, then measures.
pub(super) fn measure(bench: &Bench, findings: &mut Findings) -> Fallible<Vec<Entry>> {
    let wanted = Wanted { counting: true, ..Wanted::plain("trace_buf_size=128M") };
    let mut guest = bench.rig.guest("compare-locks", Machine::Powernv10, wanted)?;
    // The shell goes on until it sleeps, so that its check finds a freeze before firmware's event does.
    let prepare = format!(
        "echo ppc-tb >{TRACING}/trace_clock; echo 1000 >$eeh_debug/eeh_max_freezes; renice -n -20 -p 1"
    );
    guest.must(&prepare, LONG)?;
    named(&mut guest, findings)?;
    let entries = held(&mut guest)?;
    std::fs::write(guest.files.dir.join("transcript.log"), guest.take_transcript())?;
    Ok(entries)
}

/// Each lock that EEH's own functions take is one of those that are measured.
fn named(guest: &mut Guest, findings: &mut Findings) -> Fallible<()> {
    let mut all = BTreeSet::new();
    guest.must(&format!("echo 1 >{TRACING}/options/stacktrace"), LONG)?;
    for trace in checks(guest, "takers", ALL)? {
        all.extend(held::takers(&trace)?);
    }
    for recovered in RECOVERED {
        all.extend(held::takers(&recovery(guest, recovered, "takers", ALL)?)?);
    }
    guest.must(&format!("echo 0 >{TRACING}/options/stacktrace"), LONG)?;
    findings.check(!all.is_empty(), || "no function of EEH was seen to take a lock".to_owned());
    for (name, taker) in all {
        let known = SPIN.iter().chain(&SHARED).chain([&RESCAN, &DEVICE]).any(|known| *known == name);
        findings.check(known, || format!("{taker} takes {name}, which nobody measures"));
    }
    Ok(())
}

/// The rows.
fn held(guest: &mut Guest) -> Fallible<Vec<Entry>> {
    let names = SPIN.iter().chain(&SHARED).chain([&RESCAN, &WRITE]);
    let of: Vec<String> = names.map(|name| format!("name == \"{name}\"")).collect();
    let of = of.join(" || ");
    let mut entries = Vec::new();
    for (what, trace) in
        ["healthy check", "check that finds a freeze"].into_iter().zip(checks(guest, "held", &of)?)
    {
        entries.push(Unit::Micro.longest(what, &held::holds(&trace)?, &SPIN));
    }
    for recovered in RECOVERED {
        let holds = held::holds(&recovery(guest, recovered, "held", &of)?)?;
        let what = |of: &str| format!("recovery of {}, {of}", recovered.0);
        entries.push(Unit::Micro.longest(&what("EEH's spin locks"), &holds, &SPIN));
        entries.push(Unit::Milli.longest(&what("rescan lock"), &holds, &[RESCAN]));
        entries.push(Unit::Milli.longest(&what("other sleeping locks that PHBs share"), &holds, &SHARED));
    }
    Ok(entries)
}

/// Of seconds.
enum Unit {
    Micro,
    Milli,
}

impl Unit {
    /// The row of the longest hold of one of these locks.
    fn longest(&self, what: &str, holds: &[Hold], of: &[&str]) -> Entry {
        let (unit, per_second, digits) = match self {
            Self::Micro => ("µs", 1.0e6, 1),
            Self::Milli => ("ms", 1.0e3, 2),
        };
        let what = format!("longest lock, {what}: {unit}");
        let all = held::longest(holds);
        let Some(hold) = all.into_iter().find(|hold| of.contains(&hold.name.as_str())) else {
            return Entry::with(what, 0.0, "none taken".to_owned());
        };
        let took = Duration::from_nanos(hold.ticks * 1000 / MEGAHERTZ).as_secs_f64() * per_second;
        let name = hold.name.rsplit('.').next().unwrap_or_default();
        Entry::with(what, took, format!("{took:.digits$}, `{name}`"))
    }
}

/// Of a healthy device; then of one that was just broken.
fn checks(guest: &mut Guest, name: &str, of: &str) -> Fallible<[String; 2]> {
    let (_, address, _) = RECOVERED[0];
    guest.must(&format!("wait_for 30 healthy {address}; dmesg -c >/dev/null; mark checks"), LONG)?;
    let check = format!("echo {address} >$eeh_debug/eeh_dev_check");
    let shell = ("common_pid == 1", of);
    let healthy = traced(guest, &format!("{name}-healthy"), shell, &check)?;
    let broken = format!("echo {address} >$eeh_debug/eeh_dev_break; {check}");
    let frozen = traced(guest, &format!("{name}-frozen"), shell, &broken)?;
    guest.must("log_wait checks 'EEH: Recovery successful' 1 200", LONG)?;
    Ok([healthy, frozen])
}

/// Of a recovery in which the device was reset: C's first one is refused.
fn recovery(
    guest: &mut Guest,
    (_, address, qemu): (&str, &str, &str),
    name: &str,
    of: &str,
) -> Fallible<String> {
    for _ in 0..3 {
        let mark = resets::mark(guest);
        let line = format!("wait_for 30 healthy {address} && recovery {address} 200 >/dev/null");
        let trace = traced(guest, &format!("{name}-{qemu}"), ("COMM ~ \"eeh*\"", of), &line)?;
        if !resets::since(guest, &mark, qemu).is_empty() {
            return Ok(trace);
        }
    }
    Err(format!("three recoveries of {address} reset nothing").into())
}

/// Runs a line, and gives what these tasks did meanwhile with these locks.
fn traced(guest: &mut Guest, name: &str, (tasks, locks): (&str, &str), line: &str) -> Fallible<String> {
    let at = format!("{TRACING}/events/lock");
    let named = format!("{tasks} && ({locks})");
    let mut events = vec![("lock_acquire", named.as_str())];
    if locks != ALL {
        events.extend([("lock_release", named.as_str()), ("contention_end", tasks)]);
    }
    let mut switch = [String::new(), String::new()];
    for (event, filter) in events {
        guest.must(&format!("echo '{filter}' >{at}/{event}/filter"), LONG)?;
        switch[0] += &format!("echo 1 >{at}/{event}/enable; ");
        switch[1] += &format!("echo 0 >{at}/{event}/enable; ");
    }
    let [on, off] = switch;
    guest.must(&format!("echo >{TRACING}/trace; {on} {line}; {off}"), LONG)?;
    let (address, image) = DISK;
    let copy = format!(
        "cat {TRACING}/trace >/tmp/trace; dd if=/tmp/trace of=/dev/$(disk {address}) bs=1M 2>/dev/null; sync; \
         wc -c </tmp/trace; rm /tmp/trace"
    );
    let said = guest.must(&copy, LONG)?;
    let size = said.lines().find_map(|line| line.trim().parse::<usize>().ok());
    let size = size.ok_or_else(|| format!("no size of the trace: {said}"))?;
    let mut data = std::fs::read(guest.files.dir.join(image))?;
    if data.len() < size {
        return Err(format!("the disk has no room for a trace of {size} bytes").into());
    }
    data.truncate(size);
    std::fs::write(guest.files.dir.join(format!("{name}.trace")), &data)?;
    Ok(String::from_utf8(data)?)
}
