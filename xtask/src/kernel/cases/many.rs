// SPDX-License-Identifier: GPL-2.0-or-later
//! Several functions at once.

use super::one::works;
use super::{Fallible, Findings, Guest, LONG, SOON, Setup, at, check};
use crate::kernel::guest::{seconds, timed};

/// Each on a PHB of its own.
pub(crate) const FOUR: [&str; 4] = ["0000:01:00.0", "0001:01:00.0", "0003:01:00.0", "0005:01:00.0"];

/// Four PHBs recover at once, and all four work afterwards.
pub(super) fn four_phbs(guest: &mut Guest, _setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    let all = FOUR.map(|address| format!("recover {address}")).join("; ");
    check(&mut findings, guest, &format!("mark four; {all}"), SOON)?;
    check(&mut findings, guest, "log_wait four 'EEH: Recovery successful' 4 120", LONG)?;
    for address in FOUR {
        works(&mut findings, guest, at(address)?)?;
    }
    Ok(findings)
}

/// While one PHB recovers, a function of another one is removed and comes back.
pub(super) fn removal_elsewhere(guest: &mut Guest, _setup: &Setup) -> Fallible<Findings> {
    let (broken, removed) = ("0000:01:00.0", "0005:01:00.0");
    let mut findings = Findings::default();
    check(&mut findings, guest, &format!("mark elsewhere; recover {broken}; usleep 300000"), SOON)?;
    let said = check(&mut findings, guest, &timed(&format!("remove {removed}")), LONG)?;
    findings.notes.extend(seconds(&said).map(|took| format!("removed in {took:.2} s")));
    check(&mut findings, guest, &format!("wait_for 20 gone {removed}"), SOON)?;
    check(&mut findings, guest, "log_wait elsewhere 'EEH: Recovery successful' 1 60; rescan", LONG)?;
    works(&mut findings, guest, at(broken)?)?;
    works(&mut findings, guest, at(removed)?)?;
    Ok(findings)
}
