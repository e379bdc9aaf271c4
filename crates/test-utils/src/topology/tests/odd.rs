// SPDX-License-Identifier: GPL-2.0-or-later
//! Machines of other kinds, and machines that make no sense.

use super::*;

/// A line of hex for each given row; the others are zero.
fn dump_of(address: &str, rows: &[(usize, &str)]) -> String {
    let mut config = [0_u8; 64];
    for (at, bytes) in rows {
        for (place, byte) in config[*at..].iter_mut().zip(bytes.split(' ')) {
            *place = u8::from_str_radix(byte, 16).unwrap();
        }
    }
    let mut text = format!("{address} Some device\n");
    for (row, bytes) in config.chunks(16).enumerate() {
        write!(text, "{:02x}:", row * 16).unwrap();
        bytes.iter().for_each(|byte| write!(text, " {byte:02x}").unwrap());
        text.push('\n');
    }
    text + "\n"
}

/// `lspci -x` of a desktop: no domains, no `-v`, 64 bytes a function, an I/O BAR, an ISA bridge, a
/// multi-function device, a PCI bridge without anything below, a CardBus bridge, a second root bus.
#[test]
fn a_dump_of_an_x86_machine_loads() {
    let dump = [
        dump_of("00:00.0", &[(0, "86 80 c0 29 06 00 00 00 00 00 00 06")]),
        dump_of("00:01.0", &[(0, "36 1b 0c 00 07 05 10 00 00 00 04 06 00 00 01"), (0x18, "00 01 02")]),
        dump_of(
            "00:02.0",
            &[(0, "34 12 11 11 07 05 00 00 02 00 00 03"), (0x10, "08 00 00 fd 00 00 00 00 00 00 bd fe")],
        ),
        dump_of("00:1f.0", &[(0, "86 80 18 29 03 00 00 00 02 00 01 06 00 00 80")]),
        dump_of(
            "00:1f.2",
            &[(0, "86 80 22 29 03 00 10 00 02 01 06 01 00 00 80"), (0x20, "41 c0 00 00 00 50 bd fe")],
        ),
        dump_of(
            "01:00.0",
            &[(0, "86 80 d3 10 06 05 00 00 00 00 00 02 00 00 80"), (0x10, "00 00 b4 fe 00 00 b6 fe")],
        ),
        dump_of("01:00.1", &[(0, "86 80 d3 10 06 05 00 00 00 00 00 02 00 00 80"), (0x10, "00 00 b8 fe")]),
        dump_of(
            "01:01.0",
            &[(0, "4c 10 56 ac 07 00 10 00 00 00 07 06 00 00 02"), (0x10, "00 10 ba fe"), (0x18, "01 02 02")],
        ),
        dump_of("7f:08.0", &[(0, "86 80 80 2f 00 00 00 00 02 00 80 08")]),
    ];
    let machine = Topology::parse(dump.concat().as_bytes(), Path::new("x86")).unwrap();
    insta::assert_snapshot!(summary(&machine), @r#"
    PHB 0 PHB4 pes 0x200
      mem fd000000-febd5fff -> fd000000
      io c040-c07f -> c040
      00:00.0 8086:29c0 class 060000 config 64 pe Some(1fe) driver None
      00:01.0 1b36:000c class 060400 config 64 pe Some(1fe) driver None
      00:02.0 1234:1111 class 030000 config 64 pe Some(1fe) driver None
        0 fd000000-fdffffff io=false
        2 febd0000-febd3fff io=false
      00:1f.0 8086:2918 class 060100 config 64 pe None driver None
      00:1f.2 8086:2922 class 010601 config 64 pe Some(1fe) driver None
        4 c040-c07f io=true
        5 febd5000-febd5fff io=false
      01:00.0 8086:10d3 class 020000 config 64 pe Some(1fd) driver None
        0 feb40000-feb5ffff io=false
        1 feb60000-feb7ffff io=false
      01:00.1 8086:10d3 class 020000 config 64 pe Some(1fd) driver None
        0 feb80000-feb9ffff io=false
      01:01.0 104c:ac56 class 060700 config 64 pe Some(1fd) driver None
        0 feba1000-feba1fff io=false
      7f:08.0 8086:2f80 class 088000 config 64 pe Some(1fc) driver None
    note: no POWER root port is known there, taken for PHB4: 0000
    note: sizes guessed from the alignment of the address, cut at the next range: 0000:00:02.0 BAR 0 0x1000000, 0000:01:00.0 BAR 0 0x20000, 0000:01:00.0 BAR 1 0x20000, 0000:01:00.1 BAR 0 0x20000, 0000:01:01.0 BAR 0 0x1000, 0000:00:02.0 BAR 2 0x4000, 0000:00:1f.2 BAR 5 0x1000, 0000:00:1f.2 BAR 4 0x40
    note: no sysfs-eeh.txt, PE numbers assigned per bus as powernv does: 0000
    "#);
}

#[test]
fn all_functions_absent_is_a_machine_without_phbs() {
    let dump = dump_of("00:00.0", &[(0, "ff ff ff ff")]);
    let machine = Topology::parse(dump.as_bytes(), Path::new("gone")).unwrap();
    assert_eq!(machine.phbs, []);
    assert_eq!(machine.notes.len(), 1);
}

/// Headers that make some sense: bridges with any bus numbers, BARs with any contents.
fn any_function() -> impl Strategy<Value = String> {
    let place = (0_u32..3, 0_u8..6, 0_u8..4, 0_u8..3);
    let kind = (0_u8..3, any::<bool>(), 0_u8..6, 0_u8..8);
    let bars = proptest::array::uniform6(prop_oneof![
        Just(0_u32),
        Just(u32::MAX),
        any::<u32>(),
        (0_u32..16).prop_map(|page| 0xf000_0000 + page * 0x1000),
        (0_u32..16).prop_map(|page| 0xf000_000c + page * 0x1000),
        (0_u32..16).prop_map(|port| 0xc001 + port * 0x20),
    ]);
    (place, kind, bars, any::<u8>()).prop_map(
        |(place, (header, multi, secondary, subordinate), bars, class)| {
            let (domain, bus, device, function) = place;
            let mut rows = vec![(
                0,
                format!(
                    "86 80 d3 10 07 00 00 00 00 00 00 {class:02x} 00 00 {:02x}",
                    header | u8::from(multi) << 7
                ),
            )];
            let bytes = |bar: u32| bar.to_le_bytes().map(|byte| format!("{byte:02x}")).join(" ");
            if header == 1 {
                rows.push((0x10, [bytes(bars[0]), bytes(bars[1])].join(" ")));
                rows.push((0x18, format!("00 {secondary:02x} {subordinate:02x} 00")));
            } else {
                rows.push((0x10, bars.map(bytes).join(" ")));
            }
            let rows: Vec<(usize, &str)> = rows.iter().map(|(at, row)| (*at, row.as_str())).collect();
            dump_of(&format!("{domain:04x}:{bus:02x}:{device:02x}.{function}"), &rows)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever configuration space says, a machine comes out, and windows never overlap.
    #[test]
    fn arbitrary_headers_never_panic(functions in proptest::collection::vec(any_function(), 1..40)) {
        let mut seen = std::collections::HashSet::new();
        let once = functions.into_iter().filter(|text| seen.insert(text.split(' ').next().map(str::to_owned)));
        let machine = Topology::parse(once.collect::<String>().as_bytes(), Path::new("odd")).unwrap();
        let mut windows: Vec<_> = machine
            .phbs
            .iter()
            .flat_map(|phb| &phb.windows)
            .map(|window| (window.io, window.start, window.last()))
            .collect();
        windows.sort_unstable();
        for pair in windows.windows(2) {
            prop_assert!(pair[0].0 != pair[1].0 || pair[0].2 < pair[1].1, "{pair:x?}");
        }
        for phb in &machine.phbs {
            for function in &phb.functions {
                let _ = phb.location_of_bus(function.bdf.bus());
            }
        }
        let again = Topology::parse(machine.to_lspci().as_bytes(), Path::new("again")).unwrap();
        prop_assert_eq!(essence(&again), essence(&machine));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    /// The files beside a good dump may hold anything.
    #[test]
    fn arbitrary_files_beside_never_panic(
        file in 0_usize..4,
        text in prop_oneof![
            "(mem addr range \\[0x[0-9a-f]{1,17}-0x[0-9a-f]{1,17}\\]: 000[0-9]:0[0-9]:00.0\n){0,9}",
            "(/000[0-9]:0[0-9]:00.0 0x[0-9a-f]{1,5} 0x[0-9a-f]{1,5} 0x0 eeh=0x[0-9a-f]{1,9} 0x0 0x0\n){0,9}",
            "(pci_bus 000[0-9]:00: root bus resource \\[mem 0x[0-9a-f]{1,17}-0x[0-9a-f]{1,17}( 64bit pref)?\\]\n){0,9}",
            ".{0,200}",
        ],
    ) {
        let name = ["sysfs-eeh.txt", "eeh-address-cache.txt", "dmesg-boot.txt", "device-tree.dtb"][file];
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("lspci.txt"), without_regions()).unwrap();
        std::fs::write(directory.path().join(name), text).unwrap();
        let _ = Topology::load(directory.path());
    }
}
