// SPDX-License-Identifier: GPL-2.0-or-later
//! `eeh-sim storm`: a short one passes, and each check of its verdict notices the fault it is for.

use std::process::Output;

use assert_cmd::Command;

/// A storm on the machine of the fixtures.
fn storm(seconds: &str, arguments: &[&str]) -> Output {
    let machine = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/powernv10");
    Command::cargo_bin("eeh-sim")
        .expect("built")
        .args(["storm", "--machine", machine, "--threads", "2", "--seconds", seconds])
        .args(arguments)
        .output()
        .expect("it runs")
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

#[test]
fn a_short_storm_leaves_nothing_wrong() {
    // Not optimised, and beside other storms: how much work it does is not what this is about.
    let output = storm("6", &["--seed", "1", "--slowdown", "10"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}{}", text(&output.stderr));
    assert!(out.ends_with("Nothing is wrong.\n"), "{out}");
    for row in [
        "successors",
        "walks continued from a tombstone",
        "stale handles refused",
        "events absorbed",
        "devices passed through",
        "virtual functions switched",
    ] {
        assert!(out.contains(row), "{row}: {out}");
    }
}

#[test]
fn a_short_storm_over_a_partition_leaves_nothing_wrong() {
    let output = storm("2", &["--platform", "pseries"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
}

#[test]
fn a_storm_runs_on_a_large_machine() {
    let mut command = Command::cargo_bin("eeh-sim").expect("built");
    let arguments =
        ["storm", "--synthetic", "16x800:3", "--threads", "2", "--seconds", "2", "--plant", "idle"];
    let output = command.args(arguments).output().expect("it runs");
    let out = text(&output.stdout);
    // It has nothing to complain of but that nobody did anything.
    assert!(out.lines().all(|line| !line.starts_with("  ") || line.starts_with("  too little")), "{out}");
}

#[test]
fn a_planted_fault_is_noticed_by_the_check_that_it_is_for() {
    for (plant, notices) in [
        ("lose-event", &["was lost"][..]),
        ("report-twice", &["one was reported twice"][..]),
        ("leak-reference", &["references, expected"][..]),
        ("leak-orphan", &["left behind: "][..]),
        ("leave-mark", &["is left with PeFlags(RECOVERING)"][..]),
        ("break-device", &["does not work after the storm: it has forgotten its driver's settings"][..]),
        ("ghost-device", &["has the devices "][..]),
        ("unmap-address", &["does not lead to "][..]),
        ("keep-open", &["0000:01:00.0 is open 1 times, expected 0"][..]),
        ("thaw-passed", &["froze in its owner's hands, and the host has thawed it"][..]),
        ("missing-vf", &["0003:01:10.0 is switched on, and not there"][..]),
        ("left-vf", &["0003:01:10.0 is there, and not switched on"][..]),
        (
            "idle",
            &[
                "too little happened: hotplug cycles: 0",
                "too little happened: requests granted: 0",
                "too little happened: devices passed through: 0",
                "too little happened: kept frozen for a guest: 0",
                "too little happened: virtual functions switched: 0",
            ],
        ),
    ] {
        let output = storm("1", &["--plant", plant]);
        let out = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{plant}: {out}{}", text(&output.stderr));
        for notice in notices {
            assert!(out.contains(notice), "{plant}: {out}");
        }
    }
}

#[test]
fn a_storm_that_hangs_says_who_waits_for_what() {
    let output = storm("60", &["--plant", "hang"]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("the storm hangs") && error.contains("the rescan lock is held"), "{error}");
    assert!(error.contains("hotplug (actor "), "{error}");
}

#[test]
fn an_unknown_fault_cannot_be_planted() {
    let output = storm("1", &["--plant", "weeds"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("lose-event"), "{}", text(&output.stderr));
}
