// SPDX-License-Identifier: GPL-2.0-or-later
//! Who reset what: QEMU's trace says which devices were reset and which bridges were told to, the kernel's
//! tracepoints which resets firmware was asked for.

use core::time::Duration;
use std::collections::BTreeMap;

use super::guest::Guest;
use super::machine::{CONFIG_WRITE, Machine, RESET_EVENT};
use crate::context::Fallible;

const SOON: Duration = Duration::from_secs(60);
/// Where the guest has its tracer.
pub(crate) const TRACING: &str = "/sys/kernel/tracing";
/// OPAL_PCI_RESET.
const PCI_RESET: &str = "opcode=49 ";
/// RTAS's reset of a PE.
const SLOT_RESET: &str = "ibm,set-slot-reset";
/// Bridge control, and its bit that resets the secondary bus.
const BRIDGE_CONTROL: u32 = 0x3e;
const SECONDARY_BUS_RESET: u32 = 0x40;

/// How long QEMU's trace was.
pub(crate) struct Mark(usize);

/// Firmware's answers to requests for a reset.
#[derive(Default, Debug, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) made: usize,
    pub(crate) refused: usize,
}

/// Has the kernel record its requests for resets from now on.
pub(crate) fn trace(guest: &mut Guest, machine: Machine) -> Fallible<()> {
    let (events, filter) = match machine {
        Machine::Pseries => (["rtas_input", "rtas_output"], format!("name == \"{SLOT_RESET}\"")),
        Machine::Powernv8 | Machine::Powernv9 | Machine::Powernv10 => {
            (["opal_entry", "opal_exit"], "opcode == 49".to_owned())
        }
    };
    for event in events {
        let at = format!("{TRACING}/events/powerpc/{event}");
        guest.must(&format!("echo '{filter}' >{at}/filter && echo 1 >{at}/enable"), SOON)?;
    }
    Ok(())
}

/// What the kernel recorded.
pub(crate) fn calls(guest: &mut Guest, machine: Machine) -> Fallible<Calls> {
    let trace = guest.must(&format!("grep -v '^#' {TRACING}/trace"), SOON)?;
    Ok(if machine == Machine::Pseries { rtas(&trace) } else { opal(&trace) })
}

/// A reset that OPAL makes wants time; what is answered by 0 is a release.
fn opal(trace: &str) -> Calls {
    let mut calls = Calls::default();
    let exits = trace.lines().filter_map(|line| line.split_once(": opal_exit: "));
    for answer in exits.filter_map(|(_, rest)| rest.strip_prefix(PCI_RESET)?.strip_prefix("retval=")) {
        // The tracepoint prints it as unsigned.
        let answer = answer.trim().parse().map_or(0, u64::cast_signed);
        calls.made += usize::from(answer > 0);
        calls.refused += usize::from(answer < 0);
    }
    calls
}

/// The last argument is what is asked for: 0 is a release.
fn rtas(trace: &str) -> Calls {
    let mut calls = Calls::default();
    let mut asked = false;
    for line in trace.lines() {
        if let Some((_, arguments)) = line.split_once(&format!("rtas_input: {SLOT_RESET} arguments: ")) {
            let last = arguments.trim_end_matches(['}', ' ']).rsplit([',', '{']).next().unwrap_or_default();
            asked = last != "0x0";
        } else if let Some((_, answer)) = line.split_once(&format!("rtas_output: {SLOT_RESET} status: ")) {
            let made = answer.starts_with("0,");
            calls.made += usize::from(asked && made);
            calls.refused += usize::from(asked && !made);
        }
    }
    calls
}

/// The end of QEMU's trace.
pub(crate) fn mark(guest: &Guest) -> Mark {
    Mark(text(guest).len())
}

/// How often each device of a type was reset since; one entry for each that was.
pub(crate) fn since(guest: &Guest, mark: &Mark, qemu_type: &str) -> Vec<usize> {
    devices(text(guest).get(mark.0..).unwrap_or_default(), qemu_type)
}

/// How often some bridge was told to reset its secondary bus since.
pub(crate) fn secondary_bus(guest: &Guest, mark: &Mark) -> usize {
    asserts(text(guest).get(mark.0..).unwrap_or_default())
}

fn text(guest: &Guest) -> String {
    std::fs::read_to_string(&guest.files.trace).unwrap_or_default()
}

/// A line is like `resettable_phase_hold_exec obj=0x5581(nvme) has_method=1`.
fn devices(trace: &str, qemu_type: &str) -> Vec<usize> {
    let mut by_object: BTreeMap<&str, usize> = BTreeMap::new();
    let of_type = format!("({qemu_type})");
    for line in trace.lines().filter(|line| line.contains(RESET_EVENT)) {
        if let Some((before, _)) = line.split_once(&of_type) {
            let object = before.split_once("obj=").map_or(before, |(_, object)| object);
            *by_object.entry(object.trim()).or_default() += 1;
        }
    }
    by_object.into_values().collect()
}

/// A line is like `pci_cfg_write pnv-phb4-root-port 00:00.0 @0x3e <- 0x40`.
fn asserts(trace: &str) -> usize {
    let mut held: BTreeMap<&str, bool> = BTreeMap::new();
    let mut count = 0;
    for line in trace.lines() {
        let Some((_, rest)) = line.split_once(CONFIG_WRITE) else { continue };
        let Some((device, write)) = rest.trim().split_once(" @0x") else { continue };
        let Some((offset, value)) = write.split_once(" <- 0x") else { continue };
        let (Ok(offset), Ok(value)) =
            (u32::from_str_radix(offset, 16), u32::from_str_radix(value.trim(), 16))
        else {
            continue;
        };
        if offset > BRIDGE_CONTROL || offset + 4 <= BRIDGE_CONTROL || offset < BRIDGE_CONTROL - 2 {
            continue;
        }
        let now = (value >> (8 * (BRIDGE_CONTROL - offset))) & SECONDARY_BUS_RESET != 0;
        // Endpoints have their latencies there: what is no bridge is not told by the trace, its type is.
        if !device.contains("root-port") && !device.contains("stream") && !device.contains("bridge") {
            continue;
        }
        let before = held.insert(device, now).unwrap_or(false);
        count += usize::from(now && !before);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::{Calls, asserts, devices, opal, rtas};

    #[test]
    fn each_device_is_counted_by_itself() {
        let trace = "1 resettable_phase_hold_exec obj=0x1(nvme) has_method=1\n\
            1 resettable_phase_hold_exec obj=0x2(nvme) has_method=1\n\
            1 resettable_phase_hold_exec obj=0x2(nvme) has_method=1\n\
            1 resettable_phase_hold_exec obj=0x3(igb) has_method=1\n";
        assert_eq!(devices(trace, "nvme"), [1, 2]);
        assert_eq!(devices(trace, "e1000e"), [0; 0]);
    }

    #[test]
    fn a_refused_reset_is_told_from_one_that_was_made() {
        let line = |answer: &str| format!("eehd-1 [000] d.... 1.0: opal_exit: opcode=49 retval={answer}\n");
        let trace = [line("18446744073709551610"), line("1000"), line("0")].concat();
        assert_eq!(opal(&trace), Calls { made: 1, refused: 1 });
    }

    #[test]
    fn a_release_is_no_reset() {
        let name = "ibm,set-slot-reset";
        let asked = |what: &str| {
            format!("e-1 [0] d.. 1.0: rtas_input: {name} arguments: {{0x10000,0x8000000,0x2,{what}}}\n")
        };
        let done = |status: &str| {
            format!("e-1 [0] d.. 1.0: rtas_output: {name} status: {status}, other outputs: {{}}\n")
        };
        let trace = [asked("0x1"), done("0"), asked("0x0"), done("0"), asked("0x3"), done("-8")].concat();
        assert_eq!(rtas(&trace), Calls { made: 1, refused: 1 });
    }

    #[test]
    fn a_bus_reset_begins_once() {
        let trace = "pci_cfg_write xio3130-downstream 02:00.0 @0x3e <- 0x42\n\
            pci_cfg_write xio3130-downstream 02:00.0 @0x3e <- 0x42\n\
            pci_cfg_write xio3130-downstream 02:00.0 @0x3c <- 0x20000\n\
            pci_cfg_write xio3130-downstream 02:00.0 @0x3c <- 0x420000\n\
            pci_cfg_write nvme 01:00.0 @0x3e <- 0x40\n";
        assert_eq!(asserts(trace), 2);
    }
}
