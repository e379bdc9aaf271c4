// SPDX-License-Identifier: GPL-2.0-or-later
//! The simulated firmware against what Linux's C code asked of skiboot and of QEMU's RTAS: another caller than this
//! project's, whose calls firmware must answer as it did there.
//!
//! `cargo xtask kernel conformance --keep` wrote the records (`fixtures/conformance/c-*`). Each call is made again to the
//! simulator, in the order and at the times of the record, and must get the same answer.
//!
//! * RTAS: the tracepoints tell arguments and outputs, so status, state, capabilities and times are compared
//!   exactly.
//! * OPAL: they tell opcode and return value. Arguments follow from the scenario (`common/replay.rs`); the states that
//!   came with the return value are not known. A wait (49 and 62, positive) may be 20 ms more or less: a poll answers
//!   what is left of it when it comes, and QEMU's firmware takes its time from a busy machine. How long calls
//!   took is compared in `opal_traces.rs`, on traces of a quiet one.
//!
//! Which calls C makes is not compared with this project's: it makes others, which is the point of it.

mod common;
#[path = "common/replay.rs"]
mod replay;

use core::time::Duration;
use std::collections::HashMap;
use std::sync::Arc;

use common::{address, conformance};
use eeh_pe::Bdf;
use eeh_pseries::rtas::{Address, Rtas, SlotResetState};
use replay::{Judged, Recorded, Scenario, recorded};
use test_utils::hw::{Machine, SimClock, VirtualClock};
use test_utils::opal::Version;
use test_utils::rtas::{Behaviour, Firmware, buid_of};

/// In the order in which they were recorded, in one boot.
const OPAL: [Scenario; 4] = [
    Scenario::new("c-forced-nvme-root-port", 0, 0x1fd),
    Scenario {
        device: Bdf(0x300),
        slot: Some(Bdf(0x200)),
        resets: 1,
        ..Scenario::new("c-forced-nvme-switch", 2, 0xfb)
    },
    Scenario { broken: true, ..Scenario::new("c-broken-e1000e-root-port", 1, 0xfd) },
    Scenario { fenced: true, resets: 1, ..Scenario::new("c-fenced-nvme", 5, 0xfd) },
];

fn compared(scenario: &Scenario, calls: &[Recorded]) -> (String, usize) {
    replay::replay(calls, scenario, (Version::skiboot(), Judged::Answers))
}

#[test]
fn opal_answers_c_as_skiboot_did() {
    for scenario in &OPAL {
        let calls = recorded(&conformance::file(scenario.name));
        assert!(calls.len() > 8, "{} has too few calls to prove anything", scenario.name);
        let (table, differ) = compared(scenario, &calls);
        println!("conformance {}: {} calls, {differ} differ", scenario.name, calls.len());
        println!("{table}");
        assert_eq!(differ, 0, "{table}");
    }
}

/// The comparison can fail, at each call: another answer of it is told apart.
#[test]
fn another_answer_of_opal_is_told_apart() {
    for scenario in &OPAL {
        let calls = recorded(&conformance::file(scenario.name));
        for at in 0..calls.len() {
            let mut other = calls.clone();
            other[at].answer = if calls[at].answer == 0 { -6 } else { 0 };
            let (table, differ) = compared(scenario, &other);
            assert_eq!(differ, 1, "call {at} of {}\n{table}", scenario.name);
        }
    }
}

/// A record of RTAS's calls, and what was done to the machine.
struct Partition {
    name: &'static str,
    device: &'static str,
    broken: bool,
}

const RTAS: [Partition; 2] = [
    Partition { name: "c-forced-nvme-pseries", device: "0000:01:00.0", broken: false },
    Partition { name: "c-broken-e1000e-pseries", device: "0001:01:00.0", broken: true },
];

/// The calls of a record, made again with the same arguments at the same times.
fn replay_rtas(text: &str, partition: &Partition) -> (String, usize) {
    let at = address(partition.device);
    let clock = Arc::new(VirtualClock::new());
    let machine = Machine::new(&common::fixture("powernv10"), Arc::clone(&clock) as Arc<dyn SimClock>);
    let rtas = Firmware::new(Arc::new(machine), Behaviour::default());
    if partition.broken {
        rtas.machine().phb(at.phb).expect("the PHB").break_device(at.bdf).expect("the device breaks");
    }
    let start = clock.now();
    let pe = Address { buid: buid_of(at.phb), config_addr: u32::from(at.bdf.bus()) << 16 };
    let (mut asked, mut first, mut table) = (HashMap::new(), None, String::new());
    for line in text.lines() {
        let (head, call) = line.split_once(": rtas_").expect("a call");
        let (task, seconds) = (head.split(' ').next(), head.rsplit(' ').next());
        let seconds: f64 = seconds.and_then(|time| time.parse().ok()).expect("a time");
        let passed = seconds - *first.get_or_insert(seconds);
        if let Some(input) = call.strip_prefix("input: ") {
            let arguments = conformance::words(input.split_once(" arguments: ").expect("arguments").1);
            asked.insert(task, arguments.last().copied().unwrap_or_default());
            continue;
        }
        clock.set(start.after(Duration::from_secs_f64(passed)));
        let output = call.strip_prefix("output: ").and_then(|output| output.split_once(" status: "));
        let (name, answer) = output.expect("a status");
        let (status, outputs) = answer.split_once(", other outputs: ").expect("outputs");
        let asked = asked.get(&task).copied().expect("a call that was entered");
        let kernel = (status.parse::<i32>().expect("a number"), conformance::words(outputs));
        let model = ask(&rtas, pe, (name, asked));
        let verdict = if kernel == model { "same" } else { "DIFFERS" };
        table += &format!("  {passed:>9.6} {name} {asked:#x}: {kernel:?} | {model:?} {verdict}\n");
    }
    let differ = table.matches("DIFFERS").count();
    (table, differ)
}

/// The simulator's status and outputs.
fn ask(rtas: &Firmware, pe: Address, (name, asked): (&str, u32)) -> (i32, Vec<u32>) {
    let mut state = SlotResetState::default();
    let status = match name {
        "ibm,set-eeh-option" => rtas.set_eeh_option(pe, asked),
        "ibm,set-slot-reset" => rtas.set_slot_reset(pe, asked),
        "ibm,read-slot-reset-state2" => rtas.read_slot_reset_state2(pe, &mut state),
        "ibm,slot-error-detail" => rtas.slot_error_detail(pe, &[], &mut [0; 2048], asked),
        "ibm,configure-pe" => rtas.configure_pe(pe),
        "ibm,configure-bridge" => rtas.configure_bridge(pe),
        other => panic!("{other}"),
    };
    let outputs = match name {
        "ibm,read-slot-reset-state2" => vec![state.state, state.capabilities, state.unavailable_ms],
        _ => Vec::new(),
    };
    (status, outputs)
}

#[test]
fn rtas_answers_c_as_it_did() {
    for partition in &RTAS {
        let (table, differ) = replay_rtas(&conformance::text(partition.name), partition);
        let count = table.lines().count();
        println!("conformance {}: {count} calls, {differ} differ\n{table}", partition.name);
        assert!(count > 4, "{} has too few calls to prove anything", partition.name);
        assert_eq!(differ, 0, "{table}");
    }
}

/// The comparison can fail, at each status and at each state.
#[test]
fn another_answer_of_rtas_is_told_apart() {
    for partition in &RTAS {
        let text = conformance::text(partition.name);
        for (planted, answer) in [(" status: 0,", " status: -3,"), ("outputs: {0x", "outputs: {0x7")] {
            for (at, _) in text.match_indices(planted) {
                let other = format!("{}{answer}{}", &text[..at], &text[at + planted.len()..]);
                let (table, differ) = replay_rtas(&other, partition);
                assert_eq!(differ, 1, "{table}");
            }
        }
    }
}
