// SPDX-License-Identifier: GPL-2.0-or-later
//! Slots: their attention indicators, cards that are pulled or do not come back, bridges that go.

mod common;

use common::*;
use eeh_recovery::*;

fn lit(rig: &Rig) -> Vec<u16> {
    rig.lit.lock().unwrap().iter().copied().collect()
}

#[test]
fn the_indicators_are_lit_while_a_pe_recovers_and_not_after() {
    let mut rig = Rig::new(switch());
    rig.freeze(0xfc);
    while rig.worker.as_ref().unwrap().recovering().map(|r| r.2) != Some(Phase::ReportFrozen) {
        rig.step();
    }
    assert_eq!(lit(&rig), [0x0200, 0x0208, 0x0210, 0x0300, 0x0400, 0x0500]);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    // That of the device that was removed and added back is the new device's.
    assert_eq!(lit(&rig), []);
}

#[test]
fn a_slot_that_failed_keeps_its_light() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().refuse = 3;
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
    assert_eq!(lit(&rig), [0x0100]);
}

#[test]
fn a_light_that_cannot_be_switched_off_undoes_nothing() {
    let mut rig = Rig::new(single(aware("nvme")));
    *rig.hook.lock().unwrap() = Some(Box::new(|_, job| match job {
        Job::Attention { .. } => Some(JobAnswer::Died),
        Job::Presence { .. }
        | Job::Call { .. }
        | Job::Remove { .. }
        | Job::RemoveBus(_)
        | Job::AddBus(_)
        | Job::AddVf { .. } => None,
    }));
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    rig.assert_healthy();
}

/// Runs a recovery of PE 0x1fd in which everything on `buses` is unplugged, the deepest first, as soon as it
/// comes to `phase`.
fn unplugged_in(phase: Phase, driver: Option<Driver>, bdfs: &[u16]) -> Rig {
    let mut rig = Rig::new(single(driver));
    rig.freeze(0x1fd);
    while rig.worker.as_ref().unwrap().recovering().map(|r| r.2) != Some(phase) {
        rig.step();
    }
    for bdf in bdfs {
        rig.absent.lock().unwrap().insert(*bdf);
        rig.unplug(*bdf);
    }
    rig.run();
    rig
}

#[test]
fn a_card_that_is_pulled_while_its_pe_is_kept_is_gone_and_not_recovered() {
    for phase in [Phase::Reset, Phase::Settle, Phase::Restore, Phase::RemoveLate] {
        let rig = unplugged_in(phase, aware("nvme"), &[0x0100]);
        assert_eq!(rig.outcomes(), [Outcome::Gone], "{phase:?}");
        assert!(!rig.said("EEH: Recovery successful.") && !rig.said("Unable to recover"), "{phase:?}");
        assert!(rig.pe(0x1fd).is_none(), "{phase:?}: the PE went with its last device");
        rig.assert_healthy();
    }
}

#[test]
fn removal_of_the_bridge_above_a_kept_pe_is_no_failure() {
    let rig = unplugged_in(Phase::RemoveUnaware, aware("nvme"), &[0x0100, 0x0000]);
    assert_eq!(rig.outcomes(), [Outcome::Gone]);
    assert!(!rig.said("Unable to recover"));
    assert!(rig.pe(0x1fd).is_none());
    rig.assert_healthy();
}

#[test]
fn a_card_that_does_not_come_back_after_its_reset_has_failed() {
    let mut rig = unplugged_in(Phase::Reset, unaware("ahci"), &[0x0100]);
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
    assert!(rig.said("EEH: Unable to recover from failure from PHB#2-PE#1fd."));
    // Whatever is put into its place is healthy.
    rig.absent.lock().unwrap().clear();
    rig.plug(&function(0x0100, 0x1fd, aware("nvme")));
    rig.assert_healthy();
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Failed, Outcome::Recovered]);
    assert!(rig.said("has failed 1 times in the last hour"));
}
