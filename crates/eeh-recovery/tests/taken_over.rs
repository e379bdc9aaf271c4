// SPDX-License-Identifier: GPL-2.0-or-later
//! What one recovery removed and could not add back, since the next freeze was there already.

mod common;

use common::*;
use eeh_pe::PeFlags;
use eeh_recovery::*;

/// A virtual function was removed for a reset, and its physical function freezes before it is added back.
fn frozen_while_removed() -> Rig {
    let mut functions = single(aware("mlx5_core"));
    functions.push(virtual_function(0x0102, 0x1f7, 0x0100, unaware("vf")));
    let mut rig = Rig::new(functions);
    rig.freeze(0x1fd);
    while rig.device(0x0102).is_some() || rig.flags(0x1fd).contains(PeFlags::ISOLATED) {
        rig.step();
    }
    rig.absent.lock().unwrap().insert(0x0102);
    rig.freeze(0x1fd);
    while rig.outcomes().is_empty() {
        rig.step();
    }
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert!(rig.device(0x0102).is_none());
    rig.absent.lock().unwrap().clear();
    rig
}

#[test]
fn the_next_recovery_adds_it_back() {
    let mut rig = frozen_while_removed();
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered; 2]);
    assert!(rig.device(0x0102).is_some(), "it is lost");
    rig.assert_healthy();
}

#[test]
fn nothing_is_kept_for_a_recovery_that_does_not_come() {
    let mut rig = frozen_while_removed();
    assert!(rig.flags(0x1f7).contains(PeFlags::KEEP));
    rig.world.get().params.recovery = false;
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert!(rig.pe(0x1f7).is_none(), "an empty PE is left behind");
}
