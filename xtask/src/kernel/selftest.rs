// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask kernel selftest`: the kernel's own `eeh-basic.sh`, unmodified, in a QEMU whose devices really
//! freeze, and beside it what the script does not look at: drivers bound, data that come back, registers
//! before and after, and which devices were really reset, by whom.

use core::time::Duration;

use super::boot::{Rig, Wanted};
use super::build::{self, say};
use super::cache::Cache;
use super::cases::{self, SOON};
use super::guest::Guest;
use super::machine::{Function, Machine};
use super::registers::Registers;
use super::resets::{self, Calls};
use super::{Options, Variant};
use crate::context::{Context, Fallible};
use crate::report::Findings;

/// The script waits a minute for a device by itself; C needs 76 s behind a switch.
const PATIENT: &str = "EEH_MAX_WAIT=150 ";
const SCRIPT: &str = "sh ./eeh-basic.sh";
const LIMIT: Duration = Duration::from_secs(1800);
/// The script leaves devices of this driver alone, so the kernel goes without: they have none then.
const SKIPPED: &str = "ahci";
const WITHOUT_SKIPPED: &str = "initcall_blacklist=ahci_pci_driver_init";
/// Seconds that ours may take for the eight devices of a PowerNV machine.
const MOST: f64 = 30.0;

/// What a run of the script showed.
pub(crate) struct Outcome {
    /// Guest's seconds.
    pub(crate) took: f64,
    /// Devices that the script tested, and those of them that it says failed.
    pub(crate) tested: usize,
    /// C: any.
    pub(crate) failed: usize,
    /// Devices that QEMU reset at least once.
    pub(crate) reset: usize,
}

/// Builds, boots each machine, runs the script there.
pub(crate) fn run(
    ctx: &Context,
    cache: &Cache,
    options: &Options,
    (machines, built): (&[Machine], bool),
) -> Fallible<Findings> {
    let kernel = build::built_or(ctx, cache, options, built)?;
    let rig = Rig::new(ctx, cache, options, &kernel)?;
    if !rig.freezes() {
        return Ok(Findings::not_run("no QEMU whose devices freeze; run cargo xtask qemu build"));
    }
    let mut all = Findings::default();
    for machine in machines {
        let (_, mut findings) = on(&rig, *machine, options.variant)?;
        for text in findings.failures.iter_mut().chain(&mut findings.notes) {
            *text = format!("{}: {text}", machine.name());
        }
        all.absorb(findings);
    }
    Ok(all)
}

/// Boots a machine and runs the script.
pub(crate) fn on(rig: &Rig, machine: Machine, variant: Variant) -> Fallible<(Outcome, Findings)> {
    let name = format!("{}-selftest", machine.name());
    let mut guest = rig.guest(&name, machine, Wanted::plain(WITHOUT_SKIPPED))?;
    let mut findings = Findings::default();
    let done = script(&mut guest, &mut findings, (machine, variant));
    if !findings.failures.is_empty() {
        // Into the transcript: what the kernel has to say to it.
        guest.run("dmesg | tail -n 200", SOON)?;
    }
    std::fs::write(guest.files.dir.join("selftest.log"), guest.take_transcript())?;
    done.map(|outcome| (outcome, findings))
}

fn script(
    guest: &mut Guest,
    findings: &mut Findings,
    (machine, variant): (Machine, Variant),
) -> Fallible<Outcome> {
    let functions = machine.functions();
    all_work(guest, findings, functions)?;
    resets::trace(guest, machine)?;
    let before = Registers::of(guest)?;
    let mark = resets::mark(guest);
    let patience = if variant == Variant::C { PATIENT } else { "" };
    let line = format!("cd /selftests; start=$(now); {patience}{SCRIPT}; echo took $start $(now)");
    let output = guest.must(&line, LIMIT)?;
    let verdict = output.lines().rev().find_map(verdict);
    let took = took(&output).ok_or("the script did not end")?;
    say(std::time::Instant::now(), &format!("{} in {took:.1} s: {verdict:?}", machine.name()));
    findings.check(verdict == Some((0, functions.len())), || {
        format!("eeh-basic.sh (failed, tested): {verdict:?}: {}", crate::process::tail(&output, 5))
    });
    let (failed, tested) = verdict.unwrap_or((functions.len(), functions.len()));
    findings.notes.push(format!("eeh-basic.sh took {took:.1} s for {tested} functions"));
    if variant == Variant::Rust && machine != Machine::Pseries {
        findings.check(took <= MOST, || format!("eeh-basic.sh took {took:.1} s, wanted at most {MOST} s"));
    }
    all_work(guest, findings, functions)?;
    let judged = before.judge(&Registers::of(guest)?);
    findings.notes.push(format!("{} bytes of registers are as before", judged.compared));
    findings.notes.extend(judged.allowed.iter().map(|text| format!("differs, as it may: {text}")));
    findings.check(judged.compared > 0 && judged.wrong.is_empty(), || {
        format!("registers that differ: {}", judged.wrong.join(", "))
    });
    let calls = resets::calls(guest, machine)?;
    let reset = count_resets(guest, findings, (machine, variant), &mark, &calls);
    Ok(Outcome { took, tested, failed, reset })
}

/// Judges the resets of each device; answers how many devices had one.
fn count_resets(
    guest: &Guest,
    findings: &mut Findings,
    (machine, variant): (Machine, Variant),
    mark: &resets::Mark,
    calls: &Calls,
) -> usize {
    let functions = machine.functions();
    let mut types: Vec<_> = functions.iter().map(|function| function.qemu).collect();
    types.sort_unstable();
    types.dedup();
    let mut all = 0;
    for qemu in types {
        let wanted = functions.iter().filter(|function| function.qemu == qemu).count();
        let made = resets::since(guest, mark, qemu);
        all += made.len();
        findings.notes.push(format!("{} of {wanted} {qemu} were reset, {:?} times", made.len(), made));
        // C takes the refused first reset of a root port for success, and resets nothing there.
        if variant == Variant::Rust {
            findings.check(made.len() >= wanted, || format!("{} of {wanted} {qemu} were reset", made.len()));
        }
    }
    let bus = resets::secondary_bus(guest, mark);
    findings.notes.push(format!(
        "resets by firmware: {} made, {} refused; secondary bus resets in configuration space: {bus}, firmware's own included",
        calls.made, calls.refused
    ));
    all
}

fn all_work(guest: &mut Guest, findings: &mut Findings, functions: &[Function]) -> Fallible<()> {
    for function in functions {
        if function.driver == SKIPPED {
            cases::healthy(findings, guest, function)?;
        } else {
            cases::works(findings, guest, function)?;
        }
    }
    Ok(())
}

/// Takes the script's last line apart: how many failed, of how many.
fn verdict(line: &str) -> Option<(usize, usize)> {
    let (failed, rest) = line.trim().split_once(" devices failed to recover (")?;
    Some((failed.parse().ok()?, rest.strip_suffix(" tested)")?.parse().ok()?))
}

fn took(output: &str) -> Option<f64> {
    let line = output.lines().rev().find_map(|line| line.trim().strip_prefix("took "))?;
    let (start, end) = line.split_once(' ')?;
    Some(end.parse::<f64>().ok()? - start.parse::<f64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::{took, verdict};

    #[test]
    fn the_last_line_of_the_script_is_the_verdict() {
        assert_eq!(verdict("0 devices failed to recover (7 tested)"), Some((0, 7)));
        assert_eq!(verdict("Breaking 0000:01:00.0..."), None);
    }

    #[test]
    fn the_guest_s_clock_counts() {
        assert_eq!(took("Breaking 0000:01:00.0...\ntook 10.25 21.75"), Some(11.5));
        assert_eq!(took("0 devices failed"), None);
    }
}
