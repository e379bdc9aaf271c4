// SPDX-License-Identifier: GPL-2.0-or-later
//! Events: which PE is recovered, what is absorbed, what comes after, what is cancelled.

mod common;

use core::time::Duration;

use common::*;
use eeh_pe::{Counter, PeFlags, Time};
use eeh_recovery::*;

fn recovered(rig: &Rig) -> Vec<u32> {
    let state = rig.world.get();
    let began = |e: &Event| match (e.what, e.subject) {
        (What::Progress(Progress::Began), Subject::Pe(pe)) => Some(pe.0),
        (What::Progress(Progress::Began), Subject::Phb) => Some(0),
        _ => None,
    };
    state.events.iter().filter_map(|(_, e)| began(e)).collect()
}

#[test]
fn events_are_handled_first_in_first_out() {
    let mut rig = Rig::new(switch());
    for pe in [0xfa, 0xfb, 0xf9] {
        rig.freeze(pe);
    }
    rig.run();
    assert_eq!(recovered(&rig), [0xfa, 0xfb, 0xf9]);
    assert_eq!(rig.outcomes(), [Outcome::Recovered; 3]);
    rig.assert_healthy();
}

#[test]
fn a_freeze_below_a_frozen_pe_is_handled_there() {
    let mut rig = Rig::new(switch());
    rig.world.get().frozen.insert(0xfd, FreezeState::Frozen);
    rig.freeze(0xfb);
    rig.run();
    assert_eq!(recovered(&rig), [0xfd]);
    assert!(rig.said("EEH: Failure of PHB#2-PE#fb will be handled at parent PHB#2-PE#fd."));
    rig.assert_healthy();
}

#[test]
fn the_events_below_a_pe_are_absorbed_by_its_recovery_whoever_came_first() {
    for order in [[0xfb, 0xfd], [0xfd, 0xfb]] {
        let mut rig = Rig::new(switch());
        for pe in order {
            rig.freeze(pe);
        }
        rig.run();
        assert_eq!(recovered(&rig), [0xfd], "{order:x?}");
        assert_eq!(rig.registry.stats().sum(Counter::Absorbed), 1);
        rig.assert_healthy();
    }
}

#[test]
fn a_freeze_in_resume_is_handled_after_the_recovery_and_counted() {
    let mut rig = Rig::new(single(aware("nvme")));
    *rig.hook.lock().unwrap() = Some(Box::new(|rig, job| {
        if let Job::Call { handler: Handler::Resume, .. } = job {
            rig.freeze(0x1fd);
            assert!(rig.flags(0x1fd).contains(PeFlags::RECOVERING | PeFlags::PENDING));
        }
        None
    }));
    rig.freeze(0x1fd);
    rig.run();
    // The driver never learns: the budget ends it.
    let mut expected = vec![Outcome::Recovered; 5];
    expected.push(Outcome::Failed);
    assert_eq!(rig.outcomes(), expected);
    rig.assert_healthy();
}

#[test]
fn a_second_report_of_the_same_freeze_is_no_second_recovery() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.freeze(0x1fd);
    rig.freeze(0x1fd);
    let device = rig.device(0x0100).unwrap();
    let check = dev_check_failure(rig.world, rig.registry, device, Context::Normal);
    assert_eq!(check, Check::Known);
    rig.run();
    assert_eq!(recovered(&rig), [0x1fd]);
}

#[test]
fn a_recovery_on_request_needs_no_freeze() {
    let mut rig = Rig::new(single(aware("nvme")));
    let _ = force_recover(rig.world, rig.registry, rig.pe(0x1fd).unwrap());
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert!(!rig.calls().iter().any(|c| c.starts_with("capture")), "there is nothing to fetch");
    rig.assert_healthy();
}

#[test]
fn with_recovery_disabled_the_pe_stays_isolated_and_one_line_says_so() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().params.recovery = false;
    rig.freeze(0x1fd);
    rig.freeze(0x1fd);
    rig.run();
    assert!(recovered(&rig).is_empty());
    assert!(rig.flags(0x1fd).contains(PeFlags::ISOLATED));
    assert!(!rig.flags(0x1fd).intersects(PeFlags::PENDING | PeFlags::RECOVERING));
    assert_eq!(rig.lines(), ["EEH: PHB#2-PE#1fd: Event dropped due to no_recover setting"]);
    // Switched on again, a request brings it back.
    rig.world.get().params.recovery = true;
    let _ = force_recover(rig.world, rig.registry, rig.pe(0x1fd).unwrap());
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    rig.assert_healthy();
}

#[test]
fn a_report_of_a_removed_pe_only_clears_the_freeze() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.freeze(0x1fd);
    rig.unplug(0x0100);
    rig.run();
    assert!(recovered(&rig).is_empty());
    assert_eq!(rig.calls(), ["state 1fd", "thaw 1fd All"]);
    rig.assert_healthy();
}

#[test]
fn whoever_comes_after_a_removed_pe_is_reported_when_it_is_frozen() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.freeze(0x1fd);
    rig.unplug(0x0100);
    rig.plug(&function(0x0100, 0x1fd, aware("other")));
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert!(rig.said("Invoking other->slot_reset()"));
    rig.assert_healthy();
}

#[test]
fn removing_the_phb_ends_the_recovery_with_its_reset_released() {
    let mut rig = Rig::new(switch());
    rig.freeze(0xfb);
    rig.freeze(0xfa);
    while rig.world.get().asserted == 0 {
        rig.step();
    }
    let now = rig.now();
    drop(rig.registry.remove_phb(rig.tree, now));
    assert_eq!(rig.run(), Next::Exit);
    assert_eq!(rig.outcomes(), [Outcome::Cancelled]);
    assert_eq!(rig.world.get().asserted, 0);
    rig.worker = None;
    rig.registry.reap();
    assert!(rig.registry.tree(rig.tree).is_none(), "nothing holds the tree any more");
}

#[test]
fn a_fenced_phb_is_reset_as_a_whole() {
    let mut rig = Rig::new(switch());
    rig.world.get().fenced = true;
    let device = rig.device(0x0300).unwrap();
    assert_eq!(dev_check_failure(rig.world, rig.registry, device, Context::Normal), Check::Found);
    rig.run();
    assert_eq!(recovered(&rig), [0]);
    assert_eq!(rig.world.get().resets, [(ResetPoint::Phb, ResetKind::Hot)]);
    assert!(rig.said("EEH: Recovering PHB#2, location: N/A"));
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    for bdf in [0x0000, 0x0100, 0x0300, 0x0400] {
        rig.assert_configured(bdf);
    }
    rig.assert_healthy();
}

#[test]
fn a_fence_always_ends_in_a_reset_when_somebody_is_aware() {
    let mut rig = Rig::new(single(aware("nvme")));
    let answers = Answers { error_detected: ErsResult::CanRecover, ..Answers::default() };
    rig.answers.lock().unwrap().insert(0x0100, answers);
    rig.world.get().fenced = true;
    let device = rig.device(0x0100).unwrap();
    let _ = dev_check_failure(rig.world, rig.registry, device, Context::Normal);
    rig.run();
    assert_eq!(rig.world.get().resets.len(), 1);
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
}

#[test]
fn a_fence_during_a_recovery_takes_over_and_brings_back_what_was_removed() {
    let mut rig = Rig::new(switch());
    rig.freeze(0xfd);
    while rig.device(0x0500).is_some() {
        rig.step();
    }
    rig.world.get().fenced = true;
    rig.world.get().refuse = 1;
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Fenced, Outcome::Recovered]);
    assert_eq!(recovered(&rig), [0xfd, 0]);
    assert!(rig.device(0x0500).is_some(), "xhci is back");
    rig.assert_healthy();
}

#[test]
fn data_of_a_second_freeze_are_fetched_before_the_reset_destroys_them() {
    let mut rig = Rig::new(switch());
    rig.freeze(0xfb);
    while !rig.said("EEH: Reset without") {
        rig.step();
    }
    rig.freeze(0xfa);
    rig.run();
    let calls = rig.calls();
    let captures: Vec<_> =
        calls.iter().enumerate().filter(|c| c.1.starts_with("capture")).map(|c| c.0).collect();
    let first_change = calls.iter().position(|c| c.starts_with("freeze")).unwrap();
    assert_eq!(captures.len(), 2);
    assert!(captures.iter().all(|&c| c < first_change), "{calls:?}");
    assert_eq!(rig.lines().iter().filter(|l| l.starts_with("diag ")).count(), 2);
    assert!(!rig.said("lost"));
}

#[test]
fn lost_data_are_counted_and_said() {
    let mut rig = Rig::new(switch());
    rig.freeze(0xfb);
    while !rig.said("EEH: Reset without") {
        rig.step();
    }
    rig.freeze(0xfa);
    while !rig.calls().contains(&"release".into()) {
        rig.step();
    }
    // The buffer for freezes that wait is in use, and what is to come will clear the registers.
    rig.freeze(0xf9);
    rig.run();
    assert!(rig.said("EEH: PHB#2: error data of another freeze lost (1 so far)"));
    assert_eq!(rig.outcomes(), [Outcome::Recovered; 3]);
}

#[test]
fn nobody_waits_without_saying_why_and_own_time_is_short() {
    let mut rig = Rig::new(switch());
    for bdf in [0x0100, 0x0200, 0x0208, 0x0210, 0x0300, 0x0400] {
        rig.world.get().ready_after.insert(bdf, (Duration::from_millis(100), 0xffff));
    }
    rig.freeze(0xfd);
    rig.run();
    assert!(rig.now().since(Time::ZERO) < Duration::from_millis(250), "{:?}", rig.now());
}

#[test]
fn reports_made_while_a_step_began_are_covered_by_its_recovery() {
    let mut rig = Rig::new(switch());
    let before = rig.now();
    rig.world.get().now = before.after(Duration::from_millis(1));
    for pe in [0xfb, 0xfd] {
        rig.freeze(pe);
    }
    // The worker looked at the clock, and then two detectors were faster than it.
    let next = rig.worker.as_mut().unwrap().step(before);
    assert_eq!(next, Next::Again);
    rig.run();
    assert_eq!(recovered(&rig), [0xfd]);
    rig.assert_healthy();
}

#[test]
fn a_fenced_phb_without_devices_is_reset_and_what_it_hid_is_found() {
    let mut rig = Rig::new(single(aware("nvme")));
    assert!(rig.unplug(0x0100));
    rig.world.get().fenced = true;
    let root = rig.tree().phb_pe().unwrap();
    assert_eq!(rig.registry.isolate(root), eeh_pe::Isolate::Won);
    assert_eq!(rig.run(), Next::Idle);
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert!(!rig.world.get().fenced);
    assert!(rig.device(0x0100).is_some());
    rig.assert_healthy();
}

#[test]
fn a_phb_that_no_reset_opens_is_given_up_once() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().fenced = true;
    rig.world.get().refuse = u32::MAX;
    let root = rig.tree().phb_pe().unwrap();
    assert_eq!(rig.registry.isolate(root), eeh_pe::Isolate::Won);
    rig.world.request_check(rig.tree);
    assert_eq!(rig.run(), Next::Idle);
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
    let root = rig.tree().lock().root().unwrap().flags();
    assert_eq!(root, PeFlags::ISOLATED);
}

#[test]
fn a_detector_that_was_overtaken_by_a_recovery_causes_no_second_one() {
    let mut rig = Rig::new(single(aware("nvme")));
    let seen = eeh_pe::Detection { at: rig.now(), address: 0 };
    rig.freeze(0x1fd);
    rig.run();
    let pe = rig.pe(0x1fd).unwrap();
    // It saw the freeze with the others, and marks the PE only now.
    assert_eq!(rig.registry.isolate_at(pe, seen), eeh_pe::Isolate::Won);
    assert_eq!(rig.run(), Next::Idle);
    assert_eq!(recovered(&rig), [0x1fd]);
    rig.assert_healthy();
    // One that sees another freeze, by the same clock, is heard.
    rig.world.get().frozen.insert(0x1fd, FreezeState::Frozen);
    assert_eq!(rig.registry.isolate_at(pe, seen), eeh_pe::Isolate::Won);
    rig.run();
    assert_eq!(recovered(&rig), [0x1fd, 0x1fd]);
    rig.assert_healthy();
}

/// What a bigger reset put right while another PE was recovered: nobody is told of it, and it may be used.
#[test]
fn devices_of_a_freeze_that_is_over_when_its_report_is_taken_are_online_again() {
    let mut rig = Rig::new(switch());
    rig.freeze(0xfb);
    let _ = rig.step();
    rig.freeze(0xfa);
    assert_eq!(*rig.dev(0x0400).channel.lock().unwrap(), ChannelState::Frozen);
    rig.world.get().frozen.insert(0xfa, FreezeState::Active);
    rig.run();
    assert_eq!(recovered(&rig), [0xfb]);
    assert_eq!(*rig.dev(0x0400).channel.lock().unwrap(), ChannelState::Normal);
    rig.assert_healthy();
}

/// The count of the PE is full: its report cannot be taken, since the next one would have no reference.
#[test]
fn a_report_that_cannot_be_taken_yet_is_tried_again_without_spinning() {
    let mut rig = Rig::new(switch());
    rig.run();
    let pe = rig.tree().lock().find(eeh_pe::PeNumber(0xfb)).unwrap().id();
    let mut holds: Vec<_> = core::iter::from_fn(|| rig.registry.get(pe)).collect();
    assert!(holds.len() > 200);
    rig.freeze(0xfb);
    let begun = rig.now();
    for _ in 0..10 {
        assert!(
            matches!(rig.step(), Next::WaitUntil { why: Wait::References, .. }),
            "neither spins nor sleeps"
        );
    }
    assert!(rig.now().since(begun) >= Duration::from_millis(50));
    assert_eq!(recovered(&rig), []);
    holds.truncate(100);
    rig.run();
    assert_eq!(recovered(&rig), [0xfb]);
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    rig.assert_healthy();
}
