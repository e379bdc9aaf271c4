// SPDX-License-Identifier: GPL-2.0-or-later
use core::time::Duration;
use std::vec::Vec;

use eeh_recovery::SlotControl;
use proptest::prelude::*;

use super::*;
use crate::BUSY_LIMIT;
use crate::rtas::Services;
use crate::testing::{
    ADDRESS, BUSY, Called, NEEDED_SERVICES, NOT_SUCCESS, Slot, at, back, offering, pe, phb_pe, rtas,
};

/// Polls to the end: the outcome, and the times in milliseconds at which firmware was called.
fn run(slot: &Slot) -> (ConfigurePoll, Vec<u64>) {
    let back = back(slot);
    let mut configure = back.begin_configure(&pe());
    let mut now = at(7);
    let mut times = Vec::new();
    loop {
        times.push(now.as_nanos() / 1_000_000);
        assert!(times.len() < 1000, "a configuration without end");
        match back.poll_configure(&mut configure, now) {
            ConfigurePoll::Wait { until, why } => {
                assert_eq!(why, Wait::RtasBusy);
                assert!(until > now);
                now = until;
            }
            end @ (ConfigurePoll::Done | ConfigurePoll::Failed(_)) => {
                let calls = slot.calls.borrow().len();
                assert_eq!(back.poll_configure(&mut configure, now), end);
                assert_eq!(slot.calls.borrow().len(), calls, "called after the end");
                return (end, times);
            }
        }
    }
}

#[test]
fn firmware_is_called_again_when_it_asks_for_it() {
    let slot = Slot::scripted(0, &[-2, 9901, 9902]);
    assert_eq!(run(&slot), (ConfigurePoll::Done, [7, 8, 18, 118].to_vec()));
}

#[test]
fn waits_of_seconds_are_taken_for_a_tenth() {
    for status in [9903, 9904, 9905] {
        assert_eq!(run(&Slot::scripted(0, &[status])), (ConfigurePoll::Done, [7, 107].to_vec()));
    }
}

#[test]
fn a_storm_of_busy_answers_ends() {
    for status in BUSY {
        let script: Vec<i32> = core::iter::repeat_n(status, 2000).collect();
        let slot = Slot::scripted(0, &script);
        let (end, times) = run(&slot);
        assert_eq!(end, ConfigurePoll::Failed(CONFIGURE_PE.unfinished()));
        assert_eq!(times.last(), Some(&207), "{status}");
    }
}

#[test]
fn no_status_but_success_is_one_and_it_is_not_tried_again() {
    for status in NOT_SUCCESS {
        let slot = Slot::scripted(0, &[status]);
        assert!(matches!(run(&slot).0, ConfigurePoll::Failed(_)), "{status}");
        assert_eq!(*slot.calls.borrow(), [Called::Configure]);
    }
}

#[test]
fn a_poll_before_its_time_calls_nothing() {
    let slot = Slot::scripted(0, &[9902]);
    let back = back(&slot);
    let mut configure = back.begin_configure(&pe());
    for now in [0, 1, 99] {
        let wait = ConfigurePoll::Wait { until: at(100), why: Wait::RtasBusy };
        assert_eq!(back.poll_configure(&mut configure, at(now)), wait);
    }
    assert_eq!(slot.calls.borrow().len(), 1);
}

#[test]
fn the_older_call_is_made_where_there_is_no_newer_one() {
    let older = NEEDED_SERVICES.difference(Services::CONFIGURE_PE).union(Services::CONFIGURE_BRIDGE);
    let refused = ConfigurePoll::Failed(CONFIGURE_BRIDGE.failed(-3));
    for (status, expected) in [(0, ConfigurePoll::Done), (-3, refused)] {
        let mut rtas = offering(older);
        rtas.expect_configure_bridge().once().withf(|&pe| pe == ADDRESS).return_const(status);
        let back = back(rtas);
        assert_eq!(back.poll_configure(&mut back.begin_configure(&pe()), at(0)), expected);
    }
}

#[test]
fn a_phb_has_nothing_to_configure() {
    let back = back(rtas());
    assert_eq!(back.poll_configure(&mut back.begin_configure(&phb_pe()), at(0)), ConfigurePoll::Done);
}

proptest! {
    #[test]
    fn any_firmware_is_done_with_in_time(script in prop::collection::vec(
        prop_oneof![Just(-2), 9900..9906, any::<i32>()], 1..300,
    )) {
        let slot = Slot::scripted(0, &script);
        let (end, times) = run(&slot);
        prop_assert!(Duration::from_millis(times[times.len() - 1] - 7) <= BUSY_LIMIT);
        if end == ConfigurePoll::Done {
            let last = script.get(times.len() - 1).copied().unwrap_or(0);
            prop_assert_eq!(last, 0);
        }
    }
}
