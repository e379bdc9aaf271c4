// SPDX-License-Identifier: GPL-2.0-or-later
//! Hazard 5.15: whoever holds the `device_lock` looks again at the driver that is bound.
// mutants: hazard_5_15_nobody_looks_again => "a driver is told of a reset whose error it has not heard of"

mod common;

use common::*;
use eeh_recovery::*;

#[test]
fn hazard_5_15_a_driver_bound_just_before_the_call_is_not_called() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.bind_before(Handler::SlotReset);
    rig.freeze(0x1fd);
    rig.run();
    let told = rig.called().iter().any(|call| call.ends_with("slot_reset()"));
    assert!(!told, "a driver is told of a reset whose error it has not heard of");
    rig.assert_healthy();
}
