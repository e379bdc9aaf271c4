// SPDX-License-Identifier: GPL-2.0-or-later
//! Each function of the fixtures is broken: it ends as in the logs of `fixtures/linux-7.3-c`, where
//! all eight recovered, and it was really reset.

mod common;

use common::{FIXTURES, Scenario, address, both, each, endpoints, fixture, ms};
use eeh_recovery::{FirmwareError, FirmwareEvent, ResetEvent, What};
use test_utils::engine::{Fate, Fault};
use test_utils::linux::FirmwareKind;
use test_utils::opal::Version;
use test_utils::rtas::{Behaviour, Partition};
use test_utils::topology::PciAddress;

/// A register that no driver uses, and a value that no reset leaves in it.
const UNUSED: u64 = 0x20;
const MARK: u32 = 0xfeed_c0de;

fn register(
    linux: &test_utils::linux::SimLinux,
    at: PciAddress,
) -> (std::sync::Arc<test_utils::hw::Phb>, u64) {
    let device = linux.device(at.phb, at.bdf).expect("there");
    let bar = device.identity().bars.iter().find(|bar| !bar.io).expect("it has registers").start;
    (linux.hardware(at.phb).expect("there"), bar + UNUSED)
}

fn each_function(check: impl Fn(&str, PciAddress, FirmwareKind)) {
    for name in FIXTURES {
        let functions = endpoints(&fixture(name));
        assert_eq!(functions.len(), 8, "{name}");
        for at in functions {
            for firmware in each() {
                check(name, at, firmware);
            }
        }
    }
}

#[test]
fn each_function_recovers_as_in_linux_and_was_really_reset() {
    each_function(|name, at, firmware| {
        let scenario = Scenario::on(name).firmware(firmware).at(ms(10), Fault::Break(at.phb, at.bdf));
        let linux = scenario.boot();
        let (hardware, address) = register(&linux, at);
        hardware.write32(address, MARK);
        assert_eq!(hardware.read32(address), MARK);
        let done = scenario.run_on(linux);
        done.assert_healthy();
        let log = done.log();
        assert_eq!(done.run.device(at.phb, at.bdf).map(|d| d.fate), Some(Fate::WorksAgain), "{log}");
        assert_eq!(done.count("EEH: Recovery successful."), 1, "{log}");
        assert_eq!(done.run.recoveries.len(), 1, "{log}");

        let (hardware, address) = register(&done.linux, at);
        assert_eq!(hardware.read32(address), 0, "{name} {at} was not reset\n{log}");
        let resets = hardware.resets(at.bdf).expect("there");
        assert_eq!((resets.asserted, resets.released), (1, 1), "{name} {at}\n{log}");

        // What the C kernel did with the same function.
        let driver = done.run.device(at.phb, at.bdf).and_then(|d| d.driver.clone()).expect("bound");
        let aware = matches!(driver.as_str(), "nvme" | "e1000e" | "igb");
        let (result, how) = if aware {
            ("need reset", "EEH: Reset without hotplug activity")
        } else {
            assert!(matches!(driver.as_str(), "ahci" | "xhci_hcd"), "{driver}");
            ("none", "EEH: Reset with hotplug activity")
        };
        let finished =
            format!("EEH: Finished:'error_detected(IO frozen)' with aggregate recovery state:'{result}'");
        assert!(done.says(&finished) && done.says(how), "{name} {at}\n{log}");
    });
}

#[test]
fn an_aware_driver_finds_its_settings_gone_once_and_writes_them_again() {
    for firmware in both() {
        let at = common::address("0003:01:00.0");
        let done =
            Scenario::on("powernv10").firmware(firmware).at(ms(10), Fault::Break(at.phb, at.bdf)).run();
        let driver = done.linux.device(at.phb, at.bdf).expect("there").driver().expect("bound");
        assert_eq!(driver.forgotten(), 1);
        assert_eq!(done.linux.works(at.phb, at.bdf), Ok(()));
    }
}

#[test]
fn each_attempt_is_one_pair_on_the_wire_and_one_that_firmware_refuses_is_none() {
    each_function(|name, at, firmware| {
        let done = Scenario::on(name)
            .firmware(firmware)
            .at(ms(10), Fault::Break(at.phb, at.bdf))
            .at(ms(20_000), Fault::Break(at.phb, at.bdf))
            .run();
        done.assert_healthy();
        let count = |wanted: fn(&What) -> bool| {
            u32::try_from(done.run.events.iter().filter(|(_, e)| wanted(&e.what)).count()).expect("few")
        };
        let attempts = count(|what| matches!(what, What::Reset(ResetEvent::Begins { .. })));
        let refused = count(|what| {
            let What::Firmware(FirmwareEvent::CallFailed(error)) = what else { return false };
            matches!(error, FirmwareError::Failed { call: "OPAL_PCI_RESET", code: -6 })
        });
        let wire = done.linux.hardware(at.phb).expect("there").wire().pairs();
        let log = done.log();
        assert_eq!(wire, (attempts - refused, attempts - refused), "{name} {at} {firmware:?}\n{log}");
        assert!(attempts >= 2, "{log}");
        // A PHB's slot is refused every other time by skiboot under QEMU; nothing else is.
        let behind_root_port = at.phb != 2;
        let expected = if behind_root_port && firmware == Version::skiboot().into() { 2 } else { 0 };
        assert_eq!(refused, expected, "{name} {at} {firmware:?}\n{log}");
    });
}

/// The platform resets the PHB by itself, and the driver that could have told has left meanwhile; the next one
/// finds its device where it was.
#[test]
fn a_device_without_a_driver_has_its_addresses_after_the_platforms_own_reset() {
    const USB: &str = "0002:05:00.0";
    let at = address(USB);
    let card = Behaviour { partition: Partition::Card, ..Behaviour::default() };
    let done = Scenario::on("powernv10")
        .firmware(card)
        .driver("0002:03:00.0", "none")
        .driver("0002:04:00.0", "none")
        .driver(USB, "aware,can-recover")
        .at(ms(100), Fault::Fence(2))
        .at(ms(200), Fault::Look(at.phb, at.bdf))
        .at(ms(1000), Fault::Unbind(at.phb, at.bdf))
        .at(ms(60_000), Fault::Bind(at.phb, at.bdf))
        .run();
    assert_eq!(done.run.recoveries.len(), 1, "{}", done.log());
    assert!(!done.log().contains("EEH: Reset with"), "this is what the test is about\n{}", done.log());
    assert_eq!(done.linux.works(at.phb, at.bdf), Ok(()), "{}", done.log());
}
