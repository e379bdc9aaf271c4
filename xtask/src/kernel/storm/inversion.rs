// SPDX-License-Identifier: GPL-2.0-or-later
//! The PCI core's own lock inversion: a physical function is removed (rescan lock, then the device's) while its
//! `sriov_numvfs` is written (the device's lock, then the rescan lock). No freeze has a part in it.

use core::time::Duration;

use super::{Config, Fallible, Findings, Guest, LONG, Options, Rig, Wanted};
use crate::kernel::machine::Machine;

const PHYSICAL: &str = "0003:01:00.0";
/// Tries of both at once.
const TRIES: u32 = 200;
const EACH: Duration = Duration::from_secs(30);

/// Shows it: the run passes when both are blocked, each in the other's lock.
pub(super) fn run(rig: &Rig, options: &Options, machine: Machine) -> Fallible<Findings> {
    if options.config != Config::Check {
        return Ok(Findings::not_run("virtual functions are in the check configuration only"));
    }
    let mut guest = rig.guest(&format!("{}-inversion", machine.name()), machine, Wanted::plain(""))?;
    let findings = provoke(&mut guest);
    std::fs::write(guest.files.dir.join("inversion.log"), guest.take_transcript())?;
    findings
}

fn provoke(guest: &mut Guest) -> Fallible<Findings> {
    let mut findings = Findings::default();
    guest.must(&format!("wait_for 20 bound {PHYSICAL} igb; net_down {PHYSICAL}"), LONG)?;
    let both = format!(
        "(echo 2 >$pci/{PHYSICAL}/sriov_numvfs; echo 0 >$pci/{PHYSICAL}/sriov_numvfs) & w=$!; remove {PHYSICAL} & r=$!"
    );
    for number in 1..=TRIES {
        let delay = u64::from(number) * 7919 % 100_000;
        guest.run(&both.replace("& w=$!; ", &format!("& w=$!; usleep {delay}; ")), LONG)?;
        let over = "wait_for 12 eval '[ ! -d /proc/$w ] && [ ! -d /proc/$r ]'";
        if guest.run(over, EACH)?.status != 0 {
            let blocked = guest.must("dmesg -c >/dev/null; echo w >/proc/sysrq-trigger; dmesg", LONG)?;
            let both = ["sriov_numvfs_store", "pci_stop_and_remove_bus_device_locked"];
            for name in both {
                findings.check(blocked.contains(name), || format!("nobody is blocked in {name}"));
            }
            findings.notes.push(format!("blocked at try {number}, no freeze in the log"));
            let freezes = guest.run("dmesg | grep -c 'EEH: Frozen\\|EEH: Recovering'", LONG)?;
            findings.check(freezes.output.trim() == "0", || "there was a freeze".to_owned());
            return Ok(findings);
        }
        guest.must(&format!("rescan; wait_for 20 bound {PHYSICAL} igb"), LONG)?;
    }
    findings.failures.push(format!("not in {TRIES} tries"));
    Ok(findings)
}
