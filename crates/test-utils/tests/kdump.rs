// SPDX-License-Identifier: GPL-2.0-or-later
//! A kernel that follows one that crashed, or was told `reset_devices`: PHBs are reset before anybody looks.

mod common;

use common::{Done, Scenario, address, both, breaks, ms};
use eeh_pe::Bdf;
use test_utils::engine::Fate;
use test_utils::linux::FirmwareKind;

/// The first PE of its PHB on pSeries, where only that is reset.
const NVME: &str = "0002:03:00.0";

fn at(device: &str) -> (u32, Bdf) {
    let at = address(device);
    (at.phb, at.bdf)
}

/// A boot on a machine where the crashed kernel left the disk's PE frozen.
fn left_frozen(firmware: FirmwareKind, reset_devices: bool) -> Scenario {
    let scenario = Scenario::on("powernv10").firmware(firmware).at(ms(10), breaks(NVME));
    scenario.options(|options| {
        options.left_frozen.push(address(NVME));
        options.reset_devices = reset_devices;
    })
}

#[test]
fn a_pe_that_the_crashed_kernel_left_frozen_is_not_found() {
    for firmware in both() {
        let linux = left_frozen(firmware, false).boot();
        let (phb, bdf) = at(NVME);
        assert!(linux.works(phb, bdf).is_err(), "{firmware:?}: this is what the resets are for");
    }
}

#[test]
fn each_phb_is_reset_before_its_scan_and_what_was_left_frozen_works() {
    for firmware in both() {
        let scenario = left_frozen(firmware, true);
        let linux = scenario.boot();
        for phb in linux.phbs() {
            let hardware = linux.hardware(phb.number().0).expect("it is there");
            let (asserted, released) = hardware.wire().pairs();
            assert!(asserted > 0 && asserted == released, "{firmware:?} {phb:?}: {asserted} {released}");
            for device in phb.devices() {
                let works = linux.works(device.phb_number(), device.bdf());
                assert_eq!(works, Ok(()), "{firmware:?} {device}");
            }
        }
        let done: Done = scenario.run_on(linux);
        assert!(done.says("Issue PHB reset ..."), "{firmware:?}\n{}", done.log());
        // And it is the machine that it would be without.
        assert_eq!(done.fate(NVME), Fate::WorksAgain, "{firmware:?}\n{}", done.log());
        done.assert_healthy();
    }
}

#[test]
fn nobody_is_reset_in_an_ordinary_boot() {
    for firmware in both() {
        let linux = Scenario::on("powernv10").firmware(firmware).boot();
        for phb in linux.phbs() {
            let wire = linux.hardware(phb.number().0).expect("it is there").wire().pairs();
            assert_eq!(wire, (0, 0), "{firmware:?} {phb:?}");
        }
    }
}
