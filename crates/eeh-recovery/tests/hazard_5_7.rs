// SPDX-License-Identifier: GPL-2.0-or-later
//! Hazard 5.7: the recovery thread holds a lock and calls what takes it again.
// mutants: hazard_5_7_lock_held_while_asking => "the lock is held across a call"

mod common;

use common::*;
use eeh_pe::PeNumber;
use eeh_recovery::*;

/// The environment's lock panics when it is taken by whoever holds it.
#[test]
fn hazard_5_7_what_firmware_tells_is_handled_without_any_lock() {
    for error in [NextError::FrozenPe(PeNumber(0x1fd)), NextError::FencedPhb, NextError::DeadPhb] {
        let mut rig = Rig::new(single(aware("nvme")));
        match error {
            NextError::FrozenPe(pe) => drop(rig.world.get().frozen.insert(pe.0, FreezeState::Frozen)),
            NextError::FencedPhb => rig.world.get().fenced = true,
            NextError::DeadPhb | NextError::None | NextError::Informative | NextError::DeadIoc => {}
        }
        rig.world.get().errors.push_back(error);
        rig.world.get().requested.push(rig.tree);
        assert_eq!(rig.run(), Next::Idle);
        let dead = error == NextError::DeadPhb;
        assert_eq!(rig.outcomes(), [if dead { Outcome::Failed } else { Outcome::Recovered }]);
    }
}
