// SPDX-License-Identifier: GPL-2.0-or-later
//! What must be there after booting.

use super::{Fallible, Findings, Guest, LONG, SOON, Setup, check, io};
use crate::kernel::Variant;

/// Files below debugfs `powerpc` that both variants have.
const FILES: [&str; 8] = [
    "eeh_enable",
    "eeh_max_freezes",
    "eeh_disable_recovery",
    "eeh_dev_check",
    "eeh_dev_break",
    "eeh_force_recover",
    "eeh_dev_can_recover",
    "eeh_address_cache",
];
/// Those that only this project has.
const NEW_FILES: [&str; 3] = ["eeh_pe_tree", "eeh_pe_debug", "eeh_history"];

fn files(findings: &mut Findings, guest: &mut Guest, setup: &Setup) -> Fallible<()> {
    let new: &[&str] = if setup.variant == Variant::Rust { &NEW_FILES } else { &[] };
    for file in FILES.iter().chain(new) {
        check(findings, guest, &format!("test -e $eeh_debug/{file} || fail no {file}"), SOON)?;
    }
    check(findings, guest, "grep -q 'EEH Subsystem is' /proc/powerpc/eeh", SOON)?;
    Ok(())
}

/// Every PCI function has its PE and its files, and its driver.
pub(super) fn functions(guest: &mut Guest, setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    check(
        &mut findings,
        guest,
        "test \"$(cat $eeh_debug/eeh_enable)\" = 0x1 || cat $eeh_debug/eeh_enable",
        SOON,
    )?;
    files(&mut findings, guest, setup)?;
    let all = guest.must("ls $pci", SOON)?;
    let found: Vec<&str> = all.split_whitespace().collect();
    for function in setup.functions() {
        findings.check(found.contains(&function.address), || format!("no function {}", function.address));
        let line = format!("wait_for 20 bound {} {}", function.address, function.driver);
        check(&mut findings, guest, &line, SOON)?;
    }
    for address in &found {
        check(&mut findings, guest, &format!("has_pe {address}"), SOON)?;
        check(&mut findings, guest, &format!("grep -q '^0x' $pci/{address}/eeh_pe_state"), SOON)?;
        check(&mut findings, guest, &format!("grep -q '^0x' $pci/{address}/eeh_mode"), SOON)?;
    }
    findings.notes.push(format!("{} functions", found.len()));
    Ok(findings)
}

/// Disks and network cards work before anything was done to them.
pub(super) fn io_works(guest: &mut Guest, setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    for function in setup.functions() {
        check(&mut findings, guest, &io(function), LONG)?;
    }
    Ok(findings)
}

/// QEMU's pseries lets no emulated device have EEH; the kernel says so, and the files are there.
pub(super) fn pseries(guest: &mut Guest, setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    check(&mut findings, guest, "dmesg | grep 'EEH: No capable adapters found'", SOON)?;
    files(&mut findings, guest, setup)?;
    Ok(findings)
}
