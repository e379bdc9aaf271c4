// SPDX-License-Identifier: GPL-2.0-or-later
//! Whole machines.

use core::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::*;

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
