// SPDX-License-Identifier: GPL-2.0-or-later
//! What must hold in a booted kernel.

mod boot;
mod canary;
mod hostile;
mod many;
mod one;

use core::time::Duration;

use super::Variant;
pub(crate) use many::FOUR;
pub(crate) use one::{duration, works};

use super::guest::Guest;
use super::machine::{Function, Kind, Machine, POWERNV};
use crate::context::Fallible;
use crate::report::Findings;

/// What a guest runs on and as.
pub(crate) struct Setup {
    pub(crate) machine: Machine,
    pub(crate) variant: Variant,
}

/// One row of the results.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Kernel parameters that it wants; cases with the same share a guest.
    pub(crate) append: &'static str,
    /// Of the part that CI runs.
    pub(crate) short: bool,
    /// Whether the C code can pass it: it cannot where it has the hazard.
    c_too: bool,
    machines: &'static [Machine],
    pub(crate) work: fn(&mut Guest, &Setup) -> Fallible<Findings>,
}

impl Case {
    /// Whether it makes sense there.
    pub(crate) fn applies(&self, setup: &Setup) -> bool {
        self.machines.contains(&setup.machine) && (self.c_too || setup.variant == Variant::Rust)
    }
}

const NATIVE: &[Machine] = &[Machine::Powernv9, Machine::Powernv10];
const PAPR: &[Machine] = &[Machine::Pseries];

/// A command that should answer at once.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// A command that waits for devices or recoveries.
pub(crate) const LONG: Duration = Duration::from_secs(240);

const fn native(
    name: &'static str,
    short: bool,
    c_too: bool,
    work: fn(&mut Guest, &Setup) -> Fallible<Findings>,
) -> Case {
    Case { name, append: "", short, c_too, machines: NATIVE, work }
}

/// All cases, in the order in which they run.
pub(crate) const ALL: &[Case] = &[
    native("functions", true, true, boot::functions),
    native("io", true, true, boot::io_works),
    native("recover nvme", true, true, |guest, setup| one::recover(guest, setup, "0000:01:00.0")),
    native("recover e1000e", true, true, |guest, setup| one::recover(guest, setup, "0001:01:00.0")),
    native("recover igb", true, true, |guest, setup| one::recover(guest, setup, "0003:01:00.0")),
    native("recover nvme below switch", true, true, |guest, setup| {
        one::recover(guest, setup, "0002:03:00.0")
    }),
    native("recover e1000e below switch", false, true, |guest, setup| {
        one::recover(guest, setup, "0002:04:00.0")
    }),
    native("recover ahci", true, true, |guest, setup| one::recover(guest, setup, "0004:01:00.0")),
    native("recover xhci", false, true, |guest, setup| one::recover(guest, setup, "0002:05:00.0")),
    native("four PHBs", true, true, many::four_phbs),
    native("remove and rescan", true, true, one::remove_and_rescan),
    native("removal elsewhere", true, true, many::removal_elsewhere),
    native("permanent failure", true, false, one::permanent_failure),
    native("malformed input", true, false, hostile::malformed),
    native("removed in recovery", false, false, hostile::removed_in_recovery),
    native("unbound in recovery", false, false, hostile::unbound_in_recovery),
    native("nothing left", true, false, hostile::nothing_left),
    native("canaries", true, true, canary::canaries),
    Case { name: "pseries", append: "", short: false, c_too: true, machines: PAPR, work: boot::pseries },
];

/// The function at an address.
pub(crate) fn at(address: &str) -> Fallible<&'static Function> {
    let found = POWERNV.iter().find(|function| function.address == address);
    found.ok_or_else(|| format!("the machine has no {address}").into())
}

/// The shell line that shows that a function works.
fn io(function: &Function) -> String {
    match function.kind {
        Kind::Disk => format!("disk_check {}", function.address),
        Kind::Net(subnet) => format!("net_check {} {subnet}", function.address),
        Kind::Other => format!("wait_for 20 bound {} {}", function.address, function.driver),
    }
}

/// Runs a line that must answer 0, as one check.
fn check(findings: &mut Findings, guest: &mut Guest, line: &str, limit: Duration) -> Fallible<String> {
    let answer = guest.run(line, limit)?;
    let shown = answer.output.lines().last().unwrap_or_default();
    findings.check(answer.status == 0, || format!("{line}: {shown}"));
    Ok(answer.output)
}
