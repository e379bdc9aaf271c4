// SPDX-License-Identifier: GPL-2.0-or-later
//! Bad input, and hotplug in the middle of recoveries.

use super::one::works;
use super::{Fallible, Findings, Guest, LONG, Machine, SOON, Setup, Variant, at, check};

/// Leaves out that a driver that goes in the middle of its recovery disables its device twice.
const DISABLING: &str = "complaints_but_disabling";

/// Files that take a function, `domain:bus:device.function`.
const FUNCTION_FILES: [&str; 3] = ["eeh_dev_check", "eeh_dev_break", "eeh_dev_can_recover"];
/// What names no function.
const NO_FUNCTION: [&str; 8] =
    ["x", "", "0000:01:00", "0000:01:00.9", "ffff:ff:1f.7", "00000:01:00.0x", "-1:-1:-1.-1", "0000:01:zz.0"];
/// What names no PE, for `eeh_force_recover`.
const NO_PE: [&str; 7] = ["x", "", "0", "0:", "0:zz", "ffffffffffffffffff:1", "99:1fd"];

/// Malformed input gives an error of its own kind and nothing else.
pub(super) fn malformed(guest: &mut Guest, setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    let words = FUNCTION_FILES.iter().flat_map(|file| NO_FUNCTION.iter().map(move |text| (*file, *text)));
    for (file, text) in words.chain(NO_PE.iter().map(|text| ("eeh_force_recover", *text))) {
        check(&mut findings, guest, &format!("refused {file} '{text}'"), SOON)?;
    }
    let long = "refused eeh_dev_check $(head -c 3000 /dev/zero | tr '\\0' 0); refused eeh_force_recover $(head -c 3000 /dev/zero | tr '\\0' 9)";
    check(&mut findings, guest, long, SOON)?;
    // eeh_disable_recovery is debugfs's own boolean, which ignores what is none.
    for file in ["eeh_enable", "eeh_max_freezes"] {
        check(&mut findings, guest, &format!("refused {file} zz"), SOON)?;
    }
    for function in setup.functions() {
        works(&mut findings, guest, function)?;
    }
    Ok(findings)
}

/// A function goes while its PE recovers, comes back, and is recovered again.
pub(super) fn removed_in_recovery(guest: &mut Guest, _setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    check(&mut findings, guest, "echo 50 >$eeh_debug/eeh_max_freezes", SOON)?;
    for address in ["0000:01:00.0", "0002:03:00.0", "0003:01:00.0"] {
        let function = at(address)?;
        // igb waits for ever when its network is closed between its error_detected and its resume.
        let quiet = if function.driver == "igb" { format!("net_down {address}; ") } else { String::new() };
        for delay in ["0", "5000", "50000", "200000", "700000"] {
            check(
                &mut findings,
                guest,
                &format!("{quiet}recover {address}; usleep {delay}; remove {address}"),
                LONG,
            )?;
            let again = format!("wait_for 60 gone {address}; wait_for 60 found_again {address}");
            check(&mut findings, guest, &again, LONG)?;
            works(&mut findings, guest, function)?;
        }
        check(&mut findings, guest, &format!("recovery {address} 60"), LONG)?;
        works(&mut findings, guest, function)?;
    }
    check(&mut findings, guest, "echo 5 >$eeh_debug/eeh_max_freezes", SOON)?;
    no_other_complaints(&mut findings, guest, DISABLING)?;
    Ok(findings)
}

/// A driver is unbound and bound while its device's PE recovers.
pub(super) fn unbound_in_recovery(guest: &mut Guest, _setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    check(&mut findings, guest, "echo 50 >$eeh_debug/eeh_max_freezes", SOON)?;
    for address in ["0005:01:00.0", "0001:01:00.0"] {
        let function = at(address)?;
        for delay in ["0", "20000", "300000", "1200000"] {
            let line = format!(
                "mark unbind{delay}; recover {address}; usleep {delay}; rebind {address} {}",
                function.driver
            );
            check(&mut findings, guest, &line, LONG)?;
            works(&mut findings, guest, function)?;
        }
        check(&mut findings, guest, &format!("wait_for 60 healthy {address}; recovery {address} 60"), LONG)?;
        works(&mut findings, guest, function)?;
    }
    check(&mut findings, guest, "echo 5 >$eeh_debug/eeh_max_freezes", SOON)?;
    no_other_complaints(&mut findings, guest, DISABLING)?;
    Ok(findings)
}

/// The kernel complains of nothing but what a function of the guest leaves out. That must say nothing: one that cannot be called says
/// something.
pub(super) fn no_other_complaints(
    findings: &mut Findings,
    guest: &mut Guest,
    function: &str,
) -> Fallible<()> {
    let complaints = guest.must(&format!("{function} || true"), SOON)?;
    findings.check(complaints.is_empty(), || format!("{function}: {complaints}"));
    // Out of sight of what looks at all complaints.
    guest.must("dmesg -c", LONG).map(drop)
}

/// After all of it: nothing is left that should not be.
pub(super) fn nothing_left(guest: &mut Guest, setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    if setup.variant == Variant::Rust {
        let report = check(&mut findings, guest, "cat $eeh_debug/eeh_pe_debug", SOON)?;
        findings.notes.extend(report.lines().take(3).map(str::to_owned));
        check(&mut findings, guest, "grep -q '^0 orphans$' $eeh_debug/eeh_pe_debug || fail orphans", SOON)?;
        check(&mut findings, guest, "cat $eeh_debug/eeh_pe_tree $eeh_debug/eeh_history >/dev/null", SOON)?;
    }
    check(&mut findings, guest, "lockdep_is_on", SOON)?;
    // Case "DLPAR without EEH" shows whose it is that is left out.
    let leaks = if setup.machine == Machine::Pseries { "leaks_but but_dlpar" } else { "leaks" };
    check(&mut findings, guest, leaks, LONG)?;
    Ok(findings)
}
