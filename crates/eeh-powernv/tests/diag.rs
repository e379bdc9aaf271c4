// SPDX-License-Identifier: GPL-2.0-or-later
//! Error data against what real firmware and a real kernel printed of the same registers.

use std::collections::BTreeMap;

use eeh_pe::PhbNumber;
use eeh_powernv::diag;
use proptest::prelude::*;

const SELFTEST: &str = include_str!("../../../fixtures/linux-7.3-c/selftest-eeh-basic-with-freeze-model.txt");
const FORCED: &str = include_str!("../../../fixtures/linux-7.3-c/force-recover-nvme-e1000e.txt");

/// The 32 bit registers of `struct OpalIoPhb4ErrorData`, in its order, by skiboot's names.
const WORDS: [&str; 14] = [
    "brdgCtl",
    "deviceStatus",
    "slotStatus",
    "linkStatus",
    "devCmdStatus",
    "devSecStatus",
    "rootErrorStatus",
    "uncorrErrorStatus",
    "corrErrorStatus",
    "tlpHdr1",
    "tlpHdr2",
    "tlpHdr3",
    "tlpHdr4",
    "sourceId",
];

/// The 64 bit ones behind them.
const QUADS: [&str; 39] = [
    "nFir",
    "nFirMask",
    "nFirWOF",
    "phbPlssr",
    "phbCsr",
    "lemFir",
    "lemErrorMask",
    "lemWOF",
    "phbErrorStatus",
    "phbFirstErrorStatus",
    "phbErrorLog0",
    "phbErrorLog1",
    "phbTxeErrorStatus",
    "phbTxeFirstErrorStatus",
    "phbTxeErrorLog0",
    "phbTxeErrorLog1",
    "phbRxeArbErrorStatus",
    "phbRxeArbFrstErrorStatus",
    "phbRxeArbErrorLog0",
    "phbRxeArbErrorLog1",
    "phbRxeMrgErrorStatus",
    "phbRxeMrgFrstErrorStatus",
    "phbRxeMrgErrorLog0",
    "phbRxeMrgErrorLog1",
    "phbRxeTceErrorStatus",
    "phbRxeTceFrstErrorStatus",
    "phbRxeTceErrorLog0",
    "phbRxeTceErrorLog1",
    "phbPblErrorStatus",
    "phbPblFirstErrorStatus",
    "phbPblErrorLog0",
    "phbPblErrorLog1",
    "phbPcieDlpErrorLog1",
    "phbPcieDlpErrorLog2",
    "phbPcieDlpErrorStatus",
    "phbRegbErrorStatus",
    "phbRegbFirstErrorStatus",
    "phbRegbErrorLog0",
    "phbRegbErrorLog1",
];

/// One of skiboot's dumps: registers, and the PEs that are not zero.
#[derive(Default, Debug)]
struct Dump {
    phb: u32,
    registers: BTreeMap<String, u64>,
    pest: Vec<(usize, u64, u64)>,
}

impl Dump {
    /// The same data as firmware hands them over.
    fn data(&self) -> Vec<u8> {
        let mut data = Vec::new();
        for word in [1, 3, 8576] {
            data.extend(u32::to_be_bytes(word));
        }
        for name in WORDS {
            data.extend(u32::try_from(self.registers[name]).unwrap().to_be_bytes());
        }
        data.extend([0; 4]);
        for name in QUADS {
            data.extend(self.registers[name].to_be_bytes());
        }
        let mut tables = [[0u64; 512]; 2];
        for &(pe, a, b) in &self.pest {
            (tables[0][pe], tables[1][pe]) = (a, b);
        }
        data.extend(tables.iter().flatten().flat_map(|entry| entry.to_be_bytes()));
        assert_eq!(data.len(), 8576);
        data
    }
}

fn hex(text: &str) -> u64 {
    u64::from_str_radix(text.trim(), 16).unwrap()
}

/// skiboot's dumps in the log: each starts with brdgCtl.
fn dumps() -> Vec<Dump> {
    let mut dumps: Vec<Dump> = Vec::new();
    for line in SELFTEST.lines() {
        let Some((_, line)) = line.split_once("] PHB#").or_else(|| line.split_once(",3] PHB#")) else {
            continue;
        };
        let Some((name, value)) = line.split_once(" = ") else { continue };
        let (phb, name) =
            name.split_once(':').and_then(|(phb, rest)| Some((phb, rest.split_once("]: ")?.1))).unwrap();
        let name = name.trim();
        if name == "brdgCtl" {
            dumps.push(Dump { phb: u32::try_from(hex(&phb[..4])).unwrap(), ..Dump::default() });
        }
        let dump = dumps.last_mut().unwrap();
        if let Some(pe) = name.strip_prefix("PEST[") {
            let (a, b) = value.split_once(' ').unwrap();
            dump.pest.push((hex(pe.trim_end_matches(']')) as usize, hex(a), hex(b)));
        } else {
            dump.registers.insert(name.to_owned(), hex(value));
        }
    }
    dumps
}

fn print(phb: u32, data: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    diag::print(PhbNumber(phb), data, &mut |line| lines.push(line.to_string()));
    lines
}

#[test]
fn the_first_freeze_of_the_selftest_reads_as_linux_prints_it() {
    let dumps = dumps();
    let ones = "ffffffffffffffff";
    let zero = "0000000000000000";
    let group = |label: &str| format!("{label}{ones} {zero} {zero} {zero}");
    assert_eq!(
        print(dumps[0].phb, &dumps[0].data()),
        [
            "PHB4 PHB#0 Diag-data (Version: 1)".to_owned(),
            "brdgCtl:    00000002".to_owned(),
            "RootSts:    0000000f 004003c0 20110000 00100107 00000000".to_owned(),
            group("PhbErr:     "),
            group("PhbTxeErr:  "),
            group("RxeArbErr:  "),
            group("RxeMrgErr:  "),
            group("RxeTceErr:  "),
            group("PblErr:     "),
            format!("PcieDlp:    {ones} {ones} {ones}"),
            group("RegbErr:    "),
            "PE[1fd] A/B: 8000000000000000 8000000000000000".to_owned(),
        ]
    );
}

#[test]
fn every_dump_of_the_selftest_is_decoded_value_by_value() {
    let dumps = dumps();
    assert_eq!(dumps.len(), SELFTEST.matches("brdgCtl").count());
    assert!(dumps.len() >= 16);
    for dump in &dumps {
        let lines = print(dump.phb, &dump.data());
        let value = |label: &str, nth: usize| {
            let line = lines.iter().find(|line| line.starts_with(label)).unwrap();
            hex(line[label.len()..].split_whitespace().nth(nth).unwrap())
        };
        assert_eq!(value("brdgCtl:", 0), dump.registers["brdgCtl"]);
        for (nth, name) in WORDS[1..6].iter().enumerate() {
            assert_eq!(value("RootSts:", nth), dump.registers[*name]);
        }
        for (nth, name) in QUADS[16..20].iter().enumerate() {
            assert_eq!(value("RxeArbErr:", nth), dump.registers[*name]);
        }
        for (nth, name) in QUADS[32..35].iter().enumerate() {
            assert_eq!(value("PcieDlp:", nth), dump.registers[*name]);
        }
        let pes: Vec<String> =
            dump.pest.iter().map(|(pe, a, b)| format!("PE[{pe:03x}] A/B: {a:016x} {b:016x}")).collect();
        let printed: Vec<&String> = lines.iter().filter(|line| line.starts_with("PE[")).collect();
        assert_eq!(printed, pes.iter().collect::<Vec<_>>());
    }
}

#[test]
fn data_that_were_never_fetched_give_the_line_of_the_recorded_kernel() {
    let lines = print(0, &[0; 8576]);
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(FORCED.lines().any(|logged| logged.ends_with(line.as_str())), "{line}");
}

/// A structure whose 32 and 64 bit fields count up from 1: a header, `words` of them, and `quads`.
fn counting(kind: u32, words: u32, quads: u64, pes: usize) -> Vec<u8> {
    let header = [2, kind, 0];
    let mut data: Vec<u8> = header.into_iter().chain(1..=words).flat_map(u32::to_be_bytes).collect();
    data.resize(data.len().next_multiple_of(8), 0);
    data.extend((1..=quads).flat_map(u64::to_be_bytes));
    data.resize(data.len() + 16 * pes, 0);
    data
}

/// Sixteen digits of each.
fn q<const N: usize>(values: [u64; N]) -> String {
    values.map(|value| format!("{value:016x}")).join(" ")
}

const ROOT: [&str; 5] = [
    "brdgCtl:     00000001",
    "UtlSts:      00000002 00000003 00000004",
    "RootSts:     00000005 00000006 00000007 00000008 00000009",
    "RootErrSts:  0000000a 0000000b 0000000c",
    "RootErrLog:  0000000d 0000000e 0000000f 00000010",
];

fn bridge(first: u64) -> Vec<String> {
    let four = |start: u64| q([first + start, first + start + 1, first + start + 2, first + start + 3]);
    vec![
        format!("PhbSts:      {}", q([first, first + 1])),
        format!("Lem:         {}", q([first + 2, first + 3, first + 4])),
        format!("PhbErr:      {}", four(5)),
        format!("OutErr:      {}", four(9)),
        format!("InAErr:      {}", four(13)),
        format!("InBErr:      {}", four(17)),
    ]
}

#[test]
fn p7ioc_fields_are_where_the_structure_has_them() {
    let mut expected = vec!["P7IOC PHB#1f Diag-data (Version: 2)".to_owned()];
    expected.extend(ROOT.map(str::to_owned));
    expected.push(format!("RootErrLog1: 00000011 {}", q([1, 2])));
    expected.extend(bridge(3));
    let data = counting(1, 18, 23, 128);
    assert_eq!(data.len(), 2320);
    assert_eq!(print(0x1f, &data), expected);
}

#[test]
fn phb3_fields_are_where_the_structure_has_them() {
    let mut expected = vec!["PHB3 PHB#1f Diag-data (Version: 2)".to_owned()];
    expected.extend(ROOT.map(str::to_owned));
    expected.push(format!("RootErrLog1: 00000011 {}", q([1, 2])));
    expected.push(format!("nFir:        {}", q([3, 4, 5])));
    expected.extend(bridge(6));
    let data = counting(2, 18, 26, 256);
    assert_eq!(data.len(), 4392);
    assert_eq!(print(0x1f, &data), expected);
}

#[test]
fn phb4_fields_are_where_the_structure_has_them() {
    let four = |label: &str, first: u64| format!("{label}{}", q([first, first + 1, first + 2, first + 3]));
    let data = counting(3, 14, 39, 512);
    assert_eq!(data.len(), 8576);
    assert_eq!(
        print(0x1f, &data),
        [
            // Linux prints this number in decimal.
            "PHB4 PHB#31 Diag-data (Version: 2)".to_owned(),
            "brdgCtl:    00000001".to_owned(),
            "RootSts:    00000002 00000003 00000004 00000005 00000006".to_owned(),
            "RootErrSts: 00000007 00000008 00000009".to_owned(),
            "RootErrLog: 0000000a 0000000b 0000000c 0000000d".to_owned(),
            "sourceId:   0000000e".to_owned(),
            format!("nFir:       {}", q([1, 2, 3])),
            format!("PhbSts:     {}", q([4, 5])),
            format!("Lem:        {}", q([6, 7, 8])),
            four("PhbErr:     ", 9),
            four("PhbTxeErr:  ", 13),
            four("RxeArbErr:  ", 17),
            four("RxeMrgErr:  ", 21),
            four("RxeTceErr:  ", 25),
            four("PblErr:     ", 29),
            format!("PcieDlp:    {}", q([33, 34, 35])),
            four("RegbErr:    ", 36),
        ]
    );
}

#[test]
fn a_group_whose_status_is_zero_is_left_out_whatever_follows_it() {
    let mut data = counting(3, 0, 0, 512);
    data.resize(8576, 0);
    data[72 + 8..72 + 24].fill(0xff); // nFirMask, nFirWOF
    data[72 + 9 * 8] = 1; // phbFirstErrorStatus
    assert_eq!(print(0, &data), ["PHB4 PHB#0 Diag-data (Version: 2)"]);
}

#[test]
fn data_cut_short_give_one_line_at_every_length() {
    for (kind, name, size) in [(1, "P7IOC", 2320), (2, "PHB3", 4392), (3, "PHB4", 8576)] {
        let mut data = counting(kind, 18, 39, 512);
        data.resize(size, 0);
        for length in 12..size {
            let expected = format!("{name} PHB#0 Diag-data: only {length} of {size} bytes");
            assert_eq!(print(0, &data[..length]), [expected]);
        }
    }
    for length in 0..12 {
        assert_eq!(print(7, &[3; 12][..length]), [format!("PHB#7 Diag-data: only {length} of 12 bytes")]);
    }
}

fn print_hub(data: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    diag::print_hub(0x2a, data, &mut |line| lines.push(line.to_string()));
    lines
}

/// Hub data of a kind, whose registers count up from 1.
fn hub(kind: u16) -> Vec<u8> {
    let mut data = kind.to_be_bytes().to_vec();
    data.resize(8, 0);
    data.extend((1..=15u64).flat_map(u64::to_be_bytes));
    data
}

#[test]
fn each_part_of_the_hub_has_its_lines() {
    let common = [format!("  GEM: {}", q([1, 2, 3, 4, 5])), format!("  LEM: {}", q([6, 7, 8, 9, 10]))];
    for (kind, title, last) in [
        (1, "P7IOC diag-data for RGC", Some(format!("  RGC: {}", q([11, 12])))),
        (2, "P7IOC diag-data for BI Upbound", Some(format!("  BI:  {}", q([11, 12, 13, 14])))),
        (3, "P7IOC diag-data for CI Port 0", Some(format!("  CI:  {}", q([11, 12])))),
        (4, "P7IOC diag-data for MISC", None),
        (5, "P7IOC diag-data for I2C", None),
    ] {
        let expected: Vec<String> =
            [title.to_owned()].into_iter().chain(common.clone()).chain(last).collect();
        assert_eq!(print_hub(&hub(kind)), expected);
    }
    let mut bi = hub(2);
    bi[120] = 1;
    assert_eq!(print_hub(&bi)[0], "P7IOC diag-data for BI Downbound");
    let mut ci = hub(3);
    ci[104] = 1;
    assert_eq!(print_hub(&ci)[0], "P7IOC diag-data for CI Port 1");
}

#[test]
fn a_silent_or_unknown_or_short_hub_says_so() {
    let mut silent = hub(1);
    silent[8..].fill(0);
    assert_eq!(print_hub(&silent), ["P7IOC diag-data for RGC"]);
    for kind in [0, 6, u16::MAX] {
        let expected = format!("pnv_eeh_get_and_dump_hub_diag: Invalid type of HUB#2a diag-data ({kind})");
        assert_eq!(print_hub(&hub(kind)), [expected]);
    }
    for length in 0..128 {
        let expected = format!("HUB#2a diag-data: only {length} of 128 bytes");
        assert_eq!(print_hub(&hub(1)[..length]), [expected]);
    }
}

/// Bytes of any length in `length`: filled with one, and changed in places. (Bytes one by one take a
/// hundred times as long to make.)
fn bytes(length: core::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    let places = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..300);
    (length, any::<u8>(), places).prop_map(|(length, fill, places)| {
        let mut data = vec![fill; length];
        for (place, value) in places.iter().filter(|_| length != 0) {
            data[place.index(length)] = *value;
        }
        data
    })
}

proptest! {
    #[test]
    fn no_bytes_of_any_length_make_it_panic(
        kind in prop_oneof![0..5u32, any::<u32>()],
        mut data in prop_oneof![bytes(0..200), bytes(0..9000)],
        phb in any::<u32>(),
    ) {
        if let Some(field) = data.get_mut(4..8) {
            field.copy_from_slice(&kind.to_be_bytes());
        }
        prop_assert!(!print(phb, &data).is_empty());
        prop_assert!(!print_hub(&data).is_empty());
    }

    #[test]
    fn full_data_of_a_known_kind_are_always_decoded(kind in 1..4u32, mut data in bytes(8576..8600)) {
        data[4..8].copy_from_slice(&kind.to_be_bytes());
        prop_assert!(print(0, &data)[0].contains("Diag-data (Version: "));
    }
}
