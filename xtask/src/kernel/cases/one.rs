// SPDX-License-Identifier: GPL-2.0-or-later
//! One function at a time.

use super::{Fallible, Findings, Guest, LONG, SOON, Setup, at, check, io};
use crate::kernel::Variant;
use crate::kernel::machine::Function;

/// A recovery that was asked for: the device was really reset, its driver is there, it works.
pub(super) fn recover(guest: &mut Guest, setup: &Setup, address: &str) -> Fallible<Findings> {
    let function = at(address)?;
    let mut findings = Findings::default();
    let before = guest.resets(function.qemu);
    let reporting = format!("echo $((0x$(setpci -s {address} COMMAND) & 0x140))");
    let reports = guest.must(&reporting, SOON)?;
    // C takes the refused first reset of a root port for success; only the second one is real.
    let times = if setup.variant == Variant::C && !function.below_switch { 2 } else { 1 };
    for _ in 0..times {
        let log = check(&mut findings, guest, &format!("recovery {address} 120"), LONG)?;
        findings.notes.extend(duration(&log).map(|took| format!("{took:.2} s")));
        works(&mut findings, guest, function)?;
    }
    let now = guest.must(&reporting, SOON)?;
    findings.check(now == reports, || format!("PERR and SERR enable were {reports}, are {now}"));
    let resets = guest.resets(function.qemu) - before;
    findings.check(resets > 0, || format!("QEMU reset no {}", function.qemu));
    Ok(findings)
}

/// Driver, data and state are as they should be.
pub(crate) fn works(findings: &mut Findings, guest: &mut Guest, function: &Function) -> Fallible<()> {
    let address = function.address;
    check(findings, guest, &format!("wait_for 20 bound {address} {}", function.driver), LONG)?;
    check(findings, guest, &io(function), LONG)?;
    healthy(findings, guest, function)
}

/// The PE's state is as it should be.
pub(crate) fn healthy(findings: &mut Findings, guest: &mut Guest, function: &Function) -> Fallible<()> {
    let address = function.address;
    let line = format!("wait_for 10 healthy {address} || cat $pci/{address}/eeh_pe_state");
    check(findings, guest, &line, LONG)?;
    Ok(())
}

/// Seconds between the first and the last line of a recovery's log.
pub(crate) fn duration(log: &str) -> Option<f64> {
    let times: Vec<f64> = log.lines().filter_map(time).collect();
    Some(times.last()? - times.first()?)
}

fn time(line: &str) -> Option<f64> {
    line.strip_prefix('[')?.split(']').next()?.trim().parse().ok()
}

/// Every function goes and comes back.
pub(super) fn remove_and_rescan(guest: &mut Guest, setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    for function in setup.functions() {
        let address = function.address;
        check(&mut findings, guest, &format!("remove {address}"), LONG)?;
        check(&mut findings, guest, &format!("wait_for 20 gone {address}"), SOON)?;
        let cached = format!(
            "! grep -q {address} $eeh_debug/eeh_address_cache || fail {address} in the address cache"
        );
        check(&mut findings, guest, &cached, SOON)?;
        check(&mut findings, guest, "rescan", LONG)?;
        works(&mut findings, guest, function)?;
        check(&mut findings, guest, &format!("has_pe {address}"), SOON)?;
    }
    Ok(findings)
}

/// An error of the next access of the disk, by powerpc-utils: found by the driver's timeout, and recovered.
pub(super) fn injected(guest: &mut Guest, _setup: &Setup) -> Fallible<Findings> {
    let function = at("0000:00:01.0")?;
    if guest.run("command -v errinjct", SOON)?.status != 0 {
        return Ok(Findings::not_run("the guest has no errinjct"));
    }
    let mut findings = Findings::default();
    let inject = "mark injected; errinjct eeh-64 -f 16 -c 1 -h 8000000 -l 20000000";
    check(&mut findings, guest, inject, SOON)?;
    // The access that meets it.
    guest.run(&super::io(function), LONG)?;
    check(&mut findings, guest, "log_wait injected 'EEH: Recovery successful' 1 120", LONG)?;
    works(&mut findings, guest, function)?;
    Ok(findings)
}

/// A PE that freezes too often is given up; a rescan finds it healthy, with a fresh budget.
pub(super) fn permanent_failure(guest: &mut Guest, _setup: &Setup) -> Fallible<Findings> {
    let function = at("0005:01:00.0")?;
    let address = function.address;
    let mut findings = Findings::default();
    check(&mut findings, guest, "echo 1 >$eeh_debug/eeh_max_freezes; mark permanent", SOON)?;
    check(&mut findings, guest, &format!("recovery {address} 60"), LONG)?;
    works(&mut findings, guest, function)?;
    check(&mut findings, guest, &format!("recover {address}"), SOON)?;
    check(&mut findings, guest, "log_wait permanent 'permanently disabled' 1 60", LONG)?;
    check(&mut findings, guest, &format!("wait_for 60 gone {address}"), LONG)?;
    check(&mut findings, guest, "echo 5 >$eeh_debug/eeh_max_freezes; rescan", LONG)?;
    works(&mut findings, guest, function)?;
    check(&mut findings, guest, &format!("mark fresh; recovery {address} 60"), LONG)?;
    check(&mut findings, guest, "log_since fresh | grep 'has failed 1 times'", SOON)?;
    works(&mut findings, guest, function)?;
    Ok(findings)
}

/// The last reference to a removed device goes after a rescan has found its successor, which keeps its PE.
pub(super) fn held_over_rescan(guest: &mut Guest, setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    for function in setup.functions() {
        let address = function.address;
        check(&mut findings, guest, &format!("hold {address} && remove {address}"), LONG)?;
        check(&mut findings, guest, &format!("wait_for 20 gone {address} && rescan"), LONG)?;
        works(&mut findings, guest, function)?;
        check(&mut findings, guest, "hold none", SOON)?;
        check(&mut findings, guest, &format!("recovery {address} 120"), LONG)?;
        works(&mut findings, guest, function)?;
        check(&mut findings, guest, &format!("has_pe {address}"), SOON)?;
    }
    Ok(findings)
}

/// A port is scanned while its bus is in reset, as a recovery may have it, which does not end the reset; and found
/// anew: the bus is not put back into reset when that is over.
pub(super) fn scanned_in_reset(guest: &mut Guest, _setup: &Setup) -> Fallible<Findings> {
    let (port, function) = ("0004:00:00.0", at("0004:01:00.0")?);
    let address = function.address;
    let mut findings = Findings::default();
    let removed = format!("remove {address} && wait_for 20 gone {address}");
    check(&mut findings, guest, &removed, LONG)?;
    check(&mut findings, guest, &format!("setpci -s {port} BRIDGE_CONTROL=40:40 && rescan"), LONG)?;
    let kept =
        format!("[ $((0x$(setpci -s {port} BRIDGE_CONTROL) & 0x40)) != 0 ] || fail the scan ended the reset");
    check(&mut findings, guest, &kept, SOON)?;
    check(&mut findings, guest, &format!("remove {port} && rescan"), LONG)?;
    let over = format!("setpci -s {port} BRIDGE_CONTROL=0:40 && sleep 1 && rescan");
    check(&mut findings, guest, &over, LONG)?;
    let held = format!(
        "[ $((0x$(setpci -s {port} BRIDGE_CONTROL) & 0x40)) = 0 ] || fail {port} keeps its bus in reset"
    );
    check(&mut findings, guest, &held, SOON)?;
    works(&mut findings, guest, function)?;
    // Its driver has no handlers, so that its bus is set up anew.
    check(&mut findings, guest, &format!("recovery {address} 120"), LONG)?;
    check(&mut findings, guest, &held, SOON)?;
    works(&mut findings, guest, function)?;
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn a_recovery_takes_from_its_first_line_to_its_last() {
        let log = "[    1.500000] EEH: Recovering PHB#0-PE#1fd\n[    4.750000] EEH: Recovery successful.";
        assert_eq!(duration(log), Some(3.25));
        assert_eq!(duration("FAIL: x"), None);
    }
}
