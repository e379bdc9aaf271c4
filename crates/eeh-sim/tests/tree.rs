// SPDX-License-Identifier: GPL-2.0-or-later
//! `eeh-sim tree` on the fixtures, on a machine made up, and on one that is no POWER machine.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use assert_cmd::Command;
use serde_json::Value;

fn fixture(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    path.display().to_string()
}

fn tree(args: &[&str]) -> String {
    let output = Command::cargo_bin("eeh-sim").unwrap().arg("tree").args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_fixture_is_drawn_as_linux_has_it() {
    let drawn = tree(&["--machine", &fixture("powernv10")]);
    let phb2 = drawn.split("\n\n").find(|phb| phb.starts_with("PHB#2")).unwrap();
    insta::assert_snapshot!(phb2, @r#"
    PHB#2  PHB5, 256 PEs, location N/A
      memory 0x600c100000000-0x600c17ffeffff
      M64 0x6008000000000-0x600bfffffffff
      PHB PE (PHB), 2 references
      └─ PE#fe (DEVICE), 3 references, PRI_BUS
         ├─ 0002:00:00.0 1014:0652 [060400] bridge to 01-05, 1 reference, BRIDGE|ROOT_PORT
         └─ PE#fd (DEVICE) at pcie.2, 3 references, PRI_BUS
            ├─ 0002:01:00.0 104c:8232 [060400] bridge to 02-05, 1 reference, BRIDGE
            └─ PE#fc (BUS) at sw0_up, 7 references, PRI_BUS
               ├─ 0002:02:00.0 104c:8233 [060400] bridge to 03-03, 1 reference, BRIDGE|DS_PORT
               ├─ 0002:02:01.0 104c:8233 [060400] bridge to 04-04, 1 reference, BRIDGE|DS_PORT
               ├─ 0002:02:02.0 104c:8233 [060400] bridge to 05-05, 1 reference, BRIDGE|DS_PORT
               ├─ PE#fb (DEVICE) at sw0_down0, 2 references, PRI_BUS
               │  └─ 0002:03:00.0 1b36:0010 [010802] driver nvme, 1 reference
               ├─ PE#fa (DEVICE) at sw0_down1, 2 references, PRI_BUS
               │  └─ 0002:04:00.0 8086:10d3 [020000] driver e1000e, 1 reference
               └─ PE#f9 (DEVICE) at sw0_down2, 2 references, PRI_BUS
                  └─ 0002:05:00.0 1b36:000d [0c0330] driver xhci_hcd, 1 reference
    "#);
}

/// All PEs, with those below.
fn pes(pe: &Value, found: &mut Vec<Value>) {
    found.push(pe.clone());
    for child in pe["children"].as_array().unwrap() {
        pes(child, found);
    }
}

#[test]
fn json_has_each_pe_and_device_of_sysfs() {
    let drawn: Value =
        serde_json::from_str(&tree(&["--machine", &fixture("powernv10"), "--format", "json"])).unwrap();
    let mut all = Vec::new();
    drawn["phbs"].as_array().unwrap().iter().for_each(|phb| pes(&phb["pe"], &mut all));
    let mut lines = Vec::new();
    for pe in &all {
        for device in pe["devices"].as_array().unwrap() {
            let number = pe["number"].as_u64().unwrap();
            lines.push(format!("{} eeh={number:#x}", device["address"].as_str().unwrap()));
        }
    }
    lines.sort();
    let sysfs = std::fs::read_to_string(fixture("powernv10/sysfs-eeh.txt")).unwrap();
    let of = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        format!("{} {}", words[0].rsplit('/').next().unwrap(), words[4])
    };
    assert_eq!(lines, sysfs.lines().map(of).collect::<Vec<_>>());
    assert!(all.iter().all(|pe| pe["references"].as_u64().unwrap() > 0));
}

#[test]
fn dot_is_balanced_and_names_each_edge_once() {
    let drawn = tree(&["--machine", &fixture("powernv9"), "--format", "dot"]);
    assert_eq!(drawn.matches('{').count(), drawn.matches('}').count());
    let mut edges: Vec<&str> = drawn.lines().filter(|line| line.contains(" -> ")).collect();
    let count = edges.len();
    edges.sort_unstable();
    edges.dedup();
    // 18 devices in 16 PEs below 6 PHBs.
    assert_eq!((count, edges.len()), (18 + 16, count));
}

#[test]
fn a_machine_made_up_is_the_same_each_time() {
    let [one, two, other] = ["3x40:1", "3x40:1", "3x40:2"].map(|size| tree(&["--synthetic", size]));
    assert_eq!(one, two);
    assert_ne!(one, other);
}

#[test]
fn notes_say_what_was_made_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("desktop.txt");
    let zeros = |row: usize| format!("{row:02x}: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n");
    let head = |ids: &str| format!("00: {ids} 00 00 00 00 00 00 00\n");
    let dump = format!(
        "00:00.0 Host bridge: Intel\n{}{}{}{}\n00:1f.0 ISA bridge: Intel\n{}{}{}{}\n",
        head("86 80 c0 29 06 00 00 00 00"),
        "10: 00 00 00 fe 00 00 00 00 00 00 00 00 00 00 00 00\n",
        zeros(0x20),
        zeros(0x30),
        "00: 86 80 18 29 03 00 00 00 02 00 01 06 00 00 80 00\n",
        zeros(0x10),
        zeros(0x20),
        zeros(0x30),
    );
    std::fs::write(&path, dump).unwrap();
    insta::assert_snapshot!(tree(&["--machine", &path.display().to_string()]), @r#"
    PHB#0  PHB4, 512 PEs, location N/A
      memory 0xfe000000-0xffffffff
      PHB PE (PHB), 2 references
      └─ PE#1fe (DEVICE), 2 references, PRI_BUS
         └─ 0000:00:00.0 8086:29c0 [000000], 1 reference
      without PE: 0000:00:1f.0 8086:2918 [060100]

    note: no POWER root port is known there, taken for PHB4: 0000
    note: sizes guessed from the alignment of the address, cut at the next range: 0000:00:00.0 BAR 0 0x2000000
    note: no sysfs-eeh.txt, PE numbers assigned per bus as powernv does: 0000
    "#);
}

/// `eeh-sim tree | head -1` is no error.
#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let program = assert_cmd::cargo::cargo_bin("eeh-sim");
    let mut child = Process::new(program)
        .args(["tree", "--synthetic", "8x800", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0_u8; 1];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}
