// SPDX-License-Identifier: GPL-2.0-or-later
//! Hazard 5.1: a device that has left is no vote of its driver.
// mutants: hazard_5_1_gone_is_a_vote => "a device that is gone has given the others up"

mod common;

use common::*;
use eeh_recovery::*;

#[test]
fn hazard_5_1_a_device_that_is_gone_does_not_decide() {
    let mut rig = Rig::new(switch());
    let gone = rig.device(0x0300);
    *rig.hook.lock().unwrap() = Some(Box::new(move |rig, job| {
        if let Job::Call { id, handler: Handler::SlotReset, .. } = job
            && Some(*id) == gone
        {
            rig.unplug(0x0300);
            return Some(JobAnswer::Gone);
        }
        None
    }));
    rig.freeze(0xfc);
    rig.run();
    assert_eq!(
        rig.outcomes(),
        [Outcome::Recovered],
        "a device that is gone has given the others up: its answer was merged"
    );
}
