// SPDX-License-Identifier: GPL-2.0-or-later
//! `eeh-sim recover` from outside: log, exit codes, trace.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use assert_cmd::Command;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn recover(args: &[&str]) -> Output {
    let mut command = Command::cargo_bin("eeh-sim").expect("it is built");
    command.arg("recover").arg("--machine").arg(fixture("powernv10")).args(args);
    command.output().expect("it runs")
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn a_broken_device_is_recovered_with_the_lines_that_tools_parse() {
    let output = recover(&["--break", "0002:03:00.0"]);
    let log = text(&output);
    assert_eq!(output.status.code(), Some(0), "{log}");
    let mut rest = log.as_str();
    for line in [
        "EEH: Recovering PHB#2-PE#fb\n",
        "EEH: PE location: sw0_down0, PHB location: N/A\n",
        "EEH: Beginning: 'error_detected(IO frozen)'\n",
        "PCI 0002:03:00.0#00fb: EEH: Invoking nvme->error_detected(IO frozen)\n",
        "PCI 0002:03:00.0#00fb: EEH: nvme driver reports: 'need reset'\n",
        "EEH: Finished:'error_detected(IO frozen)' with aggregate recovery state:'need reset'\n",
        "EEH: PCI device/vendor: 00101b36\n",
        "EEH: Reset without hotplug activity\n",
        "EEH: Beginning: 'slot_reset'\n",
        "EEH: Notify device driver to resume\n",
        "EEH: Finished:'resume'\n",
        "EEH: Recovery successful.\n",
        "works again",
    ] {
        let at = rest.find(line).unwrap_or_else(|| panic!("`{line}` is missing or too early in\n{log}"));
        rest = &rest[at..];
    }
    assert!(log.lines().next().is_some_and(|l| l.starts_with("[    1.000000] ")), "{log}");
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_does_not() {
    let args = |seed| ["--break", "0002:03:00.0", "--fence", "3", "--seed", seed];
    assert_eq!(recover(&args("7")).stdout, recover(&args("7")).stdout);
    assert_ne!(recover(&args("7")).stdout, recover(&args("8")).stdout);
}

#[test]
fn a_dead_phb_and_a_driver_that_gives_up_end_with_1() {
    assert_eq!(recover(&["--kill", "3"]).status.code(), Some(1));
    let gives_up = ["--break", "0003:01:00.0", "--driver", "0003:01:00.0=fail=slot_reset"];
    let output = recover(&gives_up);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("failed: it is gone"), "{}", text(&output));
}

#[test]
fn a_device_that_is_taken_away_does_not_count() {
    let output = recover(&["--break", "0002:03:00.0", "--remove", "0002:03:00.0@10ms"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("removed on request"));
}

#[test]
fn the_trace_is_json_with_the_four_kinds_of_track() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("trace.json");
    let name = path.to_str().expect("a name");
    let output = recover(&["--break", "0000:01:00.0", "--break", "0004:01:00.0", "--trace", name]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let trace: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("written")).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("a list");
    let names: Vec<&str> = events
        .iter()
        .filter(|e| e["name"] == "thread_name")
        .filter_map(|e| e["args"]["name"].as_str())
        .collect();
    for wanted in ["recovery", "firmware", "driver of 01:00.0", "device 01:00.0"] {
        assert!(names.contains(&wanted), "{wanted} is not among {names:?}");
    }
    let bad = events.iter().find(|e| e["ph"] == "X" && e["dur"].as_f64().is_none_or(|d| d <= 0.0));
    assert!(bad.is_none(), "{bad:?}");
}

#[test]
fn a_partition_recovers_each_class_of_device() {
    // NVMe and network cards below a root port and behind a switch, and USB.
    let devices = ["0000:01:00.0", "0001:01:00.0", "0002:03:00.0", "0002:04:00.0", "0002:05:00.0"];
    for device in devices.into_iter().chain(["0003:01:00.0"]) {
        let output = recover(&["--platform", "pseries", "--break", device]);
        let log = text(&output);
        assert_eq!(output.status.code(), Some(0), "{log}");
        assert!(log.contains("EEH: Recovery successful.") && log.contains("works again"), "{log}");
        assert!(log.contains("RTAS: event, Type: Platform Error (224), Severity: 4"), "{log}");
    }
    let output = recover(&["--platform", "pseries", "--kill", "2"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
}
