// SPDX-License-Identifier: GPL-2.0-or-later
//! Hazard 5.16: a hotplug driver thaws a PE in hardware and leaves it marked, or marks one and tells
//! nobody: the next freeze is taken for known.
// mutants: hazard_5_16_thaw_leaves_the_mark => "the next freeze is not found"

mod common;

use common::*;
use eeh_pe::{Isolate, PeFlags};
use eeh_recovery::*;

fn check(rig: &Rig, bdf: u16) -> Check {
    dev_check_failure(rig.world, rig.registry, rig.device(bdf).unwrap(), Context::Normal)
}

#[test]
fn hazard_5_16_a_thaw_of_the_port_above_takes_its_mark_along() {
    let mut rig = Rig::new(switch());
    // Nobody recovers: the freeze is the hotplug driver's to clear.
    rig.world.get().params.recovery = false;
    rig.freeze(0xfc);
    rig.run();
    assert_eq!(check(&rig, 0x0200), Check::Known);
    let port = rig.pe(0xfc).unwrap();
    let mut unfreeze = Request::unfreeze(rig.world, rig.registry, port);
    assert_eq!(rig.wait_for(&mut unfreeze), Ok(()));
    assert!(!rig.world.get().frozen.values().any(|state| !state.is_active()));
    rig.world.get().frozen.insert(0xfc, FreezeState::Frozen);
    assert_eq!(check(&rig, 0x0200), Check::Found, "the next freeze is not found");
}

#[test]
fn hazard_5_16_a_card_that_is_pulled_is_isolated_and_somebody_is_told() {
    let mut rig = Rig::new(switch());
    let pe = rig.pe(0xfb).unwrap();
    // The interrupt of the slot: both at once, without waiting.
    assert_eq!(mark_isolated(rig.world, rig.registry, pe), Isolate::Won);
    assert_eq!(freeze(rig.world, rig.registry, pe), Ok(()));
    assert_eq!(mark_isolated(rig.world, rig.registry, pe), Isolate::AlreadyIsolated);
    assert!(rig.flags(0xfb).contains(PeFlags::ISOLATED | PeFlags::PENDING));
    assert_eq!(check(&rig, 0x0300), Check::Known);
    // The hotplug driver takes the device away; another card comes.
    assert!(rig.unplug(0x0300));
    assert_eq!(rig.run(), Next::Idle);
    let function = rig.functions.lock().unwrap().iter().find(|f| f.bdf == 0x0300).cloned().unwrap();
    rig.plug(&function);
    rig.assert_healthy();
    rig.freeze(0xfb);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
}
