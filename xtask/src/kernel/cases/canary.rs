// SPDX-License-Identifier: GPL-2.0-or-later
//! Failures planted in the guest, each of which the cases must notice.

use super::one::recover;
use super::{Fallible, Findings, Guest, LONG, SOON, Setup, at, io};

/// What is planted at boot is found: a lock inversion by lockdep, a leak by kmemleak; each by its name.
pub(super) fn planted(guest: &mut Guest, _setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    let complaints = guest.must("complaints", SOON)?;
    findings.check(complaints.contains("possible circular locking dependency"), || {
        format!("the planted inversion went unnoticed: {complaints}")
    });
    let report = guest.must("dmesg | sed -n '/possible circular/,/stack backtrace/p'", SOON)?;
    findings.check(report.contains("kernel_shim5plant8in_order"), || {
        format!("it is another inversion that lockdep saw: {report}")
    });
    let answer = guest.run("lockdep_is_on", SOON)?;
    findings.check(answer.status != 0, || "it went unnoticed that lockdep is off".to_owned());
    let answer = guest.run("leaks", LONG)?;
    let found = answer.output.split("unreferenced object").skip(1);
    let planted = found.filter(|leak| leak.contains("kernel_shim5plant5plant")).count();
    findings.check(answer.status != 0 && planted > 0, || {
        format!("the planted leak went unnoticed: {}", answer.output)
    });
    findings.notes.push(format!("{planted} pieces found that were forgotten"));
    Ok(findings)
}

const ADDRESS: &str = "0005:01:00.0";

/// Each planted failure makes a check fail.
pub(super) fn canaries(guest: &mut Guest, setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    // A recovery that tells of success and reset nothing.
    let says = "echo 'EEH: Recovering PHB' >/dev/kmsg; echo 'EEH: Recovery successful' >/dev/kmsg";
    guest.must(&format!("recover() {{ {says}; }}"), SOON)?;
    let planted = recover(guest, setup, ADDRESS)?;
    findings.check(planted.failures.iter().any(|failure| failure.starts_with("QEMU reset no")), || {
        format!("a reset that never was went unnoticed: {:?}", planted.failures)
    });
    // A disk that gives back something else.
    guest.must("cmp() { echo x >>/tmp/in; command cmp \"$@\"; }", SOON)?;
    let answer = guest.run(&io(at(ADDRESS)?), SOON)?;
    findings.check(answer.status != 0, || "wrong data went unnoticed".to_owned());
    guest.must("unset -f cmp; . /lib/eeh.sh", SOON)?;
    // A kernel that complains.
    guest.must("echo 'BUG: planted' >/dev/kmsg", SOON)?;
    let answer = guest.run("complaints", SOON)?;
    findings.check(answer.output.contains("planted"), || "a complaint went unnoticed".to_owned());
    guest.must("dmesg -c >/dev/null", SOON)?;
    // A device that has no PE.
    let answer = guest.run("cat() { echo 0xffff; }; has_pe 0005:01:00.0", SOON)?;
    findings.check(answer.status != 0, || "a function without PE went unnoticed".to_owned());
    guest.must("unset -f cat", SOON)?;
    Ok(findings)
}
