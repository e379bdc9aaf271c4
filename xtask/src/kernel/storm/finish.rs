// SPDX-License-Identifier: GPL-2.0-or-later
//! Before a storm and after it: everything works, and nothing is left.

use core::time::Duration;
use std::process::{Command, Stdio};

use super::actors::Cast;
use super::judge::{Record, Sums};
use super::watch::HANGS;
use super::{Fallible, Findings, Guest, LONG, Plant, Weather};
use crate::kernel::cases::works;

/// Bytes of the packed log that are fetched at a time.
const PIECE: u32 = 48 * 1024;
/// When the kernel says that a task hangs.
const HUNG: &str = "/proc/sys/kernel/hung_task_timeout_secs";
/// Seconds that each function gets to be well again. PHBs recover at the same time, but the removals and scans of
/// all take turns (the rescan lock), and one that waits for a disk's time-out makes the others wait.
const SETTLE_EACH: u64 = 30;

/// Everything works; freezes are not counted against devices, and igb's network is closed: with it open igb
/// waits for ever when it is removed in its recovery.
pub(super) fn before(guest: &mut Guest, cast: &Cast, record: &mut Record) -> Fallible<()> {
    let mut findings = Findings::default();
    for function in cast.functions() {
        works(&mut findings, guest, function)?;
        if function.driver == "igb" {
            guest.must(&format!("net_down {}", function.address), LONG)?;
        }
    }
    if let Some(failure) = findings.failures.first() {
        return Err(format!("before the storm: {failure}").into());
    }
    // It keeps the interrupts of ports that are removed, for ever; where it is a module it can be had out of the way.
    let _ = guest.run("rmmod pnv_php", LONG)?;
    guest.must("echo 1000000 >$eeh_debug/eeh_max_freezes; mkdir -p $storm; dmesg -c >/dev/null", LONG)?;
    // The kernel says no sooner than the watch what hangs: nvme's reset may take two of its time-outs, 120 s.
    let hangs = format!("[ ! -e {HUNG} ] || echo {} >{HUNG}", HANGS.as_secs());
    guest.must(&hangs, LONG)?;
    record.before = sums(guest)?;
    Ok(())
}

/// Quiet; then functions, states, counters, orphans, leaks, and the log.
pub(super) fn after(guest: &mut Guest, cast: &Cast, weather: &Weather, record: &mut Record) -> Fallible<()> {
    if weather.plant == Some(Plant::Lost) {
        guest.must("settle() { remove 0000:01:00.0; }", LONG)?;
    }
    let seconds = SETTLE_EACH * cast.functions().len() as u64;
    // What it is at when the time is over, it may end.
    let limit = Duration::from_secs(seconds) + LONG;
    let settled = guest.run(&format!("settle {seconds} {}", cast.bound()), limit)?;
    record.end.check(settled.status == 0, || settled.output.clone());
    // No device is lost to EEH either: each recovers.
    for function in cast.functions() {
        if !record.end.failures.is_empty() {
            break;
        }
        works(&mut record.end, guest, function)?;
        let answer = guest.run(&format!("recovery {} 120", function.address), LONG)?;
        record.end.check(answer.status == 0, || format!("{}: {}", function.address, answer.output));
        works(&mut record.end, guest, function)?;
    }
    record.after = sums(guest)?;
    let report = guest.run("cat $eeh_debug/eeh_pe_debug", LONG)?;
    record.report = (report.status == 0).then_some(report.output);
    let leaks = guest.run("leaks", LONG)?;
    record.end.check(leaks.status == 0, || leaks.output.clone());
    record.log = log(guest)?;
    let complaints = guest.run("storm_complaints <$storm/log", LONG)?.output;
    record.complaints = complaints.lines().map(str::to_owned).collect();
    Ok(())
}

/// The counters, in the files that have them.
fn sums(guest: &mut Guest) -> Fallible<Sums> {
    let proc = guest.must("cat /proc/powerpc/eeh", LONG)?;
    let history = guest.run("cat $eeh_debug/eeh_history", LONG)?;
    Ok(Sums::parse(&proc, (history.status == 0).then_some(&*history.output)))
}

/// The whole log since the storm began, which is kept with the run's files.
pub(super) fn log(guest: &mut Guest) -> Fallible<String> {
    let _ = guest.run("drain", LONG)?;
    // A complaint may have switched the kernel's writing to the console on, which would come in between.
    guest.must("echo 1 >/proc/sys/kernel/printk; gzip -c $storm/log >/tmp/log.gz", LONG)?;
    let size: u32 = guest.must("wc -c </tmp/log.gz", LONG)?.trim().parse()?;
    let mut text = String::new();
    for piece in 0..size.div_ceil(PIECE) {
        let line = format!("dd if=/tmp/log.gz bs={PIECE} skip={piece} count=1 2>/dev/null | base64");
        text += &guest.ask(&line, LONG)?.output;
        text.push('\n');
    }
    let packed = guest.files.dir.join("kernel.log.gz.base64");
    std::fs::write(&packed, text)?;
    let unpack = "tr -d '\\r' <\"$0\" | base64 -d | gzip -dc";
    let run = Command::new("sh").arg("-c").arg(unpack).arg(&packed).stderr(Stdio::null()).output()?;
    std::fs::remove_file(packed)?;
    std::fs::write(guest.files.dir.join("kernel.log"), &run.stdout)?;
    Ok(String::from_utf8_lossy(&run.stdout).into_owned())
}
