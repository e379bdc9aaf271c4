// SPDX-License-Identifier: GPL-2.0-or-later
//! What must hold in a booted kernel.

mod boot;
mod canary;
mod dlpar;
mod failing;
mod hostile;
mod many;
mod one;
mod owned;
mod restart;

use core::time::Duration;

use super::boot::Wanted;
use super::{Config, Variant};
pub(crate) use many::FOUR;
pub(crate) use one::{duration, healthy, works};

use super::guest::Guest;
use super::machine::{Function, Kind, Machine};
use crate::context::Fallible;
use crate::report::Findings;

/// What a guest runs on and as.
pub(crate) struct Setup {
    pub(crate) machine: Machine,
    pub(crate) variant: Variant,
    pub(crate) config: Config,
    /// Whether PEs of the machine really freeze.
    pub(crate) freezes: bool,
}

impl Setup {
    /// The functions of its machine.
    fn functions(&self) -> &'static [Function] {
        self.machine.functions()
    }
}

/// One row of the results.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What it wants of its guest; cases with the same share one.
    pub(crate) wanted: Wanted<'static>,
    /// Of the part that CI runs.
    pub(crate) short: bool,
    /// Whether the C code can pass it: it cannot where it has the hazard.
    c_too: bool,
    /// The only configuration in which it makes sense.
    config: Option<Config>,
    /// Whether it needs PEs that really freeze.
    freezes: bool,
    /// Whether its guest is of no use afterwards; it looks at complaints itself.
    pub(crate) last: bool,
    machines: &'static [Machine],
    pub(crate) work: fn(&mut Guest, &Setup) -> Fallible<Findings>,
}

impl Case {
    /// Whether it makes sense there.
    pub(crate) fn applies(&self, setup: &Setup) -> bool {
        self.machines.contains(&setup.machine)
            && (self.c_too || setup.variant == Variant::Rust)
            && self.config.is_none_or(|config| config == setup.config)
    }

    /// Why it cannot run there.
    pub(crate) fn lacks(&self, setup: &Setup) -> Option<&'static str> {
        (self.freezes && !setup.freezes).then_some("no QEMU whose devices freeze; run cargo xtask qemu build")
    }

    /// Not without PEs that really freeze: a device in reset that is probed is a machine check otherwise.
    const fn freezing(self) -> Self {
        Self { freezes: true, ..self }
    }

    const fn on(self, machines: &'static [Machine]) -> Self {
        Self { machines, ..self }
    }

    const fn wants(self, wanted: Wanted<'static>) -> Self {
        Self { wanted, ..self }
    }

    const fn last(self) -> Self {
        Self { last: true, ..self }
    }

    /// Only where the kernel has its checkers.
    const fn checked(self) -> Self {
        Self { config: Some(Config::Check), ..self }
    }
}

const NATIVE: &[Machine] = &[Machine::Powernv9, Machine::Powernv10];
/// Those with PHB3 too, which has three PHBs and no fence in QEMU.
const OLDER: &[Machine] = &[Machine::Powernv8, Machine::Powernv9, Machine::Powernv10];
const PAPR: &[Machine] = &[Machine::Pseries];
const ALL_MACHINES: &[Machine] =
    &[Machine::Powernv8, Machine::Powernv9, Machine::Powernv10, Machine::Pseries];
/// What kexec needs.
const KEXEC: Wanted<'_> = Wanted { kexec: true, hotplug: false, ..Wanted::plain("crashkernel=768M") };
/// A guest of its own: it ends, or something in it hangs.
const ALONE: Wanted<'_> = Wanted::plain("eeh.alone");

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
    let wanted = Wanted::plain("");
    Case { name, wanted, short, c_too, config: None, freezes: false, last: false, machines: NATIVE, work }
}

/// All cases, in the order in which they run.
pub(crate) const ALL: &[Case] = &[
    native("functions", true, true, boot::functions).on(ALL_MACHINES),
    native("io", true, true, boot::io_works).on(ALL_MACHINES),
    native("recover nvme", true, true, |guest, setup| one::recover(guest, setup, "0000:01:00.0")).on(OLDER),
    native("recover e1000e", true, true, |guest, setup| one::recover(guest, setup, "0001:01:00.0")).on(OLDER),
    native("recover igb", true, true, |guest, setup| one::recover(guest, setup, "0003:01:00.0")),
    native("recover nvme below switch", true, true, |guest, setup| {
        one::recover(guest, setup, "0002:03:00.0")
    })
    .on(OLDER),
    native("recover e1000e below switch", false, true, |guest, setup| {
        one::recover(guest, setup, "0002:04:00.0")
    })
    .on(OLDER),
    native("recover ahci", true, true, |guest, setup| one::recover(guest, setup, "0004:01:00.0")),
    native("recover xhci", false, true, |guest, setup| one::recover(guest, setup, "0002:05:00.0")).on(OLDER),
    native("recover nvme of PAPR", false, true, |guest, setup| one::recover(guest, setup, "0000:00:01.0"))
        .on(PAPR)
        .freezing(),
    native("recover e1000e of PAPR", false, true, |guest, setup| one::recover(guest, setup, "0001:00:01.0"))
        .on(PAPR)
        .freezing(),
    native("injected by errinjct", false, true, one::injected).on(PAPR).freezing(),
    native("DLPAR of a PHB", false, false, dlpar::phb).on(PAPR).freezing().checked(),
    native("four PHBs", true, true, many::four_phbs),
    native("remove and rescan", true, true, one::remove_and_rescan).on(OLDER),
    native("held over a rescan", true, false, one::held_over_rescan).on(OLDER),
    native("scanned in reset", true, false, one::scanned_in_reset).freezing(),
    native("removal elsewhere", true, true, many::removal_elsewhere),
    native("permanent failure", true, false, one::permanent_failure),
    native("malformed input", true, false, hostile::malformed),
    native("removed in recovery", false, false, hostile::removed_in_recovery).freezing(),
    native("unbound in recovery", false, false, hostile::unbound_in_recovery).freezing(),
    native("virtual functions", false, false, owned::virtual_functions).checked(),
    native("user of VFIO", false, false, owned::vfio).checked(),
    native("no memory", false, false, failing::no_memory).checked(),
    native("nothing left", true, true, hostile::nothing_left).on(ALL_MACHINES),
    native("canaries", true, true, canary::canaries),
    native("planted at boot", false, false, canary::planted)
        .checked()
        .wants(Wanted::plain("eeh_plant=inversion,leak"))
        .last(),
    native("hanging driver", false, false, failing::hanging).wants(ALONE).last(),
    native("oopsing driver", false, false, failing::oopsing).wants(ALONE).last(),
    native("power off in recovery", false, false, restart::power_off).wants(ALONE).last(),
    native("kexec", false, false, restart::kexec).checked().wants(KEXEC).last(),
    native("kexec after a panic", false, false, restart::after_panic).checked().wants(KEXEC).last(),
    native("DLPAR without EEH", false, false, dlpar::without_eeh)
        .on(PAPR)
        .freezing()
        .checked()
        .wants(Wanted::plain("eeh=off")),
    native("no EEH", false, true, boot::pseries).on(PAPR).wants(Wanted { stock: true, ..Wanted::plain("") }),
];

/// The function at an address.
pub(crate) fn at(address: &str) -> Fallible<&'static Function> {
    let mut all = Machine::Powernv10.functions().iter().chain(Machine::Pseries.functions());
    let found = all.find(|function| function.address == address);
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
