// SPDX-License-Identifier: GPL-2.0-or-later
//! Fences, dead PHBs, errors that only firmware sees, thaw, hotplug recovery, permanent failure.
// mutants: one_driver_fails_the_phb => "is lost"

mod common;

use common::{Scenario, address, both, breaks, each, ms, pe_of};
use eeh_pe::PeFlags;
use eeh_recovery::{Outcome, Phase};
use test_utils::drivers::NotWorking;
use test_utils::engine::{Fate, Fault};
use test_utils::hw::Timing;
use test_utils::linux::FirmwareKind;
use test_utils::opal::Version;
use test_utils::rtas::{Behaviour, Partition};

const NVME: &str = "0002:03:00.0";
const NIC: &str = "0002:04:00.0";
const USB: &str = "0002:05:00.0";

#[test]
fn a_fence_resets_the_phb_and_everything_below_works_again() {
    for firmware in each() {
        let done = Scenario::on("powernv10").firmware(firmware).at(ms(10), Fault::Fence(2)).run();
        done.assert_healthy();
        assert_eq!(done.fate("0003:01:00.0"), Fate::Untouched);
        if firmware.is_pseries() {
            // The platform resets its PHB; then each PE is stopped, and recovered.
            for device in [NVME, NIC, USB] {
                assert_eq!(done.fate(device), Fate::WorksAgain, "{device}\n{}", done.log());
                assert!(done.says(&format!("EEH: Recovering {}", pe_of(firmware, device))), "{}", done.log());
            }
            assert_eq!(done.count("EEH: Recovery successful."), 3, "{}", done.log());
            continue;
        }
        assert!(done.says("EEH: Fenced PHB#2 detected, location: N/A"), "{}", done.log());
        assert!(done.says("EEH: Recovering PHB#2, location: N/A"), "{}", done.log());
        for device in [NVME, NIC, USB, "0002:00:00.0", "0002:02:01.0"] {
            assert_eq!(done.fate(device), Fate::WorksAgain, "{device}\n{}", done.log());
            assert_eq!(done.device(device).resets, (1, 1), "{device}");
        }
        assert_eq!(done.count("EEH: Recovery successful."), 1, "{}", done.log());
    }
}

#[test]
fn a_fence_that_firmware_is_silent_about_is_found_by_a_read() {
    let quirks = test_utils::opal::Quirks { fence_is_silent: true, ..Default::default() };
    let scenario = Scenario::on("powernv10").firmware(Version::Skiboot(quirks));
    let done = scenario.at(ms(10), Fault::Fence(1)).run();
    done.assert_healthy();
    assert!(!done.says("EEH: Fenced PHB#1 detected"), "{}", done.log());
    assert!(done.says("EEH: Recovering PHB#1, location"), "{}", done.log());
}

#[test]
fn a_fenced_phb_without_devices_is_reset_for_those_that_come() {
    for version in [Version::skiboot(), Version::Ideal] {
        let done = Scenario::on("powernv10")
            .firmware(version)
            .at(ms(10), common::removes("0002:00:00.0"))
            .at(ms(1000), Fault::Fence(2))
            .at(ms(60_000), Fault::Rescan(2))
            .run();
        assert!(!done.linux.hardware(2).expect("there").is_fenced(), "{}", done.log());
        assert_eq!(done.run.recoveries.len(), 1, "{}", done.log());
        for device in [NVME, NIC, USB] {
            assert_eq!(done.linux.works(2, address(device).bdf), Ok(()), "{device}\n{}", done.log());
        }
        done.assert_clean();
    }
}

#[test]
fn a_driver_that_gives_up_at_a_fence_costs_nobody_the_phb() {
    for gives_up in ["fail=error_detected", "fail=slot_reset"] {
        let done = Scenario::on("powernv10").driver(NIC, gives_up).at(ms(10), Fault::Fence(2)).run();
        for device in [NVME, NIC, USB] {
            assert_eq!(done.fate(device), Fate::WorksAgain, "{device} is lost, {gives_up}\n{}", done.log());
        }
        done.assert_healthy();
        assert!(done.says("e1000e driver reports: 'disconnect'"), "{}", done.log());
        // The driver of the one is taken off it and bound again; the other's hears of everything.
        assert!(!done.says("e1000e->resume()"), "{}", done.log());
        assert!(done.says("nvme->resume()"), "{}", done.log());
        assert_eq!(done.count("EEH: Recovery successful."), 1, "{}", done.log());
    }
}

#[test]
fn a_driver_that_gave_up_hears_of_the_end_of_its_phb() {
    let scenario = Scenario::on("powernv10").driver(NVME, "fail=error_detected").at(ms(10), Fault::Fence(2));
    let done = scenario.at(ms(40), Fault::Kill(2)).run();
    assert!(done.says("nvme driver reports: 'disconnect'"), "{}", done.log());
    assert!(done.says("nvme->error_detected(permanent failure)"), "{}", done.log());
}

#[test]
fn a_fence_that_all_drivers_give_up_on_is_healed() {
    let scenario = Scenario::on("powernv10").driver(NVME, "disconnect").driver(NIC, "disconnect");
    let done = scenario.driver(USB, "aware,disconnect").at(ms(10), Fault::Fence(2)).run();
    for device in [NVME, NIC, USB] {
        assert_eq!(done.fate(device), Fate::WorksAgain, "{device} is lost\n{}", done.log());
    }
    done.assert_healthy();
}

#[test]
fn a_fence_too_many_is_reported_once_and_healed_on_request() {
    let fences = (0..6).map(|n| ms(10 + 20_000 * n));
    let scenario = fences.fold(Scenario::on("powernv10"), |scenario, at| scenario.at(at, Fault::Fence(2)));
    let done = scenario.run();
    assert_eq!(done.run.recoveries.len(), 6, "{}", done.log());
    assert_eq!(done.fate(NVME), Fate::Failed(NotWorking::Gone), "{}", done.log());
    // An administrator asks for a recovery: the PHB is reset, and its devices are found again.
    let linux = done.linux;
    let tree = linux.registry().tree(linux.phb(2).expect("there").tree()).expect("live");
    let pe = tree.phb_pe().expect("a PHB has its PE");
    drop(tree);
    let _ = eeh_recovery::force_recover(&linux, linux.registry(), pe);
    let again = Scenario::on("powernv10").at(ms(60_000), Fault::Rescan(2)).run_on(linux);
    for device in [NIC, USB] {
        assert_eq!(again.linux.works(2, address(device).bdf), Ok(()), "{device}\n{}", again.log());
    }
    again.assert_clean();
}

#[test]
fn a_dead_phb_takes_its_devices_along_and_no_other_phbs() {
    for firmware in both() {
        let done = Scenario::on("powernv10").firmware(firmware).at(ms(10), Fault::Kill(2)).run();
        assert_eq!(
            done.says("EEH: dead PHB#2 detected, location: N/A"),
            !firmware.is_pseries(),
            "{}",
            done.log()
        );
        assert!(done.says("nvme->error_detected(permanent failure)"), "{}", done.log());
        for device in &done.run.devices {
            // Where firmware tells of no PHB, a bridge that nobody drives stays.
            let stays = firmware.is_pseries() && device.driver.is_none();
            let failed = Fate::Failed(if stays { NotWorking::AllOnes } else { NotWorking::Gone });
            let expected = if device.phb == 2 { failed } else { Fate::Untouched };
            assert_eq!(device.fate, expected, "{device:?}\n{}", done.log());
        }
        assert_eq!(done.linux.hardware(2).expect("there").wire().pairs(), (0, 0), "no reset helps");
    }
}

#[test]
fn an_error_that_no_driver_sees_is_told_by_firmware() {
    for firmware in both() {
        let at = address(NVME);
        let done = Scenario::on("powernv10")
            .firmware(firmware)
            .driver(NVME, "none")
            .at(ms(10), Fault::Freeze(at.phb, at.bdf))
            .run();
        done.assert_healthy();
        let told = done.says("EEH: Frozen PE#fb on PHB#2 detected");
        assert_eq!(told, !firmware.is_pseries(), "{}", done.log());
        assert!(done.says("EEH: PE location: sw0_down0, PHB location: N/A"), "{}", done.log());
        assert_eq!(done.fate(NVME), Fate::WorksAgain);
        assert_eq!(done.device(NVME).resets, (1, 1));
    }
}

#[test]
fn the_error_interrupt_is_armed_again_after_each_event() {
    for firmware in both() {
        let at = address(NVME);
        let mut scenario = Scenario::on("powernv10").firmware(firmware).driver(NVME, "none");
        for seconds in [1, 11, 21] {
            scenario = scenario.at(ms(1000 * seconds), Fault::Freeze(at.phb, at.bdf));
        }
        let done = scenario.run();
        done.assert_healthy();
        let told = if firmware.is_pseries() { 0 } else { 3 };
        assert_eq!(done.count("EEH: Frozen PE#fb on PHB#2 detected"), told, "{}", done.log());
        assert_eq!(done.run.recoveries.len(), 3, "{}", done.log());
    }
}

#[test]
fn drivers_that_can_recover_are_thawed_without_a_reset() {
    for firmware in both() {
        let done = Scenario::on("powernv10")
            .firmware(firmware)
            .driver(NVME, "can-recover")
            .at(ms(10), breaks(NVME))
            .run();
        done.assert_healthy();
        for line in ["Enable I/O for affected devices", "'mmio_enabled'", "Enabled DMA for affected devices"]
        {
            assert!(done.says(line), "{line}\n{}", done.log());
        }
        assert_eq!(done.device(NVME).resets, (0, 0), "{}", done.log());
        assert_eq!(done.linux.hardware(2).expect("there").wire().pairs(), (0, 0));
        let driver = done.linux.device(2, address(NVME).bdf).expect("there").driver().expect("bound");
        assert_eq!(driver.forgotten(), 0);
    }
}

#[test]
fn one_driver_that_needs_a_reset_decides_for_all_of_the_phb() {
    // Their PE is that of the switch above, or of the whole card.
    let card = Behaviour { partition: Partition::Card, ..Behaviour::default() };
    for firmware in [Version::skiboot().into(), FirmwareKind::from(card)] {
        let done = Scenario::on("powernv10")
            .firmware(firmware)
            .driver(NVME, "can-recover")
            .at(ms(10), Fault::Freeze(2, address("0002:02:00.0").bdf))
            .run();
        done.assert_healthy();
        assert!(done.says("aggregate recovery state:'need reset'"), "{}", done.log());
        for device in [NVME, NIC, USB] {
            assert_eq!(done.device(device).resets, (1, 1), "{device}\n{}", done.log());
        }
    }
}

#[test]
fn unaware_devices_are_removed_and_come_back_while_aware_ones_stay() {
    for firmware in both() {
        // All three are in one PE: the PHB's own, or that of their card.
        let (fault, firmware) = if firmware.is_pseries() {
            (breaks(NVME), Behaviour { partition: Partition::Card, ..Behaviour::default() }.into())
        } else {
            (Fault::Fence(2), firmware)
        };
        let done = Scenario::on("powernv10").firmware(firmware).at(ms(10), fault).run();
        done.assert_healthy();
        assert!(done.says("EEH: Removing 0002:05:00.0 without EEH sensitive driver"), "{}", done.log());
        assert_eq!(done.count("without EEH sensitive driver"), 1, "{}", done.log());
        let phases: Vec<Phase> =
            done.run.recoveries.iter().flat_map(|r| &r.phases).map(|(p, _)| *p).collect();
        assert!(phases.contains(&Phase::RemoveUnaware) && phases.contains(&Phase::AddBack), "{phases:?}");
        assert!(!phases.contains(&Phase::RemoveAll), "{phases:?}");
    }
}

#[test]
fn a_device_that_fails_too_often_is_disabled_and_its_replacement_is_healthy() {
    for firmware in both() {
        let mut scenario = Scenario::on("powernv10").firmware(firmware);
        for n in 0..6 {
            scenario = scenario.at(ms(1000 + 10_000 * n), breaks(NVME));
        }
        let done = scenario.run();
        let log = done.log();
        let pe = pe_of(firmware, NVME);
        assert!(done.says(&format!("EEH: {pe} has failed 6 times in the last hour")), "{log}");
        assert_eq!(done.count("EEH: Recovery successful."), 5, "{log}");
        assert_eq!(done.count(&format!("EEH: Unable to recover from failure from {pe}")), 1, "{log}");
        assert_eq!(done.fate(NVME), Fate::Failed(NotWorking::Gone), "{log}");
        assert_eq!(done.run.recoveries.last().and_then(|r| r.ended).map(|(_, o)| o), Some(Outcome::Failed));
        for device in [NIC, USB] {
            assert_eq!(done.linux.works(2, address(device).bdf), Ok(()), "{device}\n{log}");
        }
        // Somebody replaces the card: it starts at zero and is recovered like any other (hazard 5.2).
        let again = Scenario::on("powernv10")
            .at(ms(10), Fault::Rescan(2))
            .at(ms(3000), breaks(NVME))
            .run_on(done.linux);
        assert!(again.says("This PCI device has failed 1 times in the last hour"), "{}", again.log());
        assert_eq!(again.linux.works(2, address(NVME).bdf), Ok(()), "{}", again.log());
        again.assert_clean();
    }
}

#[test]
fn freezes_more_than_an_hour_apart_never_disable_a_device() {
    for firmware in both() {
        let mut scenario = Scenario::on("powernv10").firmware(firmware).options(|o| o.params.max_freezes = 1);
        for n in 0..4 {
            scenario = scenario.at(ms(1000 + 3_601_000 * n), breaks(NVME));
        }
        let done = scenario.run();
        done.assert_healthy();
        assert_eq!(done.count("EEH: Recovery successful."), 4, "{}", done.log());
    }
}

#[test]
fn drivers_that_give_up_or_fail_lose_their_device_and_nobody_elses() {
    for firmware in both() {
        for temperament in ["disconnect", "fail=error_detected", "fail=slot_reset"] {
            let done = Scenario::on("powernv10")
                .firmware(firmware)
                .driver(NVME, temperament)
                .at(ms(10), breaks(NVME))
                .run();
            assert_eq!(done.fate(NVME), Fate::Failed(NotWorking::Gone), "{temperament}\n{}", done.log());
            assert_eq!(done.linux.works(2, address(NIC).bdf), Ok(()), "{}", done.log());
            let again =
                Scenario::on("powernv10").firmware(firmware).at(ms(10), breaks(NIC)).run_on(done.linux);
            assert_eq!(again.fate(NIC), Fate::WorksAgain, "{}", again.log());
            again.assert_clean();
        }
    }
}

#[test]
fn a_driver_that_touches_registers_in_any_callback_disturbs_nothing() {
    for firmware in both() {
        let all = "mmio=error_detected,mmio=slot_reset,mmio=resume,mmio=probe,mmio=remove";
        for (temperament, resets) in [(all, 1), ("can-recover,mmio=mmio_enabled,mmio=error_detected", 0)] {
            let done = Scenario::on("powernv10")
                .firmware(firmware)
                .driver(NVME, temperament)
                .at(ms(10), breaks(NVME))
                .run();
            done.assert_healthy();
            assert_eq!(done.run.recoveries.len(), 1, "{temperament}\n{}", done.log());
            assert_eq!(done.device(NVME).resets, (resets, resets), "{}", done.log());
        }
    }
}

#[test]
fn a_freeze_during_resume_is_recovered_after_it() {
    for firmware in both() {
        let done = Scenario::on("powernv10")
            .firmware(firmware)
            .driver(NVME, "refreeze")
            .at(ms(10), breaks(NVME))
            .run();
        done.assert_healthy();
        assert_eq!(done.run.recoveries.len(), 2, "{}", done.log());
        assert!(done.says("This PCI device has failed 2 times in the last hour"), "{}", done.log());
        assert_eq!(done.device(NVME).resets, (2, 2));
    }
}

#[test]
fn a_fundamental_reset_is_used_where_a_device_asks_for_it() {
    for firmware in both() {
        for (device, slot) in [(NVME, "switch"), ("0003:01:00.0", "root port")] {
            let done = Scenario::on("powernv10")
                .firmware(firmware)
                .driver(device, "fundamental")
                .at(ms(10), breaks(device))
                .run();
            done.assert_healthy();
            let wire = done.linux.hardware(address(device).phb).expect("there").wire();
            // PAPR's firmware has none behind the switch, and says so: a hot reset will do.
            let deep = firmware.is_pseries() && slot == "switch";
            let expected = if deep { ((0, 0), (1, 1)) } else { ((1, 1), (0, 0)) };
            assert_eq!((wire.fundamental, wire.secondary), expected, "{slot}\n{}", done.log());
        }
    }
}

#[test]
fn a_device_that_never_gets_ready_fails_after_real_resets_that_were_all_released() {
    for firmware in both() {
        let at = address(NVME);
        let scenario = Scenario::on("powernv10").firmware(firmware).at(ms(10), breaks(NVME));
        let linux = scenario.boot();
        let hardware = linux.hardware(at.phb).expect("there");
        hardware
            .set_timing(at.bdf, Timing { ready_after: Timing::NEVER, says_rrs: false, ..Timing::default() });
        let done = scenario.run_on(linux);
        assert!(matches!(done.fate(NVME), Fate::Failed(_)), "{}", done.log());
        let (asserted, released) = done.linux.hardware(at.phb).expect("there").wire().pairs();
        assert!(asserted >= 1 && asserted == released, "{asserted} {released}\n{}", done.log());
        assert!(done.says("not ready"), "{}", done.log());
        assert_eq!(done.linux.works(2, address(NIC).bdf), Ok(()), "{}", done.log());
    }
}

#[test]
fn with_recovery_disabled_the_pe_stays_isolated_and_one_line_says_so() {
    for firmware in both() {
        let scenario = Scenario::on("powernv10").firmware(firmware).options(|o| o.params.recovery = false);
        let done = scenario.at(ms(10), breaks(NVME)).at(ms(2000), breaks(NVME)).run();
        assert_eq!(done.count("Event dropped due to no_recover setting"), 1, "{}", done.log());
        let device = done.linux.device(2, address(NVME).bdf).expect("there").eeh().expect("known");
        let pe = done.linux.registry().peek_device(device).expect("live").pe;
        let flags = done.linux.registry().peek(pe).expect("live").flags;
        assert!(flags.contains(PeFlags::ISOLATED) && !flags.contains(PeFlags::RECOVERING), "{flags:?}");
    }
}
