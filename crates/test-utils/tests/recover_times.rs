// SPDX-License-Identifier: GPL-2.0-or-later
//! How long recoveries take, in virtual time.

mod common;

use core::time::Duration;

use common::{FIXTURES, Scenario, both, each, endpoints, fixture, ms};
use eeh_recovery::Wait;
use test_utils::engine::{Fault, Pause, RecoveryReport, Run};
use test_utils::linux::FirmwareKind;

fn only(run: &Run) -> &RecoveryReport {
    let [recovery] = run.recoveries.as_slice() else { panic!("{:#?}", run.recoveries) };
    recovery
}

/// From the freeze to the end of the last `resume`.
fn to_resume(recovery: &RecoveryReport) -> Duration {
    recovery.resumed.expect("it got so far").since(recovery.detected)
}

#[test]
fn with_ideal_firmware_and_a_device_ready_after_100_ms_a_second_suffices() {
    for name in FIXTURES {
        for at in endpoints(&fixture(name)) {
            let scenario = Scenario::on(name).ideal().at(ms(10), Fault::Break(at.phb, at.bdf));
            let done = scenario.options(|o| o.ready_after = ms(100)).run();
            done.assert_healthy();
            let took = to_resume(only(&done.run));
            assert!(took < Duration::from_secs(1), "{name} {at}: {took:?}\n{}", done.log());
            assert!(took >= ms(100), "{name} {at}: {took:?} is less than the device needs");
        }
    }
}

#[test]
fn beyond_what_firmware_asks_for_half_a_second_suffices() {
    for name in FIXTURES {
        for (at, firmware) in endpoints(&fixture(name)).into_iter().flat_map(|at| both().map(|f| (at, f))) {
            let scenario = Scenario::on(name).firmware(firmware);
            let done = scenario.at(ms(10), Fault::Break(at.phb, at.bdf)).run();
            done.assert_healthy();
            let recovery = only(&done.run);
            // PAPR has the partition hold a reset, and leave the PE alone after it.
            let papr = |p: &&Pause| matches!(p.why, Some(Wait::ResetHold | Wait::PeSettle));
            let papr = recovery.pauses.iter().filter(papr).map(|p| p.to.since(p.from)).sum();
            let papr = if firmware.is_pseries() { papr } else { Duration::ZERO };
            let (took, waited) = (to_resume(recovery), recovery.firmware_time() + papr);
            let own = took.checked_sub(waited).expect("a part of it");
            assert!(own <= ms(500), "{name} {at} {firmware:?}: {own:?} of {took:?}\n{}", done.log());
        }
    }
}

#[test]
fn every_moment_of_a_recovery_is_a_wait_with_a_reason() {
    for firmware in each() {
        for at in endpoints(&fixture("powernv10")) {
            let scenario = Scenario::on("powernv10").firmware(firmware);
            let done = scenario.at(ms(10), Fault::Break(at.phb, at.bdf)).run();
            let recovery = only(&done.run);
            let waited: Duration = recovery.pauses.iter().map(|p| p.to.since(p.from)).sum();
            let ended = recovery.ended.expect("it ended").0;
            assert_eq!(waited, ended.since(recovery.began), "{at} {firmware:?}: {:#?}", recovery.pauses);
        }
    }
}

#[test]
fn four_phbs_frozen_together_take_no_longer_than_the_slowest_alone() {
    for (name, firmware) in FIXTURES.into_iter().flat_map(|name| each().map(|firmware| (name, firmware))) {
        let all = ["0000:01:00.0", "0001:01:00.0", "0002:03:00.0", "0003:01:00.0"];
        let alone = all.map(|device| {
            let done = Scenario::on(name).firmware(firmware).at(ms(10), common::breaks(device)).run();
            to_resume(only(&done.run))
        });
        let scenario = Scenario::on(name).firmware(firmware);
        let together = all.into_iter().fold(scenario, |s, device| s.at(ms(10), common::breaks(device))).run();
        together.assert_healthy();
        assert_eq!(together.run.recoveries.len(), 4, "{}", together.log());
        let found = together.run.recoveries.iter().map(|r| r.detected).min().expect("four");
        let resumed = together.run.recoveries.iter().filter_map(|r| r.resumed).max().expect("four");
        let (took, slowest) = (resumed.since(found), alone.into_iter().max().expect("four"));
        assert!(took.as_secs_f64() <= 1.2 * slowest.as_secs_f64(), "{took:?} against {slowest:?}");
    }
}

#[test]
fn removing_a_device_of_an_idle_phb_does_not_wait_for_another_phbs_recovery() {
    for firmware in both() {
        idle_while_another_recovers(firmware);
    }
}

fn idle_while_another_recovers(firmware: FirmwareKind) {
    let on = || Scenario::on("powernv10").firmware(firmware);
    let idle = on().at(ms(10), common::removes("0001:01:00.0")).run();
    let busy = on()
        .driver("0000:01:00.0", "slow=30s")
        .at(ms(0), common::breaks("0000:01:00.0"))
        .at(ms(10), common::removes("0001:01:00.0"))
        .at(ms(500), Fault::Rescan(1))
        .run();
    assert!(idle.linux.device(1, common::address("0001:01:00.0").bdf).is_err());
    // It was gone at 500 ms already: the rescan found it again, long before the recovery ended.
    assert!(busy.linux.device(1, common::address("0001:01:00.0").bdf).is_ok(), "{}", busy.log());
    assert!(only(&busy.run).duration().expect("it ended") > Duration::from_secs(60));
}
