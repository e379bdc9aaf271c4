// SPDX-License-Identifier: GPL-2.0-or-later
//! Resets, the time links and devices get, and the thaw that needs none.

mod common;

use core::time::Duration;

use common::*;
use eeh_pe::{DeviceFlags, Time};
use eeh_recovery::*;

fn elapsed(rig: &Rig) -> Duration {
    rig.now().since(Time::ZERO)
}

fn waits(rig: &Rig) -> Vec<Wait> {
    let state = rig.world.get();
    let mut waits: Vec<Wait> =
        state
            .events
            .iter()
            .filter_map(|(_, e)| {
                if let What::Progress(Progress::Waiting { why, .. }) = e.what { Some(why) } else { None }
            })
            .collect();
    waits.dedup();
    waits
}

#[test]
fn a_refused_reset_is_a_failed_attempt_and_is_tried_again() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().refuse = 2;
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert!(rig.said("EEH: Failure 0 resetting PHB#2-PE#1fd (attempt 2)"));
    assert!(rig.said("EEH: PHB#2-PE#1fd: Successful reset (attempt 3)"));
    assert_eq!(rig.world.get().resets.len(), 3);
    rig.assert_configured(0x0100);
    rig.assert_healthy();
}

#[test]
fn three_refused_resets_are_a_permanent_failure() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().refuse = 9;
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
    assert_eq!(rig.world.get().resets.len(), 3);
    assert!(rig.said("eeh_handle_normal_event: Cannot reset, err=-5"));
    rig.assert_healthy();
}

#[test]
fn every_attempt_asserts_and_releases_once() {
    let mut rig = Rig::new(single(aware("nvme")));
    // The device never gets ready, so each attempt is a whole one.
    rig.world.get().ready_after.insert(0x0100, (Duration::from_secs(1000), 0xffff));
    rig.freeze(0x1fd);
    rig.run();
    let wire: Vec<_> = rig.calls().into_iter().filter(|c| c == "assert" || c == "release").collect();
    assert_eq!(wire, ["assert", "release"].repeat(3));
    assert!(rig.said("PCI 0002:01:00.0#01fd: EEH: not ready 1000ms after reset; giving up"));
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
    rig.assert_healthy();
}

#[test]
fn a_pe_that_stays_frozen_is_a_failed_attempt() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().stuck.push(0x1fd);
    rig.freeze(0x1fd);
    rig.run();
    assert!(rig.said("EEH: PHB#2-PE#1fd: Slot inactive after reset: 0x0 (attempt 1)"));
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
    assert_eq!(rig.world.get().resets.len(), 3);
}

#[test]
fn one_device_that_asks_for_it_makes_the_reset_fundamental() {
    let mut functions = single(aware("nvme"));
    functions[1].fundamental = true;
    let mut rig = Rig::new(functions);
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.world.get().resets, [(ResetPoint::RootBus, ResetKind::Fundamental)]);
}

#[test]
fn below_a_switch_the_bridge_above_the_pe_is_reset() {
    let mut rig = Rig::new(switch());
    rig.freeze(0xfb);
    rig.run();
    let resets = rig.world.get().resets.clone();
    let [(ResetPoint::Bridge(bridge), ResetKind::Hot)] = resets[..] else { panic!("{resets:?}") };
    assert_eq!(bridge.bdf.0, 0x0200);
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    rig.assert_configured(0x0300);
    rig.assert_healthy();
}

#[test]
fn a_device_that_needs_100_ms_costs_little_more() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().ready_after.insert(0x0100, (Duration::from_millis(100), 0xffff));
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert!(elapsed(&rig) < Duration::from_millis(150), "{:?}", elapsed(&rig));
    assert_eq!(waits(&rig)[..2], [Wait::ResetHold, Wait::LinkSettle]);
}

#[test]
fn a_device_that_asks_for_retries_gets_a_minute() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().ready_after.insert(0x0100, (Duration::from_secs(45), 0x0001));
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert_eq!(rig.world.get().resets.len(), 1);
    assert!(waits(&rig).contains(&Wait::DeviceReady));
}

#[test]
fn a_device_that_is_silent_for_more_than_a_second_is_reset_again() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().ready_after.insert(0x0100, (Duration::from_millis(1300), 0xffff));
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.world.get().resets.len(), 3);
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
}

#[test]
fn a_dead_card_does_not_take_its_neighbours_with_it() {
    let mut rig = Rig::new(switch());
    rig.world.get().ready_after.insert(0x0300, (Duration::from_secs(1000), 0xffff));
    rig.freeze(0xfd);
    rig.run();
    assert_eq!(rig.world.get().resets.len(), 3);
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    rig.assert_configured(0x0400);
    rig.assert_healthy();
}

#[test]
fn a_conventional_device_is_given_its_initialisation_time_and_knows_no_retry_status() {
    let mut functions = single(aware("ahci"));
    functions[1].conventional = true;
    let mut rig = Rig::new(functions.clone());
    rig.world.get().ready_after.insert(0x0100, (Duration::from_millis(900), 0xffff));
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert!(waits(&rig).contains(&Wait::ConventionalSettle));
    let mut rig = Rig::new(functions);
    rig.world.get().ready_after.insert(0x0100, (Duration::from_secs(45), 0x0001));
    rig.freeze(0x1fd);
    rig.run();
    assert!(elapsed(&rig) < Duration::from_secs(1), "0x0001 is a vendor ID like any other");
}

#[test]
fn bridges_are_restored_before_what_is_behind_them_and_the_command_register_last() {
    let mut rig = Rig::new(switch());
    rig.freeze(0xfd);
    rig.run();
    let calls = rig.calls();
    let release = calls.iter().position(|c| c == "release").unwrap();
    let writes: Vec<_> = calls[release..].iter().filter(|c| c.starts_with("write")).collect();
    let mut order: Vec<_> = writes.iter().map(|w| w[6..13].to_owned()).collect();
    order.dedup();
    assert_eq!(order, ["01:00.0", "02:00.0", "02:01.0", "02:02.0", "03:00.0", "04:00.0"]);
    for bdf in order {
        let last = writes.iter().rfind(|w| w.contains(&bdf)).unwrap();
        assert!(last.ends_with("04"), "{last}");
    }
}

#[test]
fn drivers_that_can_recover_are_spared_the_reset() {
    let mut rig = Rig::new(single(aware("cxgb4")));
    let answers = Answers { error_detected: ErsResult::CanRecover, ..Answers::default() };
    rig.answers.lock().unwrap().insert(0x0100, answers);
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(
        rig.called(),
        ["01:00.0 error_detected(IO frozen)", "01:00.0 mmio_enabled()", "01:00.0 resume()"]
    );
    assert!(rig.world.get().resets.is_empty());
    assert!(rig.said("EEH: Enable I/O for affected devices"));
    assert!(rig.said("EEH: Enabled DMA for affected devices"));
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    rig.assert_healthy();
}

#[test]
fn a_driver_may_ask_for_a_reset_after_looking_at_its_device() {
    let mut rig = Rig::new(single(aware("cxgb4")));
    let answers = Answers {
        error_detected: ErsResult::CanRecover,
        mmio_enabled: ErsResult::NeedReset,
        ..Answers::default()
    };
    rig.answers.lock().unwrap().insert(0x0100, answers);
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.world.get().resets.len(), 1);
    assert_eq!(rig.called().len(), 4);
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    rig.assert_healthy();
}

#[test]
fn a_thaw_that_does_not_work_becomes_a_reset() {
    let mut rig = Rig::new(single(aware("cxgb4")));
    let answers = Answers { error_detected: ErsResult::CanRecover, ..Answers::default() };
    rig.answers.lock().unwrap().insert(0x0100, answers);
    rig.freeze(0x1fd);
    while !rig.said("Enable I/O") {
        rig.step();
    }
    rig.world.get().states.extend([FreezeState::Frozen, FreezeState::Frozen]);
    rig.run();
    assert_eq!(rig.world.get().resets.len(), 1);
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
}

#[test]
fn a_slot_that_firmware_has_given_up_is_a_permanent_failure() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.freeze(0x1fd);
    rig.world.get().frozen.insert(0x1fd, FreezeState::NotSupported);
    rig.run();
    assert!(rig.said("EEH: Permanent failure"));
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
}

/// Firmware that is told to give a PE up cuts it off, also one that works again.
#[test]
fn what_is_given_up_late_is_found_by_nobody_again() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.freeze(0x1fd);
    for (line, late) in
        [("EEH: Beginning: 'slot_reset'", true), ("EEH: Beginning: 'error_detected(perm", false)]
    {
        while !rig.lines().iter().any(|said| said.contains(line)) {
            let _ = rig.step();
        }
        if late {
            rig.hangs.lock().unwrap().insert(0x0100);
        }
    }
    rig.world.get().frozen.insert(0x1fd, FreezeState::NotSupported);
    let device = rig.device(0x0100).unwrap();
    assert_eq!(dev_check_failure(rig.world, rig.registry, device, Context::Normal), Check::Known);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
}

#[test]
fn an_undecided_firmware_is_asked_again_as_it_wishes_but_not_for_ever() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.freeze(0x1fd);
    let wait = Duration::from_secs(7);
    rig.world.get().frozen.insert(0x1fd, FreezeState::Unavailable { wait });
    rig.run();
    assert!(waits(&rig).contains(&Wait::FirmwareUnavailable));
    assert_eq!(elapsed(&rig), Duration::from_secs(300));
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
}

#[test]
fn intx_is_enabled_as_often_as_it_is_disabled() {
    for refuse in [0, 9] {
        let mut functions = single(aware("e1000e"));
        functions[1].intx = true;
        let mut rig = Rig::new(functions);
        let dev = rig.dev(0x0100);
        rig.world.get().refuse = refuse;
        rig.freeze(0x1fd);
        rig.run();
        let failed = refuse > 0;
        assert_eq!(*dev.irq_depth.lock().unwrap(), i32::from(failed), "a failed device stays silent");
    }
}

#[test]
fn the_channel_state_follows_the_recovery() {
    let mut rig = Rig::new(single(aware("nvme")));
    let dev = rig.dev(0x0100);
    *rig.hook.lock().unwrap() = Some(Box::new(|_, job| {
        if let Job::Call { device, handler, .. } = job {
            let expected = match handler {
                Handler::ErrorDetected(_) | Handler::MmioEnabled => ChannelState::Frozen,
                Handler::SlotReset | Handler::Resume => ChannelState::Normal,
            };
            assert_eq!(*device.channel.lock().unwrap(), expected, "{handler}");
        }
        None
    }));
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(*dev.channel.lock().unwrap(), ChannelState::Normal);
    let id = rig.device(0x0100).unwrap();
    assert!(!rig.tree().lock().device(id).unwrap().flags().contains(DeviceFlags::IN_ERROR));
}

#[test]
fn configuration_space_is_blocked_from_the_freeze_of_the_reset_to_link_up() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.freeze(0x1fd);
    let mut blocked = Vec::new();
    for _ in 0..1000 {
        let phase = rig.worker.as_ref().unwrap().recovering().map(|r| r.2);
        if rig.flags(0x1fd).contains(eeh_pe::PeFlags::CFG_BLOCKED) {
            blocked.extend(phase);
        }
        if rig.step() == Next::Idle {
            break;
        }
    }
    blocked.dedup();
    assert_eq!(blocked, [Phase::Reset, Phase::Settle]);
}
