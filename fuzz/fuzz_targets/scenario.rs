// SPDX-License-Identifier: GPL-2.0-or-later
//! Scenario files: accepted, or refused with the line of what is wrong.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use test_utils::topology::{MachineSpec, Topology};

static MACHINE: OnceLock<MachineSpec> = OnceLock::new();

fuzz_target!(|text: &str| {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/powernv10");
    let machine = MACHINE.get_or_init(|| Topology::load(fixture).expect("the fixture is a machine"));
    if let Err(error) = eeh_sim::check_scenario(text, machine) {
        let line = error.split(':').nth(1).and_then(|line| line.parse::<usize>().ok());
        let lines = text.matches('\n').count() + 1;
        assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "no such line: {error}");
    }
});
