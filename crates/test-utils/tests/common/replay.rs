// SPDX-License-Identifier: GPL-2.0-or-later
//! Makes a kernel's recorded OPAL calls again, to the firmware model.
//!
//! A trace has opcodes, return values and times, no arguments. These follow from the scenario: the PE of the
//! broken device; its root port's PHB, or the slot of the switch port above; the first 49 of a reset asserts, the last
//! deasserts; 26 comes in pairs (MMIO, then DMA) or alone (both); 60 goes through the PHBs in order and stops at
//! the first fresh error.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use core::fmt::Write as _;
use core::time::Duration;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use eeh_pe::{Bdf, Time};
use eeh_powernv::opal::{FreezeStatus, NextErrorOut, Opal, action, error, reset, scope, slot_id};
use test_utils::hw::{Machine, Resets, SimClock, Timing, VirtualClock};
use test_utils::opal::{Firmware, Version};
use test_utils::topology::Topology;

const TOLERANCE: Duration = Duration::from_millis(20);
const COMPARED: [u32; 7] = [23, 26, 49, 60, 62, 64, 97];
const DIAG_SIZE: usize = 0x2180;

/// One recorded call.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub opcode: u32,
    entry: Time,
    exit: Time,
    pub answer: i64,
    /// Time inside the call after it had the PHB's lock.
    took: Duration,
}

fn seconds(text: &str) -> Time {
    let (whole, micros) = text.split_once('.').expect("seconds.microseconds");
    let micros: u64 = micros.parse().expect("microseconds");
    let whole: u64 = whole.parse().expect("seconds");
    Time::from_nanos(1000 * (1_000_000 * whole + micros))
}

/// The calls of a trace, in the order in which they returned.
pub fn recorded(path: &Path) -> Vec<Recorded> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut open: HashMap<&str, (Time, Time)> = HashMap::new();
    let mut last_exit = Time::ZERO;
    let mut calls = Vec::new();
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let words: Vec<_> = line.split_whitespace().collect();
        let (task, at) = (words[0], seconds(words[3].trim_end_matches(':')));
        if words[4] == "opal_entry:" {
            open.insert(task, (at, last_exit));
            continue;
        }
        let number = |prefix: &str| {
            words.iter().find_map(|w| w.strip_prefix(prefix)).unwrap_or_else(|| panic!("{line}"))
        };
        let (entry, before) = open.remove(task).expect("an exit has its entry");
        // Another call returned while this one was inside: it had the lock.
        let start = if last_exit > before { entry.max(last_exit) } else { entry };
        last_exit = at;
        let opcode = number("opcode=").parse().expect("a number");
        let answer = number("retval=").parse::<u64>().expect("a number").cast_signed();
        if COMPARED.contains(&opcode) {
            calls.push(Recorded { opcode, entry, exit: at, answer, took: at.since(start) });
        }
    }
    calls
}

/// What was done to the machine.
pub struct Scenario {
    /// Of the trace.
    pub name: &'static str,
    pub phb: u32,
    pub device: Bdf,
    pub pe: u64,
    /// The bridge whose slot is reset; `None`: the PHB's.
    pub slot: Option<Bdf>,
    pub broken: bool,
    /// The PHB is fenced, and reset as a whole.
    pub fenced: bool,
    /// A refused reset before.
    pub armed: bool,
    /// How often the device is reset.
    pub resets: u32,
}

impl Scenario {
    pub const fn new(name: &'static str, phb: u32, pe: u64) -> Self {
        let device = Bdf(0x100);
        Self { name, phb, device, pe, slot: None, broken: false, fenced: false, armed: false, resets: 0 }
    }
}

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judged {
    /// Each answer exactly, and how long the call took.
    AnswersAndTimes,
    /// Each answer; of a time that firmware asks to wait, when it is over: QEMU's firmware counts it from somewhere
    /// within a call, which takes its time on a busy machine. A poll tells of a wait that a call before it began.
    Answers,
}

impl Judged {
    /// Whether firmware did the same with a call that began and was answered at these times, after others that took so
    /// long.
    fn same(self, call: &Recorded, answer: i64, (begin, now, slack): (Time, Time, Duration)) -> bool {
        match self {
            Self::AnswersAndTimes => {
                answer == call.answer && now.since(begin).abs_diff(call.took) <= TOLERANCE
            }
            Self::Answers if matches!(call.opcode, 49 | 62) && call.answer > 0 => {
                let over = |at: Time, answer: i64| at.after(Duration::from_millis(answer.unsigned_abs()));
                let ours = over(now, answer);
                let (soonest, latest) = (over(call.entry, call.answer), over(call.exit, call.answer));
                answer > 0 && soonest.since(ours).max(ours.since(latest)) <= TOLERANCE + slack
            }
            Self::Answers => answer == call.answer,
        }
    }
}

/// The model, and what C would know at this point of the scenario.
struct Replay<'a> {
    scenario: &'a Scenario,
    clock: Arc<VirtualClock>,
    firmware: Firmware,
    slot: u64,
    next_phb: u64,
    isolated: bool,
    asserted: bool,
}

impl<'a> Replay<'a> {
    fn new(scenario: &'a Scenario, start: Time, version: Version) -> Self {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        let spec = Topology::load(fixtures.join("powernv10")).expect("the fixture loads");
        let clock = Arc::new(VirtualClock::new());
        let machine = Arc::new(Machine::new(&spec, Arc::clone(&clock) as Arc<dyn SimClock>));
        let firmware = Firmware::new(machine, version);
        let phb = u64::from(scenario.phb);
        let slot = scenario.slot.map_or(phb, |b| slot_id(phb, b.0));
        clock.set(start);
        // QEMU's links train at once.
        let at_once = Timing { link_after: Duration::ZERO, ..Timing::default() };
        firmware.machine().phb(scenario.phb).expect("the PHB").set_timing(Bdf(0), at_once);
        let replay = Self { scenario, clock, firmware, slot, next_phb: 0, isolated: false, asserted: false };
        if scenario.armed {
            replay.firmware.pci_reset(slot, scope::PCI_HOT, reset::ASSERT);
        }
        if scenario.broken {
            let hw = replay.firmware.machine().phb(scenario.phb).expect("the PHB");
            hw.break_device(scenario.device)
                .or_else(|_| {
                    // The ahci had no driver: its memory is off, and any load breaks it.
                    let command = hw.config_read(scenario.device, 4, 2).expect("open");
                    hw.config_write(scenario.device, 4, 2, command | 2).expect("open");
                    hw.break_device(scenario.device)
                })
                .expect("the device breaks");
            assert!(hw.error_raised());
        }
        if scenario.fenced {
            replay.firmware.machine().phb(scenario.phb).expect("the PHB").fence();
        }
        replay
    }

    /// Makes one call as C made it; `pair`: which of a pair of 26 it is, if of any.
    fn call(&mut self, opcode: u32, pair: Option<bool>) -> i64 {
        let (fw, phb, pe) = (&self.firmware, u64::from(self.scenario.phb), self.scenario.pe);
        match opcode {
            23 => fw.pci_eeh_freeze_status(phb, pe, &mut FreezeStatus::default()),
            26 => {
                let which = match pair {
                    Some(true) => action::MMIO,
                    Some(false) => action::DMA,
                    None => action::ALL,
                };
                fw.pci_eeh_freeze_clear(phb, pe, which)
            }
            49 => {
                let assert = if self.asserted { reset::DEASSERT } else { reset::ASSERT };
                self.asserted = !self.asserted;
                let scope = if self.scenario.fenced { scope::PHB_COMPLETE } else { scope::PCI_HOT };
                fw.pci_reset(self.slot, scope, assert)
            }
            60 => self.next_error(),
            62 => fw.pci_poll(self.slot),
            64 => fw.pci_get_phb_diag_data2(phb, &mut [0; DIAG_SIZE]),
            97 => {
                self.isolated = true;
                fw.pci_eeh_freeze_set(phb, pe, action::ALL)
            }
            other => panic!("opcode {other}"),
        }
    }

    fn next_error(&mut self) -> i64 {
        let mut out = NextErrorOut::default();
        let phb = self.next_phb;
        let answer = self.firmware.pci_next_error(phb, &mut out);
        let fresh = out.pci_error_type == error::PE && !self.isolated;
        if out.pci_error_type == error::PE {
            assert_eq!((phb, out.first_frozen_pe), (u64::from(self.scenario.phb), self.scenario.pe));
        }
        self.next_phb = if fresh { 0 } else { (phb + 1) % 6 };
        answer
    }
}

/// Which of a pair a clear is: the first if another follows within a millisecond.
fn pair(calls: &[Recorded], at: usize) -> Option<bool> {
    let near = |other: Option<&Recorded>| {
        other.is_some_and(|o| {
            o.entry.since(calls[at].exit).max(calls[at].entry.since(o.exit)) < Duration::from_millis(1)
        })
    };
    let mut clears = calls[at + 1..].iter().filter(|c| c.opcode == 26);
    if near(clears.next()) {
        return Some(true);
    }
    near(calls[..at].iter().rev().find(|c| c.opcode == 26)).then_some(false)
}

/// Replays a trace; the table of what was compared, and how many lines differ.
pub fn replay(
    calls: &[Recorded],
    scenario: &Scenario,
    (version, judged): (Version, Judged),
) -> (String, usize) {
    let mut model = Replay::new(scenario, calls[0].entry, version);
    let mut table = String::new();
    let mut differences = 0;
    let mut compared = 0;
    let mut slack = Duration::ZERO;
    let mut last = None;
    for (at, c) in calls.iter().enumerate() {
        // A quick call has its effect when it returns, a long one is the model's to spend.
        let long = c.took > TOLERANCE / 2;
        let begin =
            if long { Time::from_nanos(c.exit.as_nanos() - c.took.as_nanos() as u64) } else { c.exit };
        model.clock.set(begin);
        let answer = model.call(c.opcode, pair(calls, at));
        let now = model.clock.now();
        let took = now.since(begin);
        let same = judged.same(c, answer, (begin, now, slack));
        slack = if matches!(c.opcode, 49 | 62) { slack.max(c.took) } else { slack };
        let repeat = last == Some((c.opcode, c.answer)) && c.opcode == 23;
        last = Some((c.opcode, c.answer));
        differences += usize::from(!same);
        if repeat && same {
            continue;
        }
        compared += 1;
        let verdict = if same { "same" } else { "DIFFERS" };
        let _ = writeln!(
            table,
            "  {:>10.6} {:>3} {:>6} {:>9.3} ms | {:>6} {:>9.3} ms  {verdict}",
            c.entry.as_nanos() as f64 / 1e9,
            c.opcode,
            c.answer,
            c.took.as_secs_f64() * 1e3,
            answer,
            took.as_secs_f64() * 1e3,
        );
    }
    if differences == 0 {
        let hw = model.firmware.machine().phb(scenario.phb).expect("the PHB");
        let resets = Resets { asserted: scenario.resets, released: scenario.resets };
        assert_eq!(hw.resets(scenario.device), Some(resets), "{}", scenario.name);
    }
    let head = format!(
        "{}: {} calls, {compared} lines, {differences} differ\n          at  op   C: answer      took |  model: answer      took\n",
        scenario.name,
        calls.len()
    );
    (head + &table, differences)
}
