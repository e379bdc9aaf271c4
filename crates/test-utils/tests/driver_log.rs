// SPDX-License-Identifier: GPL-2.0-or-later
//! What PAPR's firmware is told of the devices of a frozen PE, for its own log: what Linux's log has of them.

mod common;

use common::{Scenario, address, breaks, ms};
use test_utils::engine::{Fate, Run};
use test_utils::linux::FirmwareKind;
use test_utils::rtas::{Behaviour, Partition};
use test_utils::topology::config::find_ext_cap;

const NVME: &str = "0002:03:00.0";

fn number(value: &str) -> u32 {
    u32::from_str_radix(value, 16).expect("a register")
}

/// `10: 00000001 00000002` as firmware gets it.
fn registers(line: &str) -> String {
    let first = number(&line[..2]);
    let values = line.split_whitespace().skip(1).zip((first..).step_by(4));
    values.map(|(value, offset)| format!("{offset:02x}:{:x}\n", number(value))).collect()
}

/// A line of the log as firmware gets it.
fn translated(line: &str) -> String {
    let plain = [("PCI cmd/status register: ", "cmd/stat"), ("Bridge secondary status: ", "sec stat")];
    let plain = plain.into_iter().chain([("Bridge control: ", "brdg ctl")]);
    for (before, name) in plain {
        if let Some(value) = line.strip_prefix(before) {
            return format!("{name}:{:x}\n", number(value));
        }
    }
    if let Some(device) = line.strip_prefix("of node=") {
        return format!("{device}\n");
    }
    if let Some(value) = line.strip_prefix("PCI device/vendor: ") {
        return format!("dev/vend:{value}\n");
    }
    match line.strip_prefix("PCI-E ").map(|rest| rest.strip_prefix("AER ").unwrap_or(rest)) {
        Some("capabilities and status follow:") => "pci-e cap10:\n".to_owned(),
        Some("capability register set follows:") => "pci-e AER:\n".to_owned(),
        Some(values) if values.as_bytes().get(2) == Some(&b':') => registers(values),
        _ => String::new(),
    }
}

/// What firmware must have got, put together from the log.
fn expected(run: &Run) -> String {
    run.log.iter().filter_map(|line| line.text.strip_prefix("EEH: ")).map(translated).collect()
}

/// What firmware has got for the PE of `device`.
fn got(done: &common::Done, device: &str) -> Option<String> {
    let at = address(device);
    let pe = done.linux.hardware(at.phb).and_then(|hw| hw.pe_of(at.bdf)).expect("a PE");
    let log = done.linux.rtas().expect("pSeries").honest().driver_log(at.phb, pe)?;
    Some(String::from_utf8(log).expect("a text"))
}

#[test]
fn firmware_gets_the_registers_of_the_device() {
    // The first has no Advanced Error Reporting.
    for (device, aer) in [(NVME, false), ("0003:01:00.0", true)] {
        let scenario = Scenario::on("powernv10").firmware(FirmwareKind::pseries());
        let done = scenario.at(ms(10), breaks(device)).run();
        assert_eq!(done.fate(device), Fate::WorksAgain);
        let got = got(&done, device).expect("a log");
        assert_eq!(got, expected(&done.run), "{}", done.log());
        assert!(got.starts_with(&format!("{device}\ndev/vend:")), "{got}");
        assert!(got.contains("pci-e cap10:\n00:"), "{got}");
        assert_eq!(got.contains("pci-e AER:\n00:"), aer, "{got}");
        assert!(!got.contains("dev/vend:ffffffff"), "loads get through when it is asked: {got}");
    }
}

#[test]
fn a_card_with_its_switch_tells_of_all_that_is_on_it_and_of_no_more_than_there_is_room_for() {
    let behaviour = Behaviour { partition: Partition::Card, ..Behaviour::default() };
    let done =
        Scenario::on("powernv10").firmware(FirmwareKind::PSeries(behaviour)).at(ms(10), breaks(NVME)).run();
    let got = got(&done, NVME).expect("a log");
    let expected = expected(&done.run);
    assert!(got.contains("brdg ctl:"), "{got}");
    assert_eq!(got, expected[..expected.len().min(8192)], "{}", done.log());
}

#[test]
fn a_pe_that_is_given_up_is_told_of_once_more() {
    let done = Scenario::on("powernv10")
        .firmware(FirmwareKind::pseries())
        .driver(NVME, "fail=slot_reset")
        .at(ms(10), breaks(NVME))
        .run();
    assert!(matches!(done.fate(NVME), Fate::Failed(_)));
    let (all, last) = (expected(&done.run), got(&done, NVME).expect("a log"));
    let devices = all.matches("0002:03:00.0\n").count();
    assert_eq!(devices, 2, "{}", done.log());
    assert!(all.ends_with(&last) && last.len() < all.len(), "{last}\n{all}");
}

#[test]
fn opal_is_told_nothing_of_devices() {
    let done = Scenario::on("powernv10").at(ms(10), breaks(NVME)).run();
    assert_eq!(done.fate(NVME), Fate::WorksAgain);
    assert_eq!(done.count("PHB4 PHB#2 Diag-data"), 1, "{}", done.log());
}

#[test]
fn errors_that_a_device_masks_are_marked_in_the_log() {
    const NIC: &str = "0001:01:00.0";
    const UNSUPPORTED: u32 = 1 << 20;
    let at = address(NIC);
    for (mask, told) in [(0, "UnsupReq (first)"), (UNSUPPORTED, "UnsupReq (masked, first)")] {
        let mut spec = common::fixture("powernv10");
        let phb = spec.phbs.iter_mut().find(|phb| phb.number == at.phb).expect("it is there");
        let function = phb.functions.iter_mut().find(|function| function.bdf == at.bdf).expect("it is there");
        let aer = find_ext_cap(&function.config, 1).map(usize::from).expect("it has AER");
        function.config[aer + 8..aer + 12].copy_from_slice(&mask.to_le_bytes());
        for firmware in common::both() {
            let done = Scenario::of(spec.clone()).firmware(firmware).at(ms(10), breaks(NIC)).run();
            assert!(done.says(&format!("EEH: PCI-E AER uncorrectable: {told}")), "{}", done.log());
        }
    }
}
