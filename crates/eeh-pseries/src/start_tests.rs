// SPDX-License-Identifier: GPL-2.0-or-later
use std::vec::Vec;

use super::*;
use crate::rtas::reset;
use crate::status::{CONFIGURE_PE, SET_SLOT_RESET};
use crate::testing::{BUID, Called, NOT_SUCCESS, Slot, at, back, rtas};

const FIRST: Bdf = Bdf(0x0008);

fn run(slot: &Slot) -> ResetPoll {
    let back = back(slot);
    let mut start = back.begin_start_reset(BUID, FIRST).unwrap().unwrap();
    let mut now = at(0);
    for _ in 0..100 {
        match back.poll_start_reset(&mut start, now) {
            ResetPoll::Wait { until, .. } => now = until,
            end @ (ResetPoll::Done | ResetPoll::Failed(_)) => {
                assert_eq!(back.poll_start_reset(&mut start, now), end);
                return end;
            }
        }
    }
    panic!("a reset without end");
}

fn resets(functions: &[u32]) -> Vec<Called> {
    functions.iter().map(|&function| Called::Reset(function)).collect()
}

#[test]
fn the_first_pe_is_reset_and_its_bridges_are_configured() {
    let slot = Slot::new(2);
    assert_eq!(run(&slot), ResetPoll::Done);
    let expected =
        [resets(&[reset::FUNDAMENTAL, reset::DEACTIVATE]), [Called::State, Called::Configure].to_vec()];
    assert_eq!(*slot.calls.borrow(), expected.concat());
}

#[test]
fn bridges_are_configured_though_the_reset_was_refused() {
    let slot = Slot::scripted(2, &[-1]);
    assert_eq!(run(&slot), ResetPoll::Failed(SET_SLOT_RESET.failed(-1)));
    assert_eq!(slot.calls.borrow().last(), Some(&Called::Configure));
}

#[test]
fn a_refused_configuration_is_the_answer_after_a_good_reset() {
    let slot = Slot::new(2);
    slot.configured.set(-3);
    assert_eq!(run(&slot), ResetPoll::Failed(CONFIGURE_PE.failed(-3)));
    // But not after a bad one.
    let slot = Slot::scripted(2, &[-1]);
    slot.configured.set(-3);
    assert_eq!(run(&slot), ResetPoll::Failed(SET_SLOT_RESET.failed(-1)));
}

#[test]
fn a_phb_whose_first_device_is_in_no_pe_is_left_alone() {
    let mut rtas = rtas();
    rtas.expect_get_config_addr_info2().once().return_const(0);
    assert!(back(rtas).begin_start_reset(BUID, FIRST).unwrap().is_none());
}

#[test]
fn a_phb_whose_first_pe_cannot_be_found_is_left_alone() {
    for status in NOT_SUCCESS.into_iter().filter(|&status| status != -3) {
        let mut rtas = rtas();
        rtas.expect_get_config_addr_info2().once().return_const(status);
        assert!(back(rtas).begin_start_reset(BUID, FIRST).is_err());
    }
}
