// SPDX-License-Identifier: GPL-2.0-or-later
use std::vec;
use std::vec::Vec;

use eeh_recovery::{ResetPoint, SlotControl};
use proptest::prelude::*;

use super::*;
use crate::testing::{BUSY, Called, NOT_SUCCESS, Slot, at, back, pe, phb_pe, rtas};

const HOT: Called = Called::Reset(reset::HOT);
const FUNDAMENTAL: Called = Called::Reset(reset::FUNDAMENTAL);
const OFF: Called = Called::Reset(reset::DEACTIVATE);

/// Polls to the end, or gives up before poll `give_up`: the outcome, and each wait in milliseconds.
fn drive(slot: &Slot, kind: ResetKind, give_up: Option<usize>) -> (ResetPoll, Vec<(u64, Wait)>) {
    let back = back(slot);
    let mut attempt = back.begin_reset(&pe(), &ResetPoint::RootBus, kind);
    let mut now = at(0);
    let mut waits = Vec::new();
    for poll in 0..1000 {
        if give_up == Some(poll) {
            back.abandon_reset(&mut attempt);
            back.abandon_reset(&mut attempt);
        }
        match back.poll_reset(&mut attempt, now) {
            ResetPoll::Wait { until, why } => {
                assert!(until > now);
                waits.push(((until.as_nanos() - now.as_nanos()) / 1_000_000, why));
                now = until;
            }
            end @ (ResetPoll::Done | ResetPoll::Failed(_)) => {
                // An attempt that is over calls nothing more and stays as it is.
                let calls = slot.calls.borrow().len();
                assert_eq!(back.poll_reset(&mut attempt, now), end);
                back.abandon_reset(&mut attempt);
                assert_eq!(back.poll_reset(&mut attempt, now), end);
                assert_eq!(slot.calls.borrow().len(), calls);
                return (end, waits);
            }
        }
    }
    panic!("an attempt without end");
}

fn run(slot: &Slot, kind: ResetKind) -> (ResetPoll, Vec<(u64, Wait)>) {
    drive(slot, kind, None)
}

const HELD: (u64, Wait) = (100, Wait::ResetHold);
const SETTLED: (u64, Wait) = (1500, Wait::PeSettle);

#[test]
fn a_stopped_pe_is_held_released_left_alone_and_looked_at() {
    for (kind, activated) in [(ResetKind::Hot, HOT), (ResetKind::Fundamental, FUNDAMENTAL)] {
        for state in [0, 2, 4] {
            let slot = Slot::new(state);
            assert_eq!(run(&slot, kind), (ResetPoll::Done, vec![HELD, SETTLED]));
            assert_eq!(*slot.calls.borrow(), [activated, OFF, Called::State]);
            assert_eq!(slot.state.get(), 0);
        }
    }
}

#[test]
fn a_pe_without_a_fundamental_reset_gets_a_hot_one() {
    for status in [-8, -3] {
        let slot = Slot::new(2);
        slot.no_fundamental.set(status);
        assert_eq!(run(&slot, ResetKind::Fundamental), (ResetPoll::Done, vec![HELD, SETTLED]));
        assert_eq!(*slot.calls.borrow(), [FUNDAMENTAL, HOT, OFF, Called::State]);
    }
    // Once only, and not of a hot reset.
    let slot = Slot::scripted(2, &[-8, -8]);
    assert_eq!(run(&slot, ResetKind::Fundamental).0, ResetPoll::Failed(SET_SLOT_RESET.failed(-8)));
    let slot = Slot::scripted(2, &[-8]);
    assert_eq!(run(&slot, ResetKind::Hot).0, ResetPoll::Failed(SET_SLOT_RESET.failed(-8)));
    assert_eq!(*slot.calls.borrow(), [HOT, OFF]);
}

#[test]
fn a_refused_activation_fails_and_is_released_once() {
    for status in NOT_SUCCESS {
        let slot = Slot::scripted(2, &[status, 0]);
        assert!(matches!(run(&slot, ResetKind::Hot), (ResetPoll::Failed(_), waits) if waits.is_empty()));
        let looked: &[Called] = if status == -7 { &[HOT, Called::State, OFF] } else { &[HOT, OFF] };
        assert_eq!(*slot.calls.borrow(), looked);
    }
    let slot = Slot::new(5);
    assert_eq!(run(&slot, ResetKind::Hot).0, ResetPoll::Failed(SET_SLOT_RESET.failed(-7)));
}

#[test]
fn a_refused_release_fails_and_is_not_tried_again() {
    for status in NOT_SUCCESS {
        let slot = Slot::scripted(2, &[0, status]);
        assert!(matches!(run(&slot, ResetKind::Hot).0, ResetPoll::Failed(_)));
        let looked: &[Called] = if status == -7 { &[HOT, OFF, Called::State] } else { &[HOT, OFF] };
        assert_eq!(*slot.calls.borrow(), looked);
    }
}

const AWAY: (u64, Wait) = (3000, Wait::FirmwareUnavailable);

#[test]
fn a_pe_that_is_away_when_it_is_to_be_reset_is_reset_when_it_is_back() {
    let slot = Slot::new(2);
    slot.fenced.set(2);
    assert_eq!(run(&slot, ResetKind::Hot), (ResetPoll::Done, vec![AWAY, AWAY, HELD, SETTLED]));
    assert_eq!(slot.state.get(), 0);
}

#[test]
fn a_pe_that_goes_away_in_its_reset_is_released_when_it_is_back() {
    let slot = Slot::new(2);
    let back = back(&slot);
    let mut attempt = back.begin_reset(&pe(), &ResetPoint::RootBus, ResetKind::Hot);
    assert_eq!(back.poll_reset(&mut attempt, at(0)), wait(at(100), Wait::ResetHold));
    slot.fenced.set(1);
    assert_eq!(back.poll_reset(&mut attempt, at(100)), wait(at(3100), Wait::FirmwareUnavailable));
    assert_eq!(back.poll_reset(&mut attempt, at(2000)), wait(at(3100), Wait::FirmwareUnavailable));
    assert_eq!(back.poll_reset(&mut attempt, at(3100)), wait(at(4600), Wait::PeSettle));
    assert_eq!(back.poll_reset(&mut attempt, at(4600)), ResetPoll::Done);
    assert_eq!(slot.state.get(), 0, "the reset is left active");
}

#[test]
fn a_pe_that_stays_away_is_not_waited_for_for_ever() {
    let slot = Slot::new(2);
    slot.fenced.set(u32::MAX);
    let (end, waits) = run(&slot, ResetKind::Hot);
    assert_eq!(end, ResetPoll::Failed(SET_SLOT_RESET.failed(-7)));
    assert_eq!(waits.iter().map(|(ms, _)| ms).sum::<u64>(), 60_000);
}

#[test]
fn busy_firmware_is_called_again_when_it_asks_for_it() {
    let slot = Slot::scripted(2, &[9901, -2, 0, 9902]);
    slot.state.set(1);
    let busy = |ms| (ms, Wait::RtasBusy);
    let expected = vec![busy(10), busy(1), HELD, busy(100), SETTLED];
    assert_eq!(run(&slot, ResetKind::Hot), (ResetPoll::Done, expected));
    assert_eq!(*slot.calls.borrow(), [HOT, HOT, HOT, OFF, OFF, Called::State]);
}

#[test]
fn a_release_has_patience_of_its_own() {
    let slot = Slot::scripted(1, &[9902, 9902, 0, 9902, 9902]);
    let busy = (100, Wait::RtasBusy);
    let expected = vec![busy, busy, HELD, busy, busy, SETTLED];
    assert_eq!(run(&slot, ResetKind::Hot), (ResetPoll::Done, expected));
}

#[test]
fn a_storm_of_busy_answers_ends_and_is_released() {
    for status in BUSY {
        let script: Vec<i32> = core::iter::repeat_n(status, 2000).collect();
        let slot = Slot::scripted(2, &script);
        let unfinished = ResetPoll::Failed(SET_SLOT_RESET.unfinished());
        assert_eq!(run(&slot, ResetKind::Hot).0, unfinished);
        assert_eq!(slot.calls.borrow().iter().filter(|&&call| call == OFF).count(), 1);
        let slot = Slot::scripted(2, &[&[0], script.as_slice()].concat());
        assert_eq!(run(&slot, ResetKind::Hot).0, unfinished);
        assert!(slot.calls.borrow().len() <= 202);
    }
}

#[test]
fn a_pe_that_is_away_after_its_reset_is_waited_for() {
    let slot = Slot::new(2);
    slot.away.set(3);
    let away = (500, Wait::FirmwareUnavailable);
    assert_eq!(run(&slot, ResetKind::Hot), (ResetPoll::Done, vec![HELD, SETTLED, away, away, away]));
}

#[test]
fn a_pe_that_stays_away_is_waited_for_a_minute() {
    let slot = Slot::new(2);
    slot.away.set(u32::MAX);
    let (end, waits) = run(&slot, ResetKind::Hot);
    assert_eq!(end, ResetPoll::Failed(STATE2.unfinished()));
    let away: u64 = waits.iter().filter(|wait| wait.1 == Wait::FirmwareUnavailable).map(|wait| wait.0).sum();
    assert_eq!(away, 60_000);
}

#[test]
fn a_pe_that_does_not_run_afterwards_was_not_reset() {
    for (state, code) in [(1, 1), (2, 2), (4, 4), (5, 5)] {
        // The release is scripted, so that the state stays.
        let slot = Slot::scripted(state, &[0, 0]);
        assert_eq!(run(&slot, ResetKind::Hot).0, ResetPoll::Failed(STATE2.failed(code)));
    }
    for status in NOT_SUCCESS {
        let slot = Slot::scripted(2, &[0, 0, status]);
        assert!(matches!(run(&slot, ResetKind::Hot).0, ResetPoll::Failed(_)));
    }
}

#[test]
fn polls_before_their_time_call_nothing() {
    let slot = Slot::new(2);
    let back = back(&slot);
    let mut attempt = back.begin_reset(&pe(), &ResetPoint::RootBus, ResetKind::Hot);
    for (now, until, why, calls) in [
        (0, 100, Wait::ResetHold, 1),
        (99, 100, Wait::ResetHold, 1),
        (100, 1600, Wait::PeSettle, 2),
        (1599, 1600, Wait::PeSettle, 2),
    ] {
        assert_eq!(back.poll_reset(&mut attempt, at(now)), wait(at(until), why));
        assert_eq!(slot.calls.borrow().len(), calls);
    }
}

#[test]
fn an_attempt_given_up_is_released_if_it_was_activated() {
    for (give_up, expected) in
        [(0, vec![]), (1, vec![HOT, OFF]), (2, vec![HOT, OFF]), (3, vec![HOT, OFF, Called::State])]
    {
        let slot = Slot::new(2);
        slot.away.set(9);
        let end = drive(&slot, ResetKind::Hot, Some(give_up)).0;
        assert_eq!(end, ResetPoll::Failed(SET_SLOT_RESET.unfinished()));
        assert_eq!(*slot.calls.borrow(), expected);
    }
}

#[test]
fn an_attempt_given_up_amid_busy_answers_is_released() {
    let slot = Slot::scripted(2, &[9902]);
    drive(&slot, ResetKind::Hot, Some(1));
    assert_eq!(*slot.calls.borrow(), [HOT, OFF]);
    let slot = Slot::scripted(2, &[0, 9902]);
    drive(&slot, ResetKind::Hot, Some(2));
    assert_eq!(*slot.calls.borrow(), [HOT, OFF, OFF]);
}

#[test]
fn a_whole_phb_cannot_be_reset() {
    let back = back(rtas());
    let mut attempt = back.begin_reset(&phb_pe(), &ResetPoint::Phb, ResetKind::Fundamental);
    assert_eq!(back.poll_reset(&mut attempt, at(0)), ResetPoll::Failed(NO_PHB));
    back.abandon_reset(&mut attempt);
}

proptest! {
    /// Whatever firmware answers: an end, a release behind every activation, and success only of a PE
    /// that was active, was released and runs.
    #[test]
    fn any_firmware_gets_its_release(
        script in prop::collection::vec(prop_oneof![Just(0), Just(-2), 9900..9906, -9..0, any::<i32>()], 0..40),
        fundamental in any::<bool>(),
        give_up in prop::option::of(0usize..40),
    ) {
        let slot = Slot::scripted(2, &script);
        let kind = if fundamental { ResetKind::Fundamental } else { ResetKind::Hot };
        let (end, _) = drive(&slot, kind, give_up);
        let calls = slot.calls.borrow();
        let activations = calls.iter().rposition(|call| matches!(call, Called::Reset(1 | 3)));
        let releases = calls.iter().rposition(|&call| call == OFF);
        prop_assert!(activations <= releases, "{calls:?}");
        if end == ResetPoll::Done {
            prop_assert_eq!(calls.last(), Some(&Called::State));
            prop_assert!(activations.is_some());
        }
    }
}
