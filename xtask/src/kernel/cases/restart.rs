// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel ends, or another one takes over.

use core::time::Duration;

use super::one::works;
use super::{Fallible, Findings, Guest, LONG, SOON, Setup, check};

/// A whole recovery of a root port must not hold it up.
const OFF: Duration = Duration::from_secs(60);
const IMAGES: &str = "/boot/vmlinux --initrd=/boot/initramfs.gz";

/// The machine goes off while two PHBs recover.
pub(super) fn power_off(guest: &mut Guest, _setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    check(&mut findings, guest, "recover 0000:01:00.0; recover 0001:01:00.0; usleep 1200000", SOON)?;
    guest.ends("echo 8 >/proc/sys/kernel/printk; poweroff -f", OFF)?;
    let log = std::fs::read_to_string(&guest.files.console)?;
    let last = log.rsplit("@@begin").next().unwrap_or_default();
    findings.check(last.contains("reboot: Power down"), || "it did not say so".to_owned());
    findings.check(!["BUG:", "WARNING:", "Oops"].iter().any(|word| last.contains(word)), || {
        format!("the kernel complained: {}", crate::process::tail(last, 12))
    });
    Ok(findings)
}

/// Another kernel by kexec, while a PHB recovers: it finds all devices at work and recovers them.
pub(super) fn kexec(guest: &mut Guest, setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    guest.must(&format!("kexec -s -l {IMAGES} --append=\"$(cat /proc/cmdline) eeh.second\""), LONG)?;
    guest.restarts("recover 0000:01:00.0; usleep 1500000; kexec -e", LONG)?;
    taken_over(&mut findings, guest, setup)?;
    Ok(findings)
}

/// The kernel for crash dumps, after a panic while a PHB recovers.
pub(super) fn after_panic(guest: &mut Guest, setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    let append = "$(cat /proc/cmdline) eeh.second maxcpus=1 reset_devices";
    guest.must(&format!("kexec -s -p {IMAGES} --append=\"{append}\""), LONG)?;
    guest.restarts("recover 0000:01:00.0; usleep 1500000; echo c >/proc/sysrq-trigger", LONG)?;
    taken_over(&mut findings, guest, setup)?;
    Ok(findings)
}

/// The second kernel has EEH, and all functions.
fn taken_over(findings: &mut Findings, guest: &mut Guest, setup: &Setup) -> Fallible<()> {
    check(findings, guest, "grep -q eeh.second /proc/cmdline || fail it is the first kernel", SOON)?;
    for function in setup.functions() {
        works(findings, guest, function)?;
    }
    for address in ["0000:01:00.0", "0001:01:00.0", "0002:03:00.0"] {
        check(findings, guest, &format!("recovery {address} 120"), LONG)?;
    }
    for function in setup.functions() {
        works(findings, guest, function)?;
    }
    let complaints = guest.must("complaints || true", SOON)?;
    findings.check(complaints.is_empty(), || format!("the second kernel complained: {complaints}"));
    Ok(())
}
