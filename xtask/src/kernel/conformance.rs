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
        for machine in [Machine::Powernv10, Machine::Pseries] {
            let mut guest =
                rig.guest(&format!("{}-conformance", machine.name()), machine, Wanted::plain(""))?;
            enable(&mut guest, machine)?;
            for scenario in SCENARIOS.iter().filter(|scenario| scenario.machine == machine) {
                let file = format!("{}-{}.txt", variant.name(), scenario.name);
                let trace = record(&mut guest, scenario, &mut findings)?;
                let trace = kept(&trace, variant, machine);
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
    Ok(trace)
}

/// Of EEH's own threads, and of the shell that asks for a check: how often drivers look meanwhile is a matter of
/// time. C's OPAL calls are made again one by one, so there it is all tasks.
fn kept(trace: &str, variant: Variant, machine: Machine) -> String {
    let all = variant == Variant::C && machine == Machine::Powernv10;
    let mut lines: Vec<&str> = Vec::new();
    for line in trace.lines().map(str::trim) {
        if all || line.starts_with("eeh") || line.starts_with("init-1 ") {
            lines.push(line);
        }
        if all && looks_again(&lines) {
            lines.truncate(lines.len() - 2);
        }
    }
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

/// Whether the last call of a trace asks for the state that the one before asked for, with the same answer: C's
/// worker looks at a frozen device's state for each register that it reads.
fn looks_again(lines: &[&str]) -> bool {
    let call = |line: &str| {
        let (task, call) = (line.split_whitespace().next()?, line.split_once(": opal_")?.1);
        Some((task.to_owned(), call.to_owned()))
    };
    let [.., first, answered, again, last] = lines else { return false };
    last.contains("opal_exit: opcode=23 ") && call(first) == call(again) && call(answered) == call(last)
}

/// The host's test, on what was recorded now.
fn compare(ctx: &Context, cache: &Cache, to: &Path, findings: &mut Findings) -> Fallible<()> {
    let log: PathBuf = cache.log("conformance")?;
    let mut command = ctx.cargo();
    command.args([
        "test",
        "--package",
        "test-utils",
        "--test",
        "conformance",
        "--test",
        "conformance_c",
        "--",
        "--nocapture",
    ]);
    command.env(PLACE, to);
    let run = process::run_to(&log, &mut command, LONG * 4, &mut |_| ())?;
    findings
        .notes
        .extend(run.output.lines().filter(|line| line.starts_with("conformance")).map(str::to_owned));
    findings.check(run.ok(), || format!("log {}:\n{}", log.display(), process::tail(&run.output, 60)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Machine, Variant, kept};

    #[test]
    fn what_is_asked_again_is_left_out_of_what_c_asks() {
        let line =
            |task: &str, at: u8, what: &str| format!("  {task}-29   [001] d....  4.{at:06}: opal_{what}\n");
        let look = |task: &str, at: u8, answer: u8| {
            line(task, at, "entry: opcode=23")
                + &line(task, at + 1, &format!("exit: opcode=23 retval={answer}"))
        };
        let trace =
            [look("eehd", 1, 0), look("eehd", 3, 0), look("eehd", 5, 1), look("kworker", 7, 1)].concat();
        let lines = |variant, machine| kept(&trace, variant, machine).lines().count();
        assert_eq!(lines(Variant::C, Machine::Powernv10), 6);
        assert_eq!(lines(Variant::C, Machine::Pseries), 6);
        assert_eq!(lines(Variant::Rust, Machine::Powernv10), 6);
        assert!(kept(&trace, Variant::C, Machine::Powernv10).contains("kworker"));
        assert!(!kept(&trace, Variant::Rust, Machine::Powernv10).contains("kworker"));
    }
}
