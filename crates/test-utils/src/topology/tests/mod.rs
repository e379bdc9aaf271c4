// SPDX-License-Identifier: GPL-2.0-or-later
//! Whole machines.

use core::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

mod odd;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

/// A machine as text, a line per function and BAR.
fn summary(machine: &MachineSpec) -> String {
    let mut text = String::new();
    for phb in &machine.phbs {
        writeln!(text, "PHB {:x} {} pes {:#x}", phb.number, phb.kind.name(), phb.pe_count).unwrap();
        for w in &phb.windows {
            let kind = if w.io {
                "io"
            } else if w.m64 {
                "m64"
            } else {
                "mem"
            };
            writeln!(text, "  {kind} {:x}-{:x} -> {:x}", w.start, w.last(), w.bus_start).unwrap();
        }
        for function in &phb.functions {
            write!(text, "  {} {:04x}:{:04x}", function.bdf, function.vendor(), function.device()).unwrap();
            write!(text, " class {:06x} config {}", function.class(), function.config.len()).unwrap();
            write!(text, " pe {:x?} driver {:?}", function.pe, function.driver.as_deref()).unwrap();
            if let Some(location) = &function.location {
                write!(text, " slot {location}").unwrap();
            }
            writeln!(text, "{}", if function.reset_by_firmware { " reset-by-firmware" } else { "" }).unwrap();
            for bar in &function.bars {
                writeln!(text, "    {} {:x}-{:x} io={}", bar.index, bar.start, bar.last(), bar.io).unwrap();
            }
        }
    }
    for note in &machine.notes {
        writeln!(text, "note: {note}").unwrap();
    }
    text
}

#[test]
fn the_powernv10_fixture_loads() {
    insta::assert_snapshot!(summary(&Topology::load(fixture("powernv10")).unwrap()), @r#"
    PHB 0 PHB5 pes 0x200
      mem 600c000000000-600c07ffeffff -> 80000000
      m64 6000000000000-6003fffffffff -> 6000000000000
      00:00.0 1014:0652 class 060400 config 4096 pe Some(1fe) driver None slot pcie.0 reset-by-firmware
      01:00.0 1b36:0010 class 010802 config 4096 pe Some(1fd) driver Some("nvme")
        0 600c000000000-600c000003fff io=false
    PHB 1 PHB5 pes 0x100
      mem 600c080000000-600c0fffeffff -> 80000000
      m64 6004000000000-6007fffffffff -> 6004000000000
      00:00.0 1014:0652 class 060400 config 4096 pe Some(fe) driver None slot pcie.1 reset-by-firmware
      01:00.0 8086:10d3 class 020000 config 4096 pe Some(fd) driver Some("e1000e")
        0 600c080000000-600c08001ffff io=false
        1 600c080020000-600c08003ffff io=false
        3 600c080040000-600c080043fff io=false
    PHB 2 PHB5 pes 0x100
      mem 600c100000000-600c17ffeffff -> 80000000
      m64 6008000000000-600bfffffffff -> 6008000000000
      00:00.0 1014:0652 class 060400 config 4096 pe Some(fe) driver None slot pcie.2 reset-by-firmware
      01:00.0 104c:8232 class 060400 config 4096 pe Some(fd) driver None slot sw0_up reset-by-firmware
      02:00.0 104c:8233 class 060400 config 4096 pe Some(fc) driver None slot sw0_down0 reset-by-firmware
      02:01.0 104c:8233 class 060400 config 4096 pe Some(fc) driver None slot sw0_down1 reset-by-firmware
      02:02.0 104c:8233 class 060400 config 4096 pe Some(fc) driver None slot sw0_down2 reset-by-firmware
      03:00.0 1b36:0010 class 010802 config 4096 pe Some(fb) driver Some("nvme")
        0 600c100000000-600c100003fff io=false
      04:00.0 8086:10d3 class 020000 config 4096 pe Some(fa) driver Some("e1000e")
        0 600c100800000-600c10081ffff io=false
        1 600c100820000-600c10083ffff io=false
        3 600c100840000-600c100843fff io=false
      05:00.0 1b36:000d class 0c0330 config 4096 pe Some(f9) driver None
        0 600c101000000-600c101003fff io=false
    PHB 3 PHB5 pes 0x200
      mem 600c180000000-600c1fffeffff -> 80000000
      m64 6020000000000-6023fffffffff -> 6020000000000
      00:00.0 1014:0652 class 060400 config 4096 pe Some(1fe) driver None slot pcie.3 reset-by-firmware
      01:00.0 8086:10c9 class 020000 config 4096 pe Some(1fd) driver Some("igb")
        0 600c180000000-600c18001ffff io=false
        1 600c180020000-600c18003ffff io=false
        3 600c180040000-600c180043fff io=false
    PHB 4 PHB5 pes 0x100
      mem 600c200000000-600c27ffeffff -> 80000000
      m64 6024000000000-6027fffffffff -> 6024000000000
      00:00.0 1014:0652 class 060400 config 4096 pe Some(fe) driver None slot pcie.4 reset-by-firmware
      01:00.0 8086:2922 class 010601 config 256 pe Some(fd) driver None
        5 600c200000000-600c200000fff io=false
    PHB 5 PHB5 pes 0x100
      mem 600c280000000-600c2fffeffff -> 80000000
      m64 6028000000000-602bfffffffff -> 6028000000000
      00:00.0 1014:0652 class 060400 config 4096 pe Some(fe) driver None slot pcie.5 reset-by-firmware
      01:00.0 1b36:0010 class 010802 config 4096 pe Some(fd) driver Some("nvme")
        0 600c280000000-600c280003fff io=false
    "#);
}

/// The fixtures with only some of their files.
fn with_files(fixture_name: &str, files: &[&str]) -> MachineSpec {
    let directory = tempfile::tempdir().unwrap();
    for file in ["lspci-nnvvxxxx.txt"].iter().chain(files) {
        std::fs::copy(fixture(fixture_name).join(file), directory.path().join(file)).unwrap();
    }
    Topology::load(directory.path()).unwrap()
}

/// Bars, PEs and drivers of each function.
fn essence(machine: &MachineSpec) -> Vec<(PciAddress, Vec<BarSpec>, Option<u32>)> {
    let one = |(address, function): (_, &FunctionSpec)| (address, function.bars.clone(), function.pe);
    machine.functions().map(one).collect()
}

#[test]
fn pe_numbers_assigned_per_bus_are_those_that_powernv_assigned() {
    for name in ["powernv9", "powernv10"] {
        let real = Topology::load(fixture(name)).unwrap();
        assert_eq!(essence(&with_files(name, &[])), essence(&real), "{name}");
        assert_eq!(essence(&with_files(name, &["device-tree.dtb.gz"])), essence(&real), "{name}");
    }
}

#[test]
fn powernv9_has_the_same_places_on_another_kind_of_phb() {
    let [nine, ten] = ["powernv9", "powernv10"].map(|name| Topology::load(fixture(name)).unwrap());
    assert!(nine.phbs.iter().all(|phb| phb.kind == PhbKind::Phb4));
    assert!(ten.phbs.iter().all(|phb| phb.kind == PhbKind::Phb5));
    assert_eq!(essence(&nine), essence(&ten));
    let kinds = with_files("powernv9", &[]).phbs.iter().map(|phb| phb.kind).collect::<Vec<_>>();
    assert_eq!(kinds, [PhbKind::Phb4; 6], "the root port alone tells");
}

/// The dump without anything that lspci said about BARs.
fn without_regions() -> String {
    let text = std::fs::read_to_string(fixture("powernv10").join("lspci-nnvvxxxx.txt")).unwrap();
    text.lines()
        .filter(|line| !line.starts_with("\tRegion"))
        .fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn each_way_to_learn_cpu_addresses_gives_the_same() {
    let real = Topology::load(fixture("powernv10")).unwrap();
    let starts = |machine: &MachineSpec| -> Vec<u64> {
        machine.functions().flat_map(|(_, function)| function.bars.iter().map(|bar| bar.start)).collect()
    };
    for file in ["eeh-address-cache.txt", "dmesg-boot.txt", "device-tree.dtb.gz"] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("lspci.txt"), without_regions()).unwrap();
        std::fs::copy(fixture("powernv10").join(file), directory.path().join(file)).unwrap();
        let machine = Topology::load(directory.path()).unwrap();
        assert_eq!(starts(&machine), starts(&real), "{file}");
        let sizes_known = file == "eeh-address-cache.txt";
        assert_eq!(essence(&machine) == essence(&real), sizes_known, "{file}");
        assert_eq!(
            machine.notes.iter().any(|note| note.starts_with("sizes guessed")),
            !sizes_known,
            "{file}"
        );
    }
}

#[test]
fn windows_drawn_around_bars_translate_like_the_real_ones() {
    let real = Topology::load(fixture("powernv10")).unwrap();
    let drawn = with_files("powernv10", &["sysfs-eeh.txt"]);
    for (phb, drawn) in real.phbs.iter().zip(&drawn.phbs) {
        for bar in phb.functions.iter().flat_map(|function| &function.bars) {
            let translate = |phb: &PhbSpec| phb.windows.iter().find_map(|window| window.to_bus(bar.start));
            assert_eq!(translate(drawn), translate(phb), "{:x}", bar.start);
        }
    }
}

#[test]
fn the_log_names_slots_as_linux_does() {
    let machine = Topology::load(fixture("powernv10")).unwrap();
    assert_eq!(machine.phbs[0].location_of_bus(1), Some("pcie.0"));
    assert_eq!(machine.phbs[2].location_of_bus(4), Some("sw0_down1"));
    assert_eq!(machine.phbs[0].location_of_bus(0), None, "N/A for the PHB");
}

#[test]
fn files_beside_the_dump_are_checked() {
    let wrong = |file: &str, content: &str| {
        let directory = tempfile::tempdir().unwrap();
        let dump = "lspci-nnvvxxxx.txt";
        std::fs::copy(fixture("powernv10").join(dump), directory.path().join(dump)).unwrap();
        std::fs::write(directory.path().join(file), content).unwrap();
        let error = Topology::load(directory.path()).unwrap_err().to_string();
        error.replace(&directory.path().display().to_string(), "DIR")
    };
    let messages = [
        wrong("sysfs-eeh.txt", "/sys/bus/pci/devices/0002:03:00.0 0x1b36\n"),
        wrong("sysfs-eeh.txt", "/0002:03:00.0 0x8086 0x10d3 0x020000 eeh=0xfb 0x0 0x0\n"),
        wrong("eeh-address-cache.txt", "mem\n"),
        wrong("device-tree.dtb", "no tree"),
        wrong("device-tree.dtb.gz", "\u{1f}no gzip"),
        wrong("lspci-nnvvxxxx.txt", "\0\u{1}binary\n\n"),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    DIR/sysfs-eeh.txt:1: expected `.../0002:03:00.0 0xVENDOR 0xDEVICE 0xCLASS eeh=0xPE 0xFIRMWARE 0xSOFTWARE [driver]`, found `/sys/bus/pci/devices/0002:03:00.0 0x1b36`
    DIR/sysfs-eeh.txt:1: expected 1b36:0010 at 0002:03:00.0, as in the dump, found 8086:10d3
    DIR/eeh-address-cache.txt:1: expected `mem addr range [0xFIRST-0xLAST]: 0002:03:00.0` (or `i/o`), found `mem`
    DIR/device-tree.dtb: expected a flattened device tree, gzipped or not, found data that begin with 6e6f2074 instead of d00dfeed
    DIR/device-tree.dtb.gz: expected a flattened device tree, gzipped or not, found data that begin with 1f6e6f20 instead of d00dfeed
    DIR/lspci-nnvvxxxx.txt:1: expected a function's first line, like `0002:03:00.0 Class [0108]: ...`, found `\0\u{1}binary`
    "#);
}

#[test]
fn paths_without_a_dump_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let message = |path: &Path| {
        let error = Topology::load(path).unwrap_err().to_string();
        error.replace(&directory.path().display().to_string(), "DIR")
    };
    let messages = [message(directory.path()), message(&directory.path().join("nowhere"))];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    DIR: expected a file `lspci-nnvvxxxx.txt` or `lspci-xxxx.txt` or `lspci-x.txt` or `lspci.txt` in the directory, found none
    DIR/nowhere: expected a file that can be read, found No such file or directory (os error 2)
    "#);
}

/// What a dump and the files beside it cannot tell.
fn without_slots(mut machine: MachineSpec) -> MachineSpec {
    for phb in &mut machine.phbs {
        phb.location = None;
        for function in &mut phb.functions {
            function.location = None;
            function.reset_by_firmware = false;
        }
    }
    machine
}

#[test]
fn a_fixture_saved_and_loaded_is_the_same() {
    let machine = without_slots(Topology::load(fixture("powernv10")).unwrap());
    let directory = tempfile::tempdir().unwrap();
    machine.save(directory.path()).unwrap();
    assert_eq!(summary(&Topology::load(directory.path()).unwrap()), summary(&machine));
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    let [saved, real] = [directory.path().to_owned(), fixture("powernv10")];
    assert_eq!(read(saved.join("eeh-address-cache.txt")), read(real.join("eeh-address-cache.txt")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_machine_saved_and_loaded_is_the_same(phbs in 1_u32..4, more in 0_u32..120, seed: u64) {
        let machine = synthetic(&Synthetic { phbs, functions: phbs + more, seed }).unwrap();
        let directory = tempfile::tempdir().unwrap();
        machine.save(directory.path()).unwrap();
        let loaded = Topology::load(directory.path()).unwrap();
        prop_assert_eq!(loaded, without_slots(machine));
    }
}
