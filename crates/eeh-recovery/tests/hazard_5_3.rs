// SPDX-License-Identifier: GPL-2.0-or-later
//! Hazard 5.3: a check of a device that hotplug has taken away finds nothing to judge.
// mutants: hazard_5_3_gone_has_failed => "a device that is gone is judged"

mod common;

use common::*;
use eeh_recovery::*;

#[test]
fn hazard_5_3_a_device_that_is_gone_is_not_judged() {
    let rig = Rig::new(single(aware("nvme")));
    let device = rig.device(0x0100).unwrap();
    rig.unplug(0x0100);
    rig.world.get().frozen.insert(0x1fd, FreezeState::NotSupported);
    for context in [Context::Normal, Context::Nmi] {
        let answer = dev_check_failure(rig.world, rig.registry, device, context);
        assert_eq!(answer, Check::Unknown, "a device that is gone is judged");
    }
    assert!(rig.calls().is_empty(), "firmware is not asked about what is gone");
}
