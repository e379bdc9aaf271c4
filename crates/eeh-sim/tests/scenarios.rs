// SPDX-License-Identifier: GPL-2.0-or-later
//! `eeh-sim run`: every scenario of the repository comes out as it says; what is wrong with a file is
//! told with its line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(path: &Path) -> Output {
    Command::cargo_bin("eeh-sim").unwrap().arg("run").arg(path).output().unwrap()
}

#[test]
fn every_scenario_comes_out_as_it_says() {
    let mut all: Vec<PathBuf> =
        fs::read_dir(root().join("scenarios")).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    assert!(all.len() >= 3, "{all:?}");
    let mut wrong = String::new();
    for path in &all {
        assert_eq!(path.extension().and_then(|e| e.to_str()), Some("toml"), "{path:?}");
        let output = run(&path.with_extension(""));
        if output.status.code() != Some(0) {
            let said = String::from_utf8_lossy(&output.stdout);
            let end: Vec<&str> = said.lines().rev().take(8).collect();
            let end: Vec<&str> = end.into_iter().rev().collect();
            let error = String::from_utf8_lossy(&output.stderr);
            wrong += &format!("{}:\n{}\n{error}\n", path.display(), end.join("\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

const GOOD: &str = r#"title = "t"
synthetic = "1x8"
[[action]]
do = "fence 0"
[expect]
exit = 0
"#;

/// Runs a file of this content.
fn run_text(text: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.toml");
    fs::write(&path, text).unwrap();
    run(&path)
}

#[test]
fn what_does_not_come_as_expected_is_told_and_ends_with_1() {
    assert_eq!(run_text(GOOD).status.code(), Some(0));
    for (from, to, told) in [
        ("exit = 0", "exit = 1", "exit: 1 expected, 0 found"),
        ("exit = 0", "exit = 0\nrecoveries = []", "recoveries: [] expected, [\"PHB#0"),
        (
            "exit = 0",
            "exit = 0\nlog = [\"EEH: Recovery successful.\", \"EEH: Recovering\"]",
            "came too early",
        ),
        ("exit = 0", "exit = 0\nlog = [\"no such line\"]", "`no such line` is missing"),
        ("exit = 0", "exit = 0\nnot_in_log = [\"successful\"]", "`EEH: Recovery successful.` is there"),
        (
            "exit = 0",
            "exit = 0\n[expect.devices.\"00:00.0\"]\noutcome = \"failed\"",
            "0000:00:00.0: failed expected",
        ),
        ("do = \"fence 0\"", "do = \"fence 0\"\nin = \"ThawDma\"", "no recovery came to ThawDma"),
        // The recovery's reset is nobody's request.
        (
            "exit = 0",
            "exit = 0\n[[action]]\nin = \"request Reset\"\ndo = \"rescan 0\"",
            "no request came to Reset",
        ),
        // Firmware resets by itself.
        (
            "exit = 0",
            "exit = 0\n[[action]]\nin = \"job Reset\"\ndo = \"rescan 0\"",
            "no helper was asked in Reset",
        ),
    ] {
        let output = run_text(&GOOD.replace(from, to));
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{to}: {said}");
        assert!(said.contains("not as expected:") && said.contains(told), "{to}: {said}");
    }
}

#[test]
fn a_wrong_file_is_told_with_its_line_and_ends_with_2() {
    for (from, to, line, told) in [
        ("title = \"t\"\n", "", 1, "missing field `title`"),
        ("title = \"t\"", "title = ", 1, ""),
        ("title = \"t\"", "titel = \"t\"", 1, "unknown field `titel`, expected one of `title`"),
        ("synthetic = \"1x8\"", "", 1, "machine or synthetic is expected"),
        ("synthetic = \"1x8\"", "synthetic = \"8\"", 2, "PHBs, `x` and functions"),
        ("synthetic = \"1x8\"", "machine = \"nowhere\"", 2, "nowhere"),
        ("synthetic = \"1x8\"", "synthetic = \"1x8\"\nplatform = \"sparc\"", 3, "unknown variant `sparc`"),
        (
            "synthetic = \"1x8\"",
            "synthetic = \"1x8\"\nplatform = \"pseries\"\nfirmware = \"ideal\"",
            4,
            "firmware: that of pseries cannot be chosen",
        ),
        ("fence 0", "fence", 4, "fence: PHB is expected behind it"),
        ("fence 0", "fence 7", 4, "its only PHB is 0"),
        ("fence 0", "break 00:1f.0", 4, "there is no device 0000:00:1f.0"),
        ("fence 0", "hug 0", 4, "there is no verb `hug`; there are break, "),
        ("do = \"fence 0\"", "do = \"fence 0\"\nat = \"soon\"", 5, "`soon` is no duration"),
        ("do = \"fence 0\"", "do = \"fence 0\"\nin = \"Bed\"", 5, "there is no phase `Bed`"),
        ("do = \"fence 0\"", "do = \"fence 0\"\nin = \"request Bed\"", 5, "there is no phase `request Bed`"),
        ("do = \"fence 0\"", "do = \"fence 0\"\nin = \"job Bed\"", 5, "also behind `request` and `job`"),
        ("exit = 0", "exit = 3", 6, "0 or 1 is expected, found 3"),
        ("exit = 0", "exit = 0\nrecoveries = [\"all\"]", 7, "PHB#2-PE#fb recovered"),
    ] {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from}");
        let output = run_text(&text);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{to}: {said}");
        assert!(said.contains(&format!("s.toml:{line}: ")), "{to}: line {line}: {said}");
        assert!(said.contains(told), "{to}: {said}");
    }
    let missing = run(Path::new("no/such/scenario"));
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no/such/scenario"));
}
