// SPDX-License-Identifier: GPL-2.0-or-later
//! Hazard 5.5: events are lost, or stay queued for a PE that nobody holds.
// mutants: hazard_5_5_lost_event => "the freeze in resume is lost"

mod common;

use common::*;
use eeh_pe::{PeFlags, Time};
use eeh_recovery::*;

/// A freeze in the first `resume`; then the driver behaves.
fn freeze_in_resume(rig: &Rig) {
    let mut first = true;
    *rig.hook.lock().unwrap() = Some(Box::new(move |rig, job| {
        if let Job::Call { handler: Handler::Resume, .. } = job
            && core::mem::take(&mut first)
        {
            rig.freeze(0x1fd);
        }
        None
    }));
}

#[test]
fn hazard_5_5_a_freeze_while_a_recovery_finishes_is_handled_after_it() {
    let mut rig = Rig::new(single(aware("nvme")));
    freeze_in_resume(&rig);
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered; 2], "the freeze in resume is lost");
    rig.assert_healthy();
}

#[test]
fn hazard_5_5_a_queued_event_outlives_the_removal_of_its_pe() {
    let mut rig = Rig::new(single(aware("nvme")));
    freeze_in_resume(&rig);
    rig.freeze(0x1fd);
    while rig.outcomes().is_empty() {
        rig.step();
    }
    // The second event waits, the first recovery is over, and hotplug comes first.
    assert!(rig.flags(0x1fd).contains(PeFlags::PENDING), "the freeze in resume is lost");
    rig.unplug(0x0100);
    rig.registry.reap();
    assert_eq!(rig.registry.orphans(Time::ZERO).count(), 1, "the queue holds the PE");
    rig.run();
    rig.registry.reap();
    assert_eq!(rig.registry.orphans(Time::ZERO).count(), 0);
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
}

#[test]
fn hazard_5_5_a_child_reported_before_its_parent_stays_valid_through_the_parents_recovery() {
    let mut rig = Rig::new(switch());
    rig.freeze(0xfb);
    rig.freeze(0xfd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    rig.freeze(0xfb);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered; 2]);
    rig.assert_healthy();
}
