// SPDX-License-Identifier: GPL-2.0-or-later
//! The texts that users and tools read.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn recover(machine: &str, args: &[&str]) -> String {
    let mut command = Command::cargo_bin("eeh-sim").unwrap();
    let output = command.arg("recover").arg("--machine").arg(fixture(machine)).args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The text that was printed last.
fn text(machine: &str, args: &[&str], name: &str) -> String {
    let all = recover(machine, &[args, &["--report", name]].concat());
    let last = all.rsplit("\n\n").next().unwrap_or_default();
    last.to_owned()
}

#[test]
fn the_address_cache_reads_as_linux_lists_it() {
    for machine in ["powernv10", "powernv9"] {
        let linux = fs::read_to_string(fixture(machine).join("eeh-address-cache.txt")).unwrap();
        let memory = |text: &str| {
            let lines = text.lines().filter(|line| line.starts_with("mem "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let ours = text(machine, &["--fence", "0"], "cache");
        assert!(memory(&linux).len() > 10);
        assert_eq!(memory(&ours), memory(&linux), "{machine}");
        assert_eq!(ours.lines().count(), memory(&ours).len(), "{ours}");
    }
}

#[test]
fn the_counters_have_linuxs_words() {
    let counters = text("powernv10", &["--break", "0002:03:00.0"], "proc");
    let names: Vec<&str> = counters.lines().map(|line| line.split('=').next().unwrap()).collect();
    let linux = [
        "EEH Subsystem is enabled",
        "no device",
        "no device node",
        "no config address",
        "check not wanted",
        "eeh_total_mmio_ffs",
        "eeh_false_positives",
        "eeh_slot_resets",
    ];
    assert_eq!(names, linux);
    assert!(counters.contains("eeh_slot_resets=1\n"), "{counters}");
}

#[test]
fn the_past_of_a_pe_is_told() {
    let args = ["--break", "0002:03:00.0", "--driver", "0002:03:00.0=slow=2s"];
    let history = text("powernv10", &args, "history");
    let told = "PHB#2-PE#fb: 1 freezes, the last at 1.000000, 0 false positives, 1 recoveries, the last \
                recovered, slowest callback nvme->error_detected(IO frozen) of 0002:03:00.0 took 2.000 s\n";
    assert_eq!(history, told);
}

#[test]
fn the_tree_and_its_orphans_are_told() {
    let args = ["--break", "0002:03:00.0"];
    let tree = text("powernv10", &args, "tree");
    assert!(tree.contains("PHB#2 firmware 0x2\n  PHB PE: state 0x0, 2 references, 0 freezes\n"), "{tree}");
    let pe = "          PE#fb DEVICE: state 0x800, 2 references, 1 freezes PRI_BUS\n            0002:03:00.0 1b36:0010: mode 0x0\n";
    assert!(tree.contains(pe), "{tree}");
    assert_eq!(text("powernv10", &args, "orphans"), "0 orphans\n");
}

#[test]
fn every_line_of_a_recovery_can_tell_which() {
    let args = ["--break", "0001:01:00.0", "--break", "0002:03:00.0"];
    let plain = recover("powernv10", &args);
    let tagged = recover("powernv10", &[&args[..], &["--ids"]].concat());
    let mut of = [0, 0];
    for (plain, tagged) in plain.lines().zip(tagged.lines()) {
        let tag = tagged.strip_prefix(plain).expect("a suffix, or nothing");
        match tag {
            " (recovery 1.1)" => of[0] += 1,
            " (recovery 2.1)" => of[1] += 1,
            _ => assert!(tag.is_empty() && !plain.contains("EEH:"), "{tagged}"),
        }
    }
    assert_eq!(plain.lines().count(), tagged.lines().count());
    assert!(of.iter().all(|lines| *lines > 20), "{of:?}");
}

#[test]
fn firmwares_data_come_early_when_asked_for() {
    let args = ["--break", "0002:03:00.0"];
    let data = "PHB4 PHB#2 Diag-data (Version: 1)";
    for (early, log) in [
        (false, recover("powernv10", &args)),
        (true, recover("powernv10", &[&args[..], &["--early-log"]].concat())),
    ] {
        let at = |part: &str| log.find(part).unwrap_or_else(|| panic!("{part} is missing in {log}"));
        assert_eq!(at(data) < at("EEH: Recovering"), early, "{log}");
        assert_eq!(log.matches(data).count(), 1);
        assert_eq!(at("EEH: Collect temporary log") < at(data), !early);
    }
}

#[test]
fn errors_are_named_in_the_log() {
    let log = recover("powernv10", &["--break", "0001:01:00.0"]);
    let (registers, errors) =
        ("EEH: PCI-E AER 00: 14020001 00100000 02400000", "EEH: PCI-E AER uncorrectable: UnsupReq (first)\n");
    let at = |part: &str| log.find(part).unwrap_or_else(|| panic!("{part} is missing in {log}"));
    assert!(at(registers) < at(errors));
}
