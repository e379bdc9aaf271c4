// SPDX-License-Identifier: GPL-2.0-or-later
//! What one recovery removed and could not add back, since the next freeze was there already.

mod common;

use core::time::Duration;

use common::*;
use eeh_pe::PeFlags;
use eeh_recovery::*;

/// A card with a function whose driver is aware, a virtual function of it, and one function that is removed and
/// added back.
fn card() -> Vec<Function> {
    let mut functions = single(aware("mlx5_core"));
    functions.push(function(0x0101, 0x1fd, unaware("ahci")));
    functions.push(virtual_function(0x0102, 0x1f7, 0x0100, unaware("vf")));
    functions
}

/// Runs until a device has been removed and the reset is over, and hides it from scans.
fn hide(rig: &mut Rig, bdf: u16) {
    while rig.device(bdf).is_some() || rig.flags(0x1fd).contains(PeFlags::ISOLATED) {
        rig.step();
    }
    rig.absent.lock().unwrap().insert(bdf);
}

/// Runs to the end of the recovery, and lets scans find what was hidden.
fn end(rig: &mut Rig) {
    while rig.outcomes().is_empty() {
        rig.step();
    }
    rig.absent.lock().unwrap().clear();
}

#[test]
fn a_pe_that_freezes_before_all_is_back_is_reset_again() {
    for reported in [true, false] {
        let mut rig = Rig::new(card());
        rig.freeze(0x1fd);
        hide(&mut rig, 0x0101);
        if reported {
            rig.freeze(0x1fd);
        } else {
            rig.world.get().frozen.insert(0x1fd, FreezeState::Frozen);
        }
        while !rig.said("still frozen") && !rig.flags(0x1fd).contains(PeFlags::RESET) {
            rig.step();
        }
        rig.absent.lock().unwrap().clear();
        rig.run();
        assert_eq!(rig.outcomes(), [Outcome::Recovered]);
        assert!(rig.device(0x0101).is_some(), "it is lost");
        let told = rig.called().iter().filter(|call| call.contains("error_detected")).count();
        assert_eq!(told, 1, "{:?}", rig.called());
        rig.assert_healthy();
    }
}

#[test]
fn a_card_that_freezes_before_it_is_back_is_reset_again() {
    let mut rig = Rig::new(single(unaware("ahci")));
    rig.freeze(0x1fd);
    while rig.device(0x0100).is_some() || rig.flags(0x1fd).contains(PeFlags::ISOLATED) {
        rig.step();
    }
    rig.absent.lock().unwrap().insert(0x0100);
    rig.world.get().frozen.insert(0x1fd, FreezeState::Frozen);
    while !rig.flags(0x1fd).contains(PeFlags::RESET) {
        rig.step();
    }
    rig.absent.lock().unwrap().clear();
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert!(rig.device(0x0100).is_some(), "it is lost");
    rig.assert_healthy();
}

#[test]
fn virtual_functions_that_a_freeze_keeps_away_are_added_back_by_the_next_recovery() {
    for reported in [true, false] {
        let mut rig = Rig::new(card());
        rig.freeze(0x1fd);
        hide(&mut rig, 0x0102);
        while !rig.called().iter().any(|call| call.contains("slot_reset")) {
            rig.step();
        }
        if reported {
            rig.freeze(0x1fd);
        } else {
            rig.world.get().frozen.insert(0x1fd, FreezeState::Frozen);
        }
        // The next one resets though its driver could go on without.
        rig.answers.lock().unwrap().entry(0x0100).or_default().error_detected = ErsResult::CanRecover;
        end(&mut rig);
        assert_eq!(rig.outcomes(), [Outcome::Fenced]);
        rig.run();
        assert_eq!(rig.outcomes(), [Outcome::Fenced, Outcome::Recovered]);
        assert!(rig.device(0x0102).is_some(), "it is lost");
        rig.assert_healthy();
    }
}

#[test]
fn what_is_missing_at_a_fence_is_added_back_by_the_recovery_of_the_fence() {
    for bdf in [0x0101, 0x0102] {
        let mut rig = Rig::new(card());
        rig.freeze(0x1fd);
        hide(&mut rig, bdf);
        rig.world.get().fenced = true;
        end(&mut rig);
        rig.run();
        assert_eq!(rig.outcomes(), [Outcome::Fenced, Outcome::Recovered]);
        assert!(rig.device(bdf).is_some(), "{bdf:x} is lost");
        rig.assert_healthy();
    }
}

#[test]
fn what_is_missing_for_no_reason_is_waited_for_and_given_up() {
    let mut rig = Rig::new(card());
    rig.freeze(0x1fd);
    hide(&mut rig, 0x0101);
    end(&mut rig);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    rig.assert_healthy();
}

/// The slot of a PE that is only kept is thawed; nothing of others is removed for it.
#[test]
fn a_pe_that_is_only_kept_is_not_recovered() {
    let mut rig = Rig::new(single(unaware("ahci")));
    rig.freeze(0x1fd);
    while rig.device(0x0100).is_some() || rig.flags(0x1fd).contains(PeFlags::ISOLATED) {
        rig.step();
    }
    rig.absent.lock().unwrap().insert(0x0100);
    rig.world.get().fenced = true;
    rig.world.get().params.recovery = false;
    while rig.outcomes().is_empty() {
        rig.step();
    }
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Fenced]);
    let (pe, phb) = (rig.pe(0x1fd).unwrap(), rig.tree().phb_pe().unwrap());
    rig.world.get().now = rig.now().after(Duration::from_secs(1));
    rig.world.get().fenced = false;
    rig.world.get().params.recovery = true;
    let _ = force_recover(rig.world, rig.registry, pe);
    rig.run();
    assert!(rig.device(0x0000).is_some(), "the root port is gone");
    assert_eq!(rig.outcomes(), [Outcome::Fenced]);
    assert!(!rig.flags(0x1fd).contains(PeFlags::ISOLATED));
    rig.absent.lock().unwrap().clear();
    let _ = force_recover(rig.world, rig.registry, phb);
    rig.run();
    assert!(rig.device(0x0100).is_some(), "it is lost");
    rig.assert_healthy();
}
