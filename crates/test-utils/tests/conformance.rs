// SPDX-License-Identifier: GPL-2.0-or-later
//! The simulated firmware against a kernel's record of the same scenario.
//!
//! `cargo xtask kernel conformance --keep` wrote `fixtures/conformance`: the firmware calls that this EEH
//! (`rust-`) and Linux's (`c-`: `conformance_c.rs`) made on QEMU's machines, by the kernel's tracepoints. Here the same is done
//! to the simulator, and what was asked and answered is compared.
//!
//! * `rust-`: the simulator runs the same code, so it must make the same calls in the same order, with the same
//!   answers. Of calls for a state, those that repeat the last answer are left out: how often somebody looks is a
//!   matter of time. So is OPAL_PCI_NEXT_ERROR (60): whether the interrupt or a driver's read comes first is
//!   a race. Waits that follow each other count as one, by how long it all took: a poll answers what is
//!   left of a wait, so each answer depends on how fast the machine is. The kernel may be slower, not faster.

mod common;

use core::time::Duration;

use common::{address, conformance, ms};
use eeh_pe::Bdf;
use test_utils::engine::Fault;
use test_utils::hw::Timing;
use test_utils::journal::Made;
use test_utils::linux::{FirmwareKind, Wish};
use test_utils::opal::{Quirks, Version};

/// Milliseconds that a kernel's wait may be shorter: OPAL's answers are whole ones, and a poll may be early.
const SHORTER: i64 = 20;
/// Milliseconds that it may be longer, on a busy machine.
const LONGER: i64 = 3000;

/// One call of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Seen {
    name: String,
    function: u32,
    answer: i64,
    state: u32,
    /// Milliseconds, when it was answered.
    at: i64,
}

impl Seen {
    fn of(made: &Made) -> Self {
        let name = made.name.to_owned();
        let at = made.at.after(made.took).as_nanos() / 1_000_000;
        Self { name, function: made.function, answer: made.answer, state: made.state, at: at.cast_signed() }
    }

    /// OPAL's calls whose positive answer is a time to wait.
    fn is_wait(&self) -> bool {
        matches!(self.name.as_str(), "49" | "62") && self.answer > 0
    }

    fn looks(&self) -> bool {
        matches!(self.name.as_str(), "23" | "ibm,read-slot-reset-state2")
    }

    fn text(&self) -> String {
        format!("{} {} -> {} {}", self.name, self.function, self.answer, self.state)
    }
}

/// When a line of a trace was written.
fn milliseconds(line: &str) -> i64 {
    let (seconds, micros) =
        line.split_whitespace().find_map(|word| word.strip_suffix(':')?.split_once('.')).expect("a time");
    1000 * seconds.parse::<i64>().expect("seconds") + micros.parse::<i64>().expect("microseconds") / 1000
}

/// The calls of EEH's own threads, and of who asked for a check, in a trace.
fn recorded(name: &str) -> Vec<Seen> {
    let text = conformance::text(name);
    let mut function = 0;
    let mut calls = Vec::new();
    for line in text.lines() {
        let at = milliseconds(line);
        if let Some((_, call)) = line.split_once(": opal_exit: opcode=") {
            let (name, answer) = call.split_once(" retval=").expect("an answer");
            let answer = answer.trim().parse::<u64>().expect("a number").cast_signed();
            calls.push(Seen { name: name.to_owned(), function: 0, answer, state: 0, at });
        } else if let Some((_, call)) = line.split_once(": rtas_input: ") {
            let (name, arguments) = call.split_once(" arguments: ").expect("arguments");
            let last = conformance::words(arguments).last().copied().expect("at least one");
            // The others end with the Unit ID.
            let asks = matches!(name, "ibm,set-eeh-option" | "ibm,set-slot-reset" | "ibm,slot-error-detail");
            function = if asks { last } else { 0 };
        } else if let Some((_, call)) = line.split_once(": rtas_output: ") {
            let (name, rest) = call.split_once(" status: ").expect("a status");
            let (answer, outputs) = rest.split_once(", other outputs: ").expect("outputs");
            let state = if name == "ibm,read-slot-reset-state2" {
                conformance::words(outputs).first().copied()
            } else {
                None
            };
            let answer = answer.parse().expect("a number");
            calls.push(Seen { name: name.to_owned(), function, answer, state: state.unwrap_or(0), at });
        }
    }
    assert!(calls.len() > 4, "{name} has too few calls to prove anything");
    calls
}

/// Leaves out looks that saw what the one before saw, and makes one of waits that follow each other: its answer
/// is the time until the call after them was answered.
fn condensed(calls: impl IntoIterator<Item = Seen>) -> Vec<Seen> {
    let mut kept: Vec<Seen> = Vec::new();
    for call in calls.into_iter().filter(|call| call.name != "60") {
        match kept.last_mut() {
            Some(last) if call.looks() && last.text() == call.text() => continue,
            Some(last) if last.is_wait() && call.is_wait() => continue,
            Some(last) if last.is_wait() => last.answer = (call.at - last.at).max(1),
            _ => {}
        }
        kept.push(call);
    }
    kept
}

fn same(kernel: &Seen, model: &Seen) -> bool {
    let answers = if kernel.is_wait() && model.is_wait() {
        (-SHORTER..=LONGER).contains(&(kernel.answer - model.answer))
    } else {
        kernel.answer == model.answer
    };
    (&kernel.name, kernel.function, kernel.state) == (&model.name, model.function, model.state) && answers
}

/// A table of both, aligned, and how many lines are in one only.
fn differences(kernel: &[Seen], model: &[Seen]) -> (String, usize) {
    // The longest common subsequence, from the end.
    let (rows, columns) = (kernel.len(), model.len());
    let mut best = vec![vec![0_usize; columns + 1]; rows + 1];
    for i in (0..rows).rev() {
        for j in (0..columns).rev() {
            let skip = best[i + 1][j].max(best[i][j + 1]);
            best[i][j] = if same(&kernel[i], &model[j]) { skip.max(best[i + 1][j + 1] + 1) } else { skip };
        }
    }
    let (mut i, mut j, mut table, mut count) = (0, 0, String::new(), 0);
    while i < rows || j < columns {
        if i < rows && j < columns && same(&kernel[i], &model[j]) && best[i][j] == best[i + 1][j + 1] + 1 {
            table += &format!("  {:<44} {}\n", kernel[i].text(), model[j].text());
            (i, j) = (i + 1, j + 1);
        } else if j >= columns || i < rows && best[i + 1][j] >= best[i][j + 1] {
            table += &format!("K {:<44}\n", kernel[i].text());
            (i, count) = (i + 1, count + 1);
        } else {
            table += &format!("S {:<44} {}\n", "", model[j].text());
            (j, count) = (j + 1, count + 1);
        }
    }
    (table, count)
}

/// The simulator's calls in a scenario.
fn simulated(firmware: FirmwareKind, fault: Fault) -> Vec<Seen> {
    let scenario = common::Scenario::on("powernv10").firmware(firmware).at(ms(10), fault);
    let linux = scenario.boot();
    // QEMU's links train at once.
    for hardware in (0..6).filter_map(|phb| linux.hardware(phb)) {
        hardware.set_timing(Bdf(0), Timing { link_after: Duration::ZERO, ..Timing::default() });
    }
    if let Some(opal) = linux.opal() {
        opal.honest().journal().begin();
    }
    if let Some(rtas) = linux.rtas() {
        rtas.honest().journal().begin();
    }
    let done = scenario.run_on(linux);
    done.assert_healthy();
    let opal = done.linux.opal().map(|opal| opal.honest().journal().end());
    let rtas = done.linux.rtas().map(|rtas| rtas.honest().journal().end());
    opal.or(rtas).expect("one of both").iter().map(Seen::of).collect()
}

fn compare(name: &str, firmware: FirmwareKind, fault: Fault) {
    let kernel = condensed(recorded(name));
    let model = condensed(simulated(firmware, fault));
    let (table, count) = differences(&kernel, &model);
    println!(
        "conformance {name}: {} calls of the kernel, {} of the simulator, {count} differ",
        kernel.len(),
        model.len()
    );
    println!("{table}");
    assert_eq!(count, 0, "{name}\n{table}");
}

fn force(device: &str) -> Fault {
    let at = address(device);
    Fault::Wish(at.phb, at.bdf, Wish::Force)
}

#[test]
fn a_forced_recovery_under_a_root_port() {
    compare("rust-forced-nvme-root-port", Version::skiboot().into(), force("0000:01:00.0"));
}

#[test]
fn a_forced_recovery_behind_a_switch() {
    compare("rust-forced-nvme-switch", Version::skiboot().into(), force("0002:03:00.0"));
}

#[test]
fn a_freeze_by_a_load() {
    compare("rust-broken-e1000e-root-port", Version::skiboot().into(), common::breaks("0001:01:00.0"));
}

#[test]
fn a_fence() {
    // QEMU's skiboot: nothing tells of a fence but the first read of all ones.
    let silent = Version::Skiboot(Quirks { fence_is_silent: true, ..Quirks::default() });
    compare("rust-fenced-nvme", silent.into(), Fault::Fence(5));
}

#[test]
fn a_forced_recovery_of_a_partition() {
    compare("rust-forced-nvme-pseries", FirmwareKind::pseries(), force("0000:01:00.0"));
}

#[test]
fn a_freeze_by_a_load_of_a_partition() {
    compare("rust-broken-e1000e-pseries", FirmwareKind::pseries(), common::breaks("0001:01:00.0"));
}

/// The comparison can fail, at each call: another answer of it is told apart.
#[test]
fn another_answer_is_told_apart() {
    for (name, firmware, device) in [
        ("rust-forced-nvme-root-port", Version::skiboot().into(), "0000:01:00.0"),
        ("rust-forced-nvme-pseries", FirmwareKind::pseries(), "0000:01:00.0"),
    ] {
        let kernel = condensed(recorded(name));
        let model = condensed(simulated(firmware, force(device)));
        for at in 0..kernel.len() {
            let mut other = kernel.clone();
            other[at].answer = if kernel[at].answer == 0 { -6 } else { 0 };
            let (table, count) = differences(&other, &model);
            assert!(count > 0, "call {at} of {name}\n{table}");
        }
    }
}
