// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask kernel conformance`: the firmware calls of both variants in a few scenarios, recorded by the kernel's
//! tracepoints, against those of the simulator in the same scenarios (`crates/test-utils/tests/conformance.rs`).

use core::time::Duration;
use std::path::{Path, PathBuf};

use super::boot::{Rig, Wanted};
use super::build;
use super::cache::{Cache, write_if_changed};
use super::cases::{self, SOON};
use super::guest::Guest;
use super::machine::Machine;
use super::resets::TRACING;
use super::{Config, Options, Variant};
use crate::context::{Context, Fallible};
use crate::process;
use crate::report::Findings;

const LONG: Duration = Duration::from_secs(300);
/// Where the recorded calls are kept in the repository.
const KEPT: &str = "fixtures/conformance";
/// Tells the test that there are others.
const PLACE: &str = "EEH_CONFORMANCE";
/// EEH's calls: those of configuration space and of interrupts are the kernel's.
const OPAL: [u32; 7] = [23, 26, 49, 60, 62, 64, 97];
const RTAS: [&str; 5] =
    ["set-eeh-option", "set-slot-reset", "read-slot-reset", "slot-error-detail", "configure-"];

/// What is done to a device.
struct Scenario {
    name: &'static str,
    machine: Machine,
    device: &'static str,
    /// Shell; `@` is the device.
    work: &'static str,
}

const FORCED: &str = "recover @";
const BROKEN: &str = "echo @ >$eeh_debug/eeh_dev_break; echo @ >$eeh_debug/eeh_dev_check";
const FENCED: &str =
    "echo 0x8000000000000000 >$eeh_debug/PCI$(phb @)/err_injct_outbound; echo @ >$eeh_debug/eeh_dev_check";

const fn scenario(
    name: &'static str,
    machine: Machine,
    device: &'static str,
    work: &'static str,
) -> Scenario {
    Scenario { name, machine, device, work }
}

const SCENARIOS: [Scenario; 6] = [
    scenario("forced-nvme-root-port", Machine::Powernv10, "0000:01:00.0", FORCED),
    scenario("forced-nvme-switch", Machine::Powernv10, "0002:03:00.0", FORCED),
    scenario("broken-e1000e-root-port", Machine::Powernv10, "0001:01:00.0", BROKEN),
    scenario("fenced-nvme", Machine::Powernv10, "0005:01:00.0", FENCED),
    scenario("forced-nvme-pseries", Machine::Pseries, "0000:00:01.0", FORCED),
    scenario("broken-e1000e-pseries", Machine::Pseries, "0001:00:01.0", BROKEN),
];

/// Records both variants, then compares; `keep` puts the record into the repository.
pub(crate) fn run(
    ctx: &Context,
    cache: &Cache,
    options: &Options,
    (built, keep): (bool, bool),
) -> Fallible<Findings> {
    let mut findings = Findings::default();
    let to = cache.dir("run/conformance")?;
    for variant in [Variant::C, Variant::Rust] {
        let options = Options { variant, config: Config::Speed, ..options.clone() };
        let kernel = build::built_or(ctx, cache, &options, built)?;
        let rig = Rig::new(ctx, cache, &options, &kernel)?;
        if !rig.freezes() {
            return Ok(Findings::not_run("no QEMU whose devices freeze; run cargo xtask qemu build"));
        }
        // OPAL's tracepoints tell no arguments: C's calls are in `fixtures/linux-7.3-c`, where they were inferred.
        let native = (variant == Variant::Rust).then_some(Machine::Powernv10);
        for machine in native.into_iter().chain([Machine::Pseries]) {
            let mut guest =
                rig.guest(&format!("{}-conformance", machine.name()), machine, Wanted::plain(""))?;
            enable(&mut guest, machine)?;
            for scenario in SCENARIOS.iter().filter(|scenario| scenario.machine == machine) {
                let file = format!("{}-{}.txt", variant.name(), scenario.name);
                let trace = record(&mut guest, scenario, &mut findings)?;
                println!("         {file}: {} lines", trace.lines().count());
                write_if_changed(&to.join(&file), trace.as_bytes())?;
                if keep {
                    write_if_changed(&ctx.root.join(KEPT).join(&file), trace.as_bytes())?;
                }
            }
            std::fs::write(guest.files.dir.join("transcript.log"), guest.take_transcript())?;
        }
    }
    compare(ctx, cache, &to, &mut findings)?;
    Ok(findings)
}

fn enable(guest: &mut Guest, machine: Machine) -> Fallible<()> {
    let (events, filter) = if machine == Machine::Pseries {
        let names: Vec<String> = RTAS.iter().map(|name| format!("name ~ \"ibm,{name}*\"")).collect();
        (["rtas_input", "rtas_output"], names.join(" || "))
    } else {
        let codes: Vec<String> = OPAL.iter().map(|code| format!("opcode == {code}")).collect();
        (["opal_entry", "opal_exit"], codes.join(" || "))
    };
    for event in events {
        let at = format!("{TRACING}/events/powerpc/{event}");
        guest.must(&format!("echo '{filter}' >{at}/filter && echo 1 >{at}/enable"), SOON)?;
    }
    Ok(())
}

/// The calls of one recovery; afterwards the device works.
fn record(guest: &mut Guest, scenario: &Scenario, findings: &mut Findings) -> Fallible<String> {
    let function = cases::at(scenario.device)?;
    let work = scenario.work.replace('@', scenario.device);
    guest.must(&format!("dmesg -c >/dev/null; echo >{TRACING}/trace; mark conformance; {work}"), SOON)?;
    guest.must("log_wait conformance 'EEH: Recovery successful' 1 200", LONG)?;
    let trace = guest.must(&format!("grep -v '^#' {TRACING}/trace"), LONG)?;
    cases::works(findings, guest, function)?;
    // Of its own threads: how often drivers look meanwhile is a matter of time.
    let own = trace.lines().map(str::trim).filter(|line| line.starts_with("eeh"));
    Ok(own.map(|line| format!("{line}\n")).collect())
}

/// The host's test, on what was recorded now.
fn compare(ctx: &Context, cache: &Cache, to: &Path, findings: &mut Findings) -> Fallible<()> {
    let log: PathBuf = cache.log("conformance")?;
    let mut command = ctx.cargo();
    command.args(["test", "--package", "test-utils", "--test", "conformance", "--", "--nocapture"]);
    command.env(PLACE, to);
    let run = process::run_to(&log, &mut command, LONG * 4, &mut |_| ())?;
    findings
        .notes
        .extend(run.output.lines().filter(|line| line.starts_with("conformance")).map(str::to_owned));
    findings.check(run.ok(), || format!("log {}:\n{}", log.display(), process::tail(&run.output, 60)));
    Ok(())
}
