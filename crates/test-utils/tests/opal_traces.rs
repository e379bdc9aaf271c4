// SPDX-License-Identifier: GPL-2.0-or-later
//! The firmware model against recorded calls.
//!
//! Each `fixtures/linux-7.3-c/opal-trace-*.txt` has the OPAL calls that Linux 7.3.4 made on QEMU's
//! powernv10 during the scenario in its name: opcode, return value, times, no arguments. The test does
//! to the model what the scenario did to the machine, makes the same calls at the same times, and
//! compares each return code exactly and each call's duration within 20 ms. `common/replay.rs` says where
//! arguments come from.
//!
//! What is not compared: a call of the other task that waited for the PHB's lock counts from when it
//! got the lock; QEMU's times of calls that take none are 0 to 4 ms, the model's are 0. Differences
//! that remain would be listed here: there are none.

#[path = "common/replay.rs"]
mod replay;

use std::path::{Path, PathBuf};

use eeh_pe::Bdf;
use replay::{Judged, Scenario, recorded};
use test_utils::opal::Version;

fn traces() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/linux-7.3-c")
}

/// Replays a trace; the table of what was compared, and how many lines differ.
fn replay(scenario: &Scenario, version: Version) -> (String, usize) {
    let calls = recorded(&traces().join(format!("opal-trace-{}.txt", scenario.name)));
    replay::replay(&calls, scenario, (version, Judged::AnswersAndTimes))
}

const SCENARIOS: [Scenario; 6] = [
    Scenario::new("check-healthy", 0, 0x1fd),
    Scenario::new("force-recover-nvme-root-port-refused-reset", 0, 0x1fd),
    Scenario { armed: true, resets: 1, ..Scenario::new("force-recover-nvme-root-port-real-reset", 0, 0x1fd) },
    Scenario { broken: true, ..Scenario::new("break-e1000e-root-port", 1, 0xfd) },
    Scenario { broken: true, ..Scenario::new("break-unaware-ahci-root-port", 4, 0xfd) },
    Scenario {
        broken: true,
        device: Bdf(0x300),
        slot: Some(Bdf(0x200)),
        resets: 1,
        ..Scenario::new("break-nvme-switch-port", 2, 0xfb)
    },
];

#[test]
fn the_model_answers_as_skiboot_did() {
    let mut all = 0;
    let mut differ = Vec::new();
    for scenario in &SCENARIOS {
        let (table, differences) = replay(scenario, Version::skiboot());
        println!("{table}");
        all += table.lines().count();
        if differences != 0 {
            differ.push(table);
        }
    }
    assert!(all > 80, "{all} lines are too few to prove anything");
    assert!(differ.is_empty(), "{}", differ.concat());
}

/// The comparison can fail: firmware that is not skiboot shows.
#[test]
fn another_firmware_is_told_apart() {
    for scenario in SCENARIOS.iter().filter(|s| s.resets != 0 || s.name.contains("refused")) {
        let (table, differences) = replay(scenario, Version::Ideal);
        assert!(differences >= 2, "{table}");
    }
}

#[test]
fn every_trace_is_replayed() {
    let dir = std::fs::read_dir(traces()).expect("the fixtures");
    let mut found: Vec<_> = dir
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .filter_map(|n| Some(n.strip_prefix("opal-trace-")?.strip_suffix(".txt")?.to_owned()))
        .collect();
    found.sort();
    let mut known: Vec<_> = SCENARIOS.iter().map(|s| s.name.to_owned()).collect();
    known.sort();
    assert_eq!(found, known);
}
