// SPDX-License-Identifier: GPL-2.0-or-later
//! Hotplug, drivers that hang or die, and drivers that add and remove devices, in the middle of
//! recoveries.

mod common;

use core::time::Duration;

use common::{Done, Scenario, address, both, breaks, each, ms, removes};
use eeh_recovery::{Outcome, QueueEvent, What};
use test_utils::engine::{Fate, Fault};
use test_utils::hw::Timing;

const NVME: &str = "0002:03:00.0";
const NIC: &str = "0002:04:00.0";
const USB: &str = "0002:05:00.0";
const SWITCH: &str = "0002:01:00.0";
const OTHER: &str = "0000:01:00.0";

/// After whatever happened: everything is found again, works, and recovers from another freeze.
fn assert_usable(done: Done, devices: &[&str]) {
    let log = done.log();
    done.assert_clean();
    // Late enough for a fresh card to be ready.
    let mut scenario = Scenario::on("powernv10").at(ms(500), Fault::Rescan(2));
    for (n, device) in devices.iter().enumerate() {
        scenario = scenario.at(ms(1000 + 10_000 * n as u64), breaks(device));
    }
    let again = scenario.run_on(done.linux);
    for device in devices {
        let at = address(device);
        assert_eq!(again.linux.works(at.phb, at.bdf), Ok(()), "{device}\n{log}\nthen\n{}", again.log());
    }
    let recovered = again.count("EEH: Recovery successful.");
    assert_eq!(recovered, devices.len(), "{log}\nthen\n{}", again.log());
    again.assert_clean();
}

#[test]
fn a_device_removed_at_any_moment_of_its_recovery_leaves_nothing_behind() {
    for firmware in each() {
        for device in [NVME, USB, OTHER] {
            for at in (0..300).step_by(9).chain((300..3000).step_by(250)) {
                let done = Scenario::on("powernv10")
                    .firmware(firmware)
                    .at(ms(10), breaks(device))
                    .at(ms(10 + at), removes(device))
                    .run();
                // One that hotplug recovery was about to add back comes back.
                let back = device == USB && done.fate(device) == Fate::WorksAgain;
                assert!(back || done.fate(device) == Fate::Removed, "at {at}\n{}", done.log());
                assert!(done.run.all_work(), "at {at}\n{}", done.log());
                assert_eq!(done.run.stuck, 0, "at {at}\n{}", done.log());
                let again = Scenario::on("powernv10")
                    .firmware(firmware)
                    .at(ms(10), Fault::Rescan(address(device).phb))
                    .run_on(done.linux);
                let place = address(device);
                assert_eq!(again.linux.works(place.phb, place.bdf), Ok(()), "{device} at {at}");
                again.assert_clean();
            }
        }
    }
}

#[test]
fn a_device_removed_and_found_again_during_its_recovery_works() {
    for firmware in both() {
        for at in (0..260).step_by(13) {
            let done = Scenario::on("powernv10")
                .firmware(firmware)
                .at(ms(10), breaks(NVME))
                .at(ms(10 + at), removes(NVME))
                .at(ms(45 + at), Fault::Rescan(2))
                .at(ms(5000), Fault::Rescan(2))
                .run();
            assert_usable(done, &[NVME, NIC]);
        }
    }
}

#[test]
fn a_switch_removed_during_the_recovery_of_what_is_behind_it_can_come_back() {
    for firmware in both() {
        for at in (0..260).step_by(13) {
            let done = Scenario::on("powernv10")
                .firmware(firmware)
                .at(ms(10), breaks(NVME))
                .at(ms(10 + at), removes(SWITCH))
                .run();
            assert!(done.run.all_work(), "at {at}\n{}", done.log());
            assert_usable(done, &[NVME, NIC, USB]);
        }
    }
}

#[test]
fn hazard_5_9_an_event_whose_bus_is_gone_touches_no_bus() {
    for firmware in both() {
        // The NIC's recovery takes long; the NVMe's event waits behind it while its port goes.
        let done = Scenario::on("powernv10")
            .firmware(firmware)
            .driver(NIC, "slow=5s")
            .at(ms(10), breaks(NIC))
            .at(ms(100), breaks(NVME))
            .at(ms(200), removes("0002:02:00.0"))
            .run();
        let stale = done.run.events.iter().filter(|(_, e)| e.what == What::Queue(QueueEvent::Stale)).count();
        assert_eq!(stale, 1, "{}", done.log());
        assert_eq!(done.run.recoveries.len(), 1, "only the NIC's\n{}", done.log());
        assert_eq!((done.fate(NIC), done.fate(NVME)), (Fate::WorksAgain, Fate::Removed), "{}", done.log());
        assert_usable(done, &[NVME, NIC]);
    }
}

#[test]
fn a_pulled_card_ends_its_recovery_and_a_fresh_one_works() {
    for firmware in both() {
        let at = address(NVME);
        for after in [0, 5, 30, 140, 160] {
            let done = Scenario::on("powernv10")
                .firmware(firmware)
                .at(ms(10), breaks(NVME))
                .at(ms(10 + after), Fault::Pull(at.phb, at.bdf))
                .run();
            assert_eq!(done.fate(NVME), Fate::Removed, "{}", done.log());
            done.linux.hardware(2).expect("there").push(at.bdf);
            assert_usable(done, &[NVME]);
        }
    }
}

#[test]
fn a_phb_removed_during_a_recovery_cancels_it() {
    for firmware in both() {
        for after in (0..160).step_by(17) {
            let done = Scenario::on("powernv10")
                .firmware(firmware)
                .at(ms(10), breaks(NVME))
                .at(ms(10 + after), Fault::RemovePhb(2))
                .run();
            assert!(done.run.all_work(), "{}", done.log());
            assert!(done.linux.phb(2).is_none());
            let outcome = done.run.recoveries.first().and_then(|r| r.ended).map(|(_, o)| o);
            assert!(
                matches!(outcome, Some(Outcome::Cancelled | Outcome::Gone)),
                "{outcome:?}\n{}",
                done.log()
            );
            let live = done.linux.registry().trees().count();
            assert_eq!(live, 5, "its tree is drained");
            done.assert_clean();
        }
    }
}

#[test]
fn a_driver_bound_during_a_recovery_is_not_called_too_late() {
    for firmware in both() {
        let at = address(NVME);
        for after in (0..260).step_by(13) {
            let done = Scenario::on("powernv10")
                .firmware(firmware)
                .at(ms(10), breaks(NVME))
                .at(ms(10 + after), Fault::Unbind(at.phb, at.bdf))
                .at(ms(11 + after), Fault::Bind(at.phb, at.bdf))
                .at(ms(9000), Fault::Bind(at.phb, at.bdf))
                .run();
            done.assert_healthy();
            assert_eq!(done.run.stuck, 0);
        }
    }
}

#[test]
fn drivers_that_add_and_remove_functions_in_their_callbacks_are_recovered() {
    for firmware in both() {
        for device in [NVME, "0003:01:00.0"] {
            for temperament in ["adds", "adds=resume", "can-recover,adds=mmio_enabled"] {
                let done = Scenario::on("powernv10")
                    .firmware(firmware)
                    .driver(device, temperament)
                    .at(ms(10), breaks(device))
                    .run();
                done.assert_healthy();
                assert_eq!(done.fate(device), Fate::WorksAgain, "{temperament}\n{}", done.log());
                let added = done.run.devices.iter().filter(|d| d.fate == Fate::Added).count();
                assert_eq!(added, 1, "{temperament}\n{}", done.log());
            }
        }
    }
}

#[test]
fn a_driver_that_takes_its_functions_away_and_brings_them_back_like_an_sr_iov_driver_works() {
    for firmware in both() {
        for bring in ["slot_reset", "resume"] {
            let mut scenario = Scenario::on("powernv10")
                .firmware(firmware)
                .driver(NVME, &format!("removes=error_detected,adds={bring}"));
            for n in 0..3 {
                scenario = scenario.at(ms(1000 + 5000 * n), breaks(NVME));
            }
            let done = scenario.run();
            done.assert_healthy();
            assert_eq!(done.run.recoveries.len(), 3, "{}", done.log());
            let added: Vec<_> = done.run.devices.iter().filter(|d| d.fate == Fate::Added).collect();
            assert_eq!(added.len(), 1, "{}", done.log());
            // It never sees a callback of a recovery that it was born in.
            assert!(!done.says("0002:03:00.1#00fb: EEH: Invoking"), "{}", done.log());
        }
    }
}

#[test]
fn a_function_added_before_the_reset_disturbs_nobody() {
    for firmware in both() {
        for temperament in ["adds=error_detected", "adds=error_detected,removes"] {
            let done = Scenario::on("powernv10")
                .firmware(firmware)
                .driver(NVME, temperament)
                .at(ms(10), breaks(NVME))
                .run();
            assert_eq!(done.fate(NVME), Fate::WorksAgain, "{temperament}\n{}", done.log());
            done.assert_clean();
            let again =
                Scenario::on("powernv10").firmware(firmware).at(ms(10), breaks(NIC)).run_on(done.linux);
            assert_eq!(again.fate(NIC), Fate::WorksAgain, "{}", again.log());
        }
    }
}

#[test]
fn a_driver_that_hangs_or_dies_in_any_step_stops_no_other_phb() {
    for firmware in both() {
        let alone = Scenario::on("powernv10").firmware(firmware).at(ms(30), breaks(OTHER)).run();
        let alone = alone.run.recoveries.first().and_then(|r| r.duration()).expect("it ended");
        for what in ["hang", "die"] {
            for step in ["error_detected", "slot_reset", "resume"] {
                let done = Scenario::on("powernv10")
                    .firmware(firmware)
                    .driver(NVME, &format!("{what}={step}"))
                    .at(ms(10), breaks(NVME))
                    .at(ms(30), breaks(OTHER))
                    .run();
                let log = done.log();
                let other = done.run.recoveries.iter().find(|r| r.phb == 0).and_then(|r| r.duration());
                assert_eq!(other, Some(alone), "{what} {step}\n{log}");
                assert_eq!(done.fate(OTHER), Fate::WorksAgain, "{what} {step}\n{log}");
                let own = done.run.recoveries.iter().find(|r| r.phb == 2).expect("it began");
                assert_eq!(own.ended.map(|(_, o)| o), Some(Outcome::Failed), "{what} {step}\n{log}");
                if what == "hang" {
                    assert!(done.says("nvme has not come back for 10 s"), "{log}");
                    assert!(own.duration() >= Some(Duration::from_secs(300)), "{log}");
                }
                assert!(done.says("its device is left alone from now on"), "{log}");
                // The device stays in place, and its siblings are recovered as ever.
                assert!(done.linux.device(2, address(NVME).bdf).is_ok(), "{log}");
                let again =
                    Scenario::on("powernv10").firmware(firmware).at(ms(10), breaks(NIC)).run_on(done.linux);
                assert_eq!(again.fate(NIC), Fate::WorksAgain, "{what} {step}\n{log}\nthen\n{}", again.log());
            }
        }
    }
}

#[test]
fn a_helper_that_comes_back_late_touches_nothing() {
    for firmware in both() {
        let done = Scenario::on("powernv10")
            .firmware(firmware)
            .driver(NVME, "hang=slot_reset")
            .at(ms(10), breaks(NVME))
            .run();
        assert_eq!(done.run.stuck, 1, "the helper hangs");
        done.linux.hanging().open();
        let again = Scenario::on("powernv10").firmware(firmware).at(ms(1000), breaks(NIC)).run_on(done.linux);
        assert_eq!(again.fate(NIC), Fate::WorksAgain, "{}", again.log());
        let nvme = again.run.recoveries.iter().filter(|r| r.pe.is_some_and(|pe| pe.0 == 0xfb)).count();
        assert_eq!(nvme, 0, "{}", again.log());
    }
}

#[test]
fn events_of_a_parent_and_its_child_are_one_recovery() {
    for firmware in both() {
        let port = address("0002:02:00.0");
        let done = Scenario::on("powernv10")
            .firmware(firmware)
            .driver(NIC, "slow=1s")
            .at(ms(10), breaks(NIC))
            .at(ms(100), breaks(NVME))
            .at(ms(200), Fault::Freeze(2, port.bdf))
            .run();
        done.assert_healthy();
        assert_eq!(done.run.stuck, 0);
    }
}

/// A scan waits for a function that asks for time; what it has found by then is not known to EEH, so that
/// a reset takes its addresses and nobody restores them.
#[test]
fn what_is_reset_between_being_found_and_being_added_works() {
    const SLOT: &str = "0002:02:02.0";
    let (nvme, slot) = (address(NVME), address(SLOT));
    for (firmware, fence) in both().into_iter().flat_map(|f| (1100..5000).step_by(100).map(move |at| (f, at)))
    {
        let scenario = Scenario::on("powernv10").firmware(firmware);
        let linux = scenario.boot();
        let slow = Timing { ready_after: Duration::from_secs(4), says_rrs: true, ..Timing::default() };
        linux.hardware(2).expect("there").set_timing(nvme.bdf, slow);
        let done = scenario
            .at(ms(10), Fault::Remove(slot.phb, slot.bdf))
            .at(ms(500), breaks(NVME))
            // The NVMe is not back yet.
            .at(ms(1000), Fault::Rescan(2))
            .at(ms(fence), Fault::Fence(2))
            .at(ms(60_000), Fault::Rescan(2))
            .run_on(linux);
        for device in [SLOT, USB] {
            let at = address(device);
            assert_eq!(done.linux.works(at.phb, at.bdf), Ok(()), "{device} at {fence}\n{}", done.log());
        }
    }
}
