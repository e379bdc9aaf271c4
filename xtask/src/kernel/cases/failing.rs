// SPDX-License-Identifier: GPL-2.0-or-later
//! Drivers that misbehave, and memory that is not there.

use core::time::Duration;

use super::one::works;
use super::{Fallible, Findings, Guest, LONG, SOON, Setup, at, check};

/// Whose device gets the driver that misbehaves.
const VICTIM: &str = "0001:01:00.0";
/// What works on, at a recovery and at hotplug.
const OTHERS: [&str; 2] = ["0000:01:00.0", "0002:03:00.0"];
const GIVEN_UP: Duration = Duration::from_secs(400);

/// Gives the device a driver that does `fault` in its `error_detected`, and freezes it.
fn provoke(findings: &mut Findings, guest: &mut Guest, fault: &str) -> Fallible<()> {
    check(
        findings,
        guest,
        &format!("test -d /sys/bus/pci/drivers/eeh_fault && give {VICTIM} eeh_fault"),
        SOON,
    )?;
    check(findings, guest, &format!("echo {fault} >/sys/module/eeh_fault/parameters/fault"), SOON)?;
    check(findings, guest, &format!("mark fault; recover {VICTIM}; sleep 1"), SOON).map(drop)
}

/// The others recover, and go and come back.
fn others_go_on(findings: &mut Findings, guest: &mut Guest) -> Fallible<()> {
    for address in OTHERS {
        let function = at(address)?;
        check(findings, guest, &format!("recovery {address} 60"), LONG)?;
        works(findings, guest, function)?;
        check(findings, guest, &format!("remove {address}; wait_for 20 gone {address}; rescan"), LONG)?;
        works(findings, guest, function)?;
    }
    Ok(())
}

/// The kernel complains of nothing but what was provoked.
fn only(findings: &mut Findings, guest: &mut Guest, provoked: &[&str]) -> Fallible<()> {
    let complaints = guest.must("complaints || true", SOON)?;
    let strange: Vec<&str> =
        complaints.lines().filter(|line| !provoked.iter().any(|word| line.contains(word))).collect();
    findings.check(strange.is_empty(), || format!("the kernel complained: {}", strange.join("; ")));
    Ok(())
}

/// A driver that does not come back is named, the others go on, and its device recovers when it comes back;
/// or is given up.
pub(super) fn hanging(guest: &mut Guest, _setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    let release = "echo 1 >/sys/module/eeh_fault/parameters/released";
    provoke(&mut findings, guest, "hang")?;
    check(&mut findings, guest, "log_wait fault 'eeh_fault has not come back for 10 s' 1 60", LONG)?;
    check(&mut findings, guest, release, SOON)?;
    check(&mut findings, guest, "log_wait fault 'EEH: Recovery successful' 1 60", LONG)?;
    check(&mut findings, guest, "echo 0 >/sys/module/eeh_fault/parameters/released", SOON)?;
    check(&mut findings, guest, &format!("mark again; recover {VICTIM}; sleep 1"), SOON)?;
    others_go_on(&mut findings, guest)?;
    check(&mut findings, guest, "log_wait again 'eeh_fault never came back' 1 390", GIVEN_UP)?;
    let lost = format!("grep '{VICTIM}: device lock lost' $eeh_debug/eeh_pe_debug");
    check(&mut findings, guest, &lost, SOON)?;
    others_go_on(&mut findings, guest)?;
    // The detection of hung tasks sees the helper inside the driver, and nobody else.
    only(&mut findings, guest, &["task eehh/1:"])?;
    check(&mut findings, guest, &format!("{release}; sleep 2; ! ps | grep -q '[e]ehh/1' || true"), SOON)?;
    Ok(findings)
}

/// A driver that dies in its handler takes its device with it and nothing else.
pub(super) fn oopsing(guest: &mut Guest, _setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    provoke(&mut findings, guest, "oops")?;
    check(&mut findings, guest, "log_wait fault 'eeh_fault never came back' 1 60", LONG)?;
    let lost = format!("grep '{VICTIM}: device lock lost' $eeh_debug/eeh_pe_debug");
    check(&mut findings, guest, &lost, SOON)?;
    others_go_on(&mut findings, guest)?;
    only(
        &mut findings,
        guest,
        &["NULL pointer", "Oops: Kernel access of bad area", "WARNING: kernel/exit.c"],
    )?;
    Ok(findings)
}

/// More allocations than a probe makes.
const ENOUGH: u32 = 40;

/// Each of EEH's allocations for a new device fails in turn: the device works, without EEH when it must; after
/// another removal it has EEH, and recovers.
pub(super) fn no_memory(guest: &mut Guest, _setup: &Setup) -> Fallible<Findings> {
    let function = at("0005:01:00.0")?;
    let address = function.address;
    let mut findings = Findings::default();
    check(&mut findings, guest, "failures_on; echo 50 >$eeh_debug/eeh_max_freezes", LONG)?;
    let mut failed = 0;
    for number in 1..=ENOUGH {
        check(&mut findings, guest, &format!("remove {address}; wait_for 20 gone {address}"), LONG)?;
        let more = guest.run(&format!("scan_without {number}"), LONG)?.status == 0;
        check(&mut findings, guest, &format!("wait_for 20 bound {address} {}", function.driver), LONG)?;
        check(&mut findings, guest, &super::io(function), LONG)?;
        if !more {
            break;
        }
        failed = number;
    }
    findings.check((1..ENOUGH).contains(&failed), || format!("{failed} allocations failed"));
    findings.notes.push(format!("{failed} allocations failed in turn"));
    check(&mut findings, guest, &format!("remove {address}; wait_for 20 found_again {address}"), LONG)?;
    works(&mut findings, guest, function)?;
    check(&mut findings, guest, &format!("has_pe {address}; recovery {address} 60"), LONG)?;
    works(&mut findings, guest, function)?;
    Ok(findings)
}
