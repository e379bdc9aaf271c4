// SPDX-License-Identifier: GPL-2.0-or-later
//! Errors that firmware tells of: they become normal events, and the interrupt is armed once each.

mod common;

use common::*;
use eeh_pe::{Passed, PeFlags, PeNumber};
use eeh_recovery::*;

fn ask(rig: &mut Rig, errors: &[NextError]) {
    rig.world.get().errors.extend(errors);
    rig.world.request_check(rig.tree);
    rig.run();
}

#[test]
fn nothing_found_arms_the_interrupt_again() {
    let mut rig = Rig::new(single(aware("nvme")));
    ask(&mut rig, &[]);
    assert_eq!(rig.world.get().rearmed, 1);
    assert_eq!(rig.calls(), ["next_error"]);
}

#[test]
fn a_frozen_pe_becomes_a_normal_event_and_firmware_is_asked_again_after_it() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().frozen.insert(0x1fd, FreezeState::Frozen);
    ask(&mut rig, &[NextError::FrozenPe(PeNumber(0x1fd))]);
    assert!(rig.said("EEH: Frozen PE#1fd on PHB#2 detected"));
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert_eq!(rig.world.get().rearmed, 1);
    assert_eq!(rig.calls().iter().filter(|c| *c == "next_error").count(), 2);
    rig.assert_healthy();
}

#[test]
fn a_freeze_that_a_driver_found_first_is_not_reported_twice() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().errors.push_back(NextError::FrozenPe(PeNumber(0x1fd)));
    rig.freeze(0x1fd);
    rig.world.request_check(rig.tree);
    rig.run();
    // The report came first, and when firmware is asked the PE works again: its answer is old.
    assert_eq!(rig.world.get().rearmed, 1);
}

#[test]
fn the_freeze_of_a_pe_that_nobody_has_is_cleared() {
    let mut rig = Rig::new(single(aware("nvme")));
    ask(&mut rig, &[NextError::FrozenPe(PeNumber(0x77))]);
    assert!(rig.said("EEH: Clear non-existing PHB#2-PE#77"));
    assert!(rig.said("EEH: PHB location: N/A"));
    assert!(rig.said("diag 4 bytes"), "its data are fetched before and printed");
    let calls = rig.calls();
    let capture = calls.iter().position(|c| c == "capture 0");
    let clear = calls.iter().position(|c| c == "clear_unknown 77");
    assert!(capture.is_some() && capture < clear, "{calls:?}");
    assert_eq!(rig.world.get().rearmed, 1);
}

/// Firmware names one frozen PE at a time, and always the same while nobody thaws that.
fn beside_one_that_is_kept(mark: impl Fn(&Rig)) -> Rig {
    let mut rig = Rig::new(switch());
    for pe in [0xfb, 0xfa] {
        rig.world.get().frozen.insert(pe, FreezeState::Frozen);
    }
    mark(&rig);
    ask(&mut rig, &[NextError::FrozenPe(PeNumber(0xfb)); 2]);
    rig
}

#[test]
fn a_freeze_that_one_that_is_given_up_hides_is_found() {
    let rig = beside_one_that_is_kept(|rig| {
        let pe = rig.pe(0xfb).unwrap();
        rig.tree().lock().mark_subtree(pe, PeFlags::ISOLATED);
    });
    assert!(rig.said("EEH: Frozen PE#fa on PHB#2 detected"), "{:?}", rig.lines());
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert_eq!(rig.called()[0], "04:00.0 error_detected(IO frozen)");
    assert_eq!(rig.flags(0xfb), PeFlags::ISOLATED, "what is given up stays so");
    // Each PE is asked once in a look, and those that are known not at all.
    let asked = |pe: &str| rig.calls().iter().filter(|call| **call == format!("state {pe}")).count();
    assert_eq!((asked("fb"), asked("f9")), (0, 1));
    assert_eq!(rig.world.get().rearmed, 1);
}

#[test]
fn a_freeze_that_one_in_its_owners_hands_hides_is_found() {
    let rig = beside_one_that_is_kept(|rig| {
        let device = rig.device(0x0300).unwrap();
        let _ = rig.tree().lock().open_device(device);
    });
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert_eq!(rig.called()[0], "04:00.0 error_detected(IO frozen)");
    assert_eq!(rig.flags(0xfb), PeFlags::PASSED);
}

#[test]
fn what_is_below_one_that_is_given_up_is_not_recovered() {
    let rig = beside_one_that_is_kept(|rig| {
        let (above, below) = (rig.pe(0xfc).unwrap(), rig.pe(0xfa).unwrap());
        let tree = rig.tree();
        let mut guard = tree.lock();
        guard.mark_subtree(above, PeFlags::ISOLATED);
        guard.clear_subtree(below, PeFlags::ISOLATED, Passed::Include);
    });
    assert!(rig.outcomes().is_empty());
    assert_eq!(rig.world.get().rearmed, 1);
}

#[test]
fn informative_errors_are_printed_and_forgotten() {
    let mut rig = Rig::new(single(aware("nvme")));
    ask(&mut rig, &[NextError::Informative]);
    assert_eq!(rig.lines(), ["EEH: PHB#2 informative error detected, location: N/A", "diag 4 bytes"]);
    assert_eq!(rig.world.get().rearmed, 1);
    assert!(rig.outcomes().is_empty());
}

#[test]
fn firmware_that_never_comes_to_an_end_is_left_to_the_next_interrupt() {
    let mut rig = Rig::new(single(aware("nvme")));
    ask(&mut rig, &[NextError::Informative; 40]);
    assert_eq!(rig.world.get().rearmed, 1);
    assert_eq!(rig.world.get().errors.len(), 24);
}

#[test]
fn a_fence_that_firmware_reports_is_recovered() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().fenced = true;
    ask(&mut rig, &[NextError::FencedPhb]);
    assert!(rig.said("EEH: Fenced PHB#2 detected, location: N/A"));
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert_eq!(rig.world.get().rearmed, 1);
    rig.assert_healthy();
}

/// skiboot reads all ones of a fenced PHB, and takes them for a frozen PE that nobody has.
#[test]
fn a_fence_that_firmware_calls_a_frozen_pe_is_recovered() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().fenced = true;
    ask(&mut rig, &[NextError::FrozenPe(PeNumber(0xc0))]);
    assert!(rig.said("EEH: Clear non-existing PHB#2-PE#c0"));
    assert!(rig.said("EEH: Fenced PHB#2 detected, location: N/A"), "{:?}", rig.lines());
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert_eq!(rig.world.get().rearmed, 1);
    rig.assert_healthy();
}

/// Nobody is left who could read all ones.
#[test]
fn a_fence_behind_a_report_of_a_removed_pe_is_recovered() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.freeze(0x1fd);
    rig.unplug(0x0100);
    rig.world.get().fenced = true;
    rig.run();
    assert!(rig.said("EEH: Fenced PHB#2 detected, location: N/A"), "{:?}", rig.lines());
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert!(!rig.world.get().fenced);
}

#[test]
fn a_dead_phb_loses_its_devices_and_nothing_more_is_done_to_it() {
    let mut rig = Rig::new(switch());
    ask(&mut rig, &[NextError::DeadPhb]);
    assert!(rig.said("EEH: dead PHB#2 detected, location: N/A"));
    assert_eq!(
        rig.called(),
        ["03:00.0 error_detected(permanent failure)", "04:00.0 error_detected(permanent failure)"]
    );
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
    assert_eq!(rig.device(0x0300), None);
    assert!(rig.world.get().resets.is_empty());
    assert!(!rig.calls().iter().any(|c| c.starts_with("thaw")));
    assert_eq!(rig.world.get().rearmed, 1);
    let tree = rig.tree();
    assert_eq!(tree.lock().root().unwrap().flags(), PeFlags::ISOLATED);
    // Asked again, firmware repeats itself; nothing happens twice.
    ask(&mut rig, &[NextError::DeadPhb]);
    assert_eq!(rig.outcomes().len(), 1);
    assert_eq!(rig.world.get().rearmed, 2);
}

#[test]
fn a_dead_hub_makes_the_workers_of_the_other_phbs_look() {
    let mut rig = Rig::new(single(aware("nvme")));
    let info = eeh_pe::PhbInfo { number: eeh_pe::PhbNumber(3), firmware: 3, root_bus: 0, windows: [None; 4] };
    let storage = eeh_pe::TreeStorage::reserve(4).unwrap();
    let other = rig.registry.add_phb(info, storage).map_err(|e| e.0).unwrap();
    ask(&mut rig, &[NextError::DeadIoc]);
    assert!(rig.said("EEH: dead IOC detected"));
    assert_eq!(rig.world.get().requested, [other]);
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
}

#[test]
fn a_worker_that_is_dropped_early_arms_the_interrupt() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().frozen.insert(0x1fd, FreezeState::Frozen);
    rig.world.get().errors.push_back(NextError::FrozenPe(PeNumber(0x1fd)));
    rig.world.request_check(rig.tree);
    rig.step();
    assert_eq!(rig.world.get().rearmed, 0, "masked until the event is dealt with");
    rig.worker = None;
    assert_eq!(rig.world.get().rearmed, 1);
}
