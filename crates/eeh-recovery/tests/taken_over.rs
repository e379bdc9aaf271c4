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
fn what_is_missing_when_the_pe_freezes_again_is_added_back_by_the_next_recovery() {
    for bdf in [0x0101, 0x0102] {
        for reported in [true, false] {
            let mut rig = Rig::new(card());
            rig.freeze(0x1fd);
            hide(&mut rig, bdf);
            if reported {
                rig.freeze(0x1fd);
            } else {
                rig.world.get().frozen.insert(0x1fd, FreezeState::Frozen);
            }
            end(&mut rig);
            assert_eq!(rig.outcomes(), [Outcome::Fenced], "{bdf:x}");
            assert!(rig.device(bdf).is_none());
            rig.run();
            assert_eq!(rig.outcomes(), [Outcome::Fenced, Outcome::Recovered]);
            assert!(rig.device(bdf).is_some(), "{bdf:x} is lost");
            rig.assert_healthy();
        }
    }
}

#[test]
fn the_next_recovery_resets_though_all_drivers_could_go_on_without() {
    let mut rig = Rig::new(card());
    rig.freeze(0x1fd);
    hide(&mut rig, 0x0101);
    rig.answers.lock().unwrap().entry(0x0100).or_default().error_detected = ErsResult::CanRecover;
    rig.freeze(0x1fd);
    end(&mut rig);
    rig.run();
    assert!(rig.device(0x0101).is_some(), "it is lost");
    rig.assert_healthy();
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
