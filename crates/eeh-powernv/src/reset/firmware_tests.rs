// SPDX-License-Identifier: GPL-2.0-or-later
use std::sync::{Arc, Mutex};
use std::vec::Vec;

use mockall::Sequence;
use mockall::predicate::eq;
use proptest::prelude::*;

use super::*;
use crate::opal::scope;
use crate::testing::{MockOpal, at};

const ID: u64 = 5;
const SCOPE: u8 = scope::PCI_HOT;

/// Firmware that answers an assertion, the polls up to the release, the release, the polls after it;
/// nothing else, in no other order.
fn firmware(assert: i64, polls: &[i64], release: i64, after: &[i64]) -> MockOpal {
    let mut opal = MockOpal::new();
    let order = &mut Sequence::new();
    for (assert, code, polls) in [(reset::ASSERT, assert, polls), (reset::DEASSERT, release, after)] {
        opal.expect_pci_reset()
            .once()
            .in_sequence(order)
            .with(eq(ID), eq(SCOPE), eq(assert))
            .return_const(code);
        for code in polls {
            opal.expect_pci_poll().once().in_sequence(order).with(eq(ID)).return_const(*code);
        }
    }
    opal
}

/// Polls to the end: the outcome, and the times in milliseconds at which it was polled.
fn run(opal: &MockOpal) -> (ResetPoll, Vec<u64>) {
    let mut attempt = FirmwareReset::new(ID, SCOPE);
    let mut now = at(0);
    let mut times = Vec::new();
    loop {
        times.push(now.as_nanos() / 1_000_000);
        assert!(times.len() < 1000, "an attempt without end");
        match attempt.poll(opal, now) {
            ResetPoll::Wait { until, why } => {
                assert_eq!(why, Wait::OpalPoll);
                assert!(until > now);
                now = until;
            }
            end @ (ResetPoll::Done | ResetPoll::Failed(_)) => {
                // An attempt that is over calls nothing more and stays as it is.
                assert_eq!(attempt.poll(opal, now), end);
                attempt.abandon(opal);
                assert_eq!(attempt.poll(opal, now), end);
                return (end, times);
            }
        }
    }
}

#[test]
fn a_real_reset_is_polled_when_firmware_asks_for_it() {
    let opal = firmware(1000, &[1000, 1, 1, 0], 0, &[]);
    assert_eq!(run(&opal), (ResetPoll::Done, [0, 1000, 2000, 2001, 2002].to_vec()));
}

#[test]
fn a_release_that_takes_time_is_polled_too() {
    let opal = firmware(0, &[], 30, &[5, 0]);
    assert_eq!(run(&opal), (ResetPoll::Done, [0, 30, 35].to_vec()));
}

#[test]
fn a_refused_assertion_fails_though_its_release_answers_success() {
    for code in [rc::HARDWARE, rc::PARAMETER, rc::BUSY, -1000, i64::MIN] {
        let opal = firmware(code, &[], rc::SUCCESS, &[]);
        let failed = FirmwareError::Failed { call: name::RESET, code };
        assert_eq!(run(&opal).0, ResetPoll::Failed(failed));
    }
    let opal = firmware(rc::UNSUPPORTED, &[], rc::SUCCESS, &[]);
    assert_eq!(run(&opal).0, ResetPoll::Failed(FirmwareError::Missing { call: name::RESET }));
}

#[test]
fn a_failed_poll_fails_the_attempt_and_releases_once() {
    let opal = firmware(250, &[1800, rc::HARDWARE], rc::SUCCESS, &[]);
    let failed = FirmwareError::Failed { call: name::POLL, code: rc::HARDWARE };
    assert_eq!(run(&opal).0, ResetPoll::Failed(failed));
}

#[test]
fn a_refused_release_fails_and_is_not_tried_again() {
    let opal = firmware(250, &[0], rc::HARDWARE, &[]);
    let failed = FirmwareError::Failed { call: name::RESET, code: rc::HARDWARE };
    assert_eq!(run(&opal).0, ResetPoll::Failed(failed));
    let opal = firmware(250, &[0], 10, &[rc::HARDWARE]);
    let failed = FirmwareError::Failed { call: name::POLL, code: rc::HARDWARE };
    assert_eq!(run(&opal).0, ResetPoll::Failed(failed));
}

#[test]
fn waits_longer_than_an_attempt_are_garbage() {
    for ms in [60_001, 1 << 31, i64::MAX] {
        let opal = firmware(ms, &[], rc::SUCCESS, &[]);
        let garbage = |call| ResetPoll::Failed(FirmwareError::Garbage { call, code: ms });
        assert_eq!(run(&opal), (garbage(name::RESET), [0].to_vec()));
        let opal = firmware(10, &[ms], rc::SUCCESS, &[]);
        assert_eq!(run(&opal), (garbage(name::POLL), [0, 10].to_vec()));
        let opal = firmware(10, &[0], 10, &[ms]);
        assert_eq!(run(&opal).0, garbage(name::POLL));
    }
}

#[test]
fn firmware_that_asks_for_ever_is_not_waited_for_longer_than_a_minute() {
    let mut opal = MockOpal::new();
    opal.expect_pci_reset().once().with(eq(ID), eq(SCOPE), eq(reset::ASSERT)).return_const(1000);
    opal.expect_pci_reset().once().with(eq(ID), eq(SCOPE), eq(reset::DEASSERT)).return_const(0);
    opal.expect_pci_poll().return_const(1000);
    let (end, times) = run(&opal);
    assert_eq!(end, ResetPoll::Failed(FirmwareError::Unfinished { call: name::POLL }));
    assert_eq!(times.last(), Some(&60_000));
}

#[test]
fn a_poll_before_its_time_calls_nothing() {
    let mut opal = MockOpal::new();
    opal.expect_pci_reset().once().return_const(1000);
    let mut attempt = FirmwareReset::new(ID, SCOPE);
    for now in [0, 1, 999] {
        assert_eq!(attempt.poll(&opal, at(now)), wait(at(1000), Wait::OpalPoll));
    }
}

#[test]
fn a_poll_before_its_time_calls_nothing_after_the_release_either() {
    let opal = firmware(0, &[], 10, &[]);
    let mut attempt = FirmwareReset::new(ID, SCOPE);
    for now in [0, 1, 9] {
        assert_eq!(attempt.poll(&opal, at(now)), wait(at(10), Wait::OpalPoll));
    }
}

#[test]
fn an_attempt_given_up_before_its_first_poll_touches_nothing() {
    let opal = MockOpal::new();
    let mut attempt = FirmwareReset::new(ID, SCOPE);
    attempt.abandon(&opal);
    attempt.abandon(&opal);
    let unfinished = FirmwareError::Unfinished { call: name::RESET };
    assert_eq!(attempt.poll(&opal, at(0)), ResetPoll::Failed(unfinished));
}

#[test]
fn an_attempt_given_up_while_asserted_is_released_once() {
    let opal = firmware(1000, &[7], rc::HARDWARE, &[]);
    let mut attempt = FirmwareReset::new(ID, SCOPE);
    assert_eq!(attempt.poll(&opal, at(0)), wait(at(1000), Wait::OpalPoll));
    assert_eq!(attempt.poll(&opal, at(1000)), wait(at(1007), Wait::OpalPoll));
    attempt.abandon(&opal);
    attempt.abandon(&opal);
    assert!(matches!(attempt.poll(&opal, at(9999)), ResetPoll::Failed(_)));
}

#[test]
fn an_attempt_given_up_after_its_release_is_not_released_again() {
    let opal = firmware(0, &[], 10, &[]);
    let mut attempt = FirmwareReset::new(ID, SCOPE);
    assert_eq!(attempt.poll(&opal, at(0)), wait(at(10), Wait::OpalPoll));
    attempt.abandon(&opal);
    assert!(matches!(attempt.poll(&opal, at(10)), ResetPoll::Failed(_)));
}

proptest! {
    /// Whatever firmware answers: one release for the assertion, success only if every answer was
    /// one, and an end.
    #[test]
    fn any_firmware_gets_one_pair(codes in prop::collection::vec(prop_oneof![
        Just(0i64), 1..2000i64, -13..0i64, any::<i64>(),
    ], 1..40), give_up in prop::option::of(0usize..40)) {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let given = Arc::new(Mutex::new(codes.into_iter()));
        let next = move || given.lock().unwrap().next().unwrap_or(0);
        let mut opal = MockOpal::new();
        let (log, answer) = (calls.clone(), next.clone());
        opal.expect_pci_reset().returning(move |_, _, assert| {
            let code = answer();
            log.lock().unwrap().push((Some(assert), code));
            code
        });
        let log = calls.clone();
        opal.expect_pci_poll().returning(move |_| {
            let code = next();
            log.lock().unwrap().push((None, code));
            code
        });
        let mut attempt = FirmwareReset::new(ID, SCOPE);
        let mut now = at(0);
        let mut polls = 0;
        let end = loop {
            if give_up == Some(polls) {
                attempt.abandon(&opal);
            }
            match attempt.poll(&opal, now) {
                ResetPoll::Wait { until, .. } => now = until,
                end @ (ResetPoll::Done | ResetPoll::Failed(_)) => break end,
            }
            polls += 1;
        };
        prop_assert!(now <= at(60_000));
        let calls = calls.lock().unwrap();
        let count = |assert| calls.iter().filter(|call| call.0 == Some(assert)).count();
        prop_assert_eq!(count(reset::ASSERT), count(reset::DEASSERT));
        prop_assert!(count(reset::ASSERT) <= 1);
        if end == ResetPoll::Done {
            prop_assert!(calls.iter().all(|call| (0..=60_000).contains(&call.1)));
            prop_assert_eq!(calls.last().map(|call| call.1), Some(0));
        }
    }
}
