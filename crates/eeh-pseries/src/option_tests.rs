// SPDX-License-Identifier: GPL-2.0-or-later
use eeh_recovery::SlotControl;

use super::*;
use crate::rtas::SlotResetState;
use crate::status::{SET_EEH_OPTION, STATE2};
use crate::testing::{ADDRESS, Called, NOT_SUCCESS, Slot, back, pe, phb_pe, rtas};

/// Thaws a PE in a state: the answer, PAPR's state afterwards, and the functions that were called.
fn thaw(state: u32, what: Thaw) -> (Result<(), FirmwareError>, u32, std::vec::Vec<u32>) {
    let slot = Slot::new(state);
    let answer = back(&slot).thaw(&pe(), what);
    let calls = slot.calls.borrow();
    assert_eq!(calls.first(), Some(&Called::State));
    let functions = calls.iter().filter_map(|call| match call {
        Called::Option(function) => Some(*function),
        Called::Reset(_) | Called::State | Called::Configure => None,
    });
    (answer, slot.state.get(), functions.collect())
}

#[test]
fn a_stopped_pe_runs_again_by_way_of_mmio() {
    assert_eq!(thaw(2, Thaw::Mmio), (Ok(()), 4, [2].to_vec()));
    assert_eq!(thaw(2, Thaw::All), (Ok(()), 0, [2, 3].to_vec()));
    assert_eq!(thaw(4, Thaw::Dma), (Ok(()), 0, [3].to_vec()));
    assert_eq!(thaw(4, Thaw::All), (Ok(()), 0, [3].to_vec()));
}

#[test]
fn what_runs_already_is_not_thawed() {
    for what in [Thaw::Mmio, Thaw::Dma, Thaw::All] {
        assert_eq!(thaw(0, what), (Ok(()), 0, [].to_vec()));
    }
    assert_eq!(thaw(4, Thaw::Mmio), (Ok(()), 4, [].to_vec()));
}

#[test]
fn firmware_refuses_what_cannot_be_thawed() {
    let refused = Err(SET_EEH_OPTION.failed(-7));
    assert_eq!(thaw(2, Thaw::Dma), (refused, 2, [3].to_vec()));
    assert_eq!(thaw(1, Thaw::All), (refused, 1, [2].to_vec()));
}

#[test]
fn a_pe_that_firmware_has_given_up_is_left_alone() {
    for what in [Thaw::Mmio, Thaw::Dma, Thaw::All] {
        assert_eq!(thaw(5, what), (Ok(()), 5, [].to_vec()));
    }
}

#[test]
fn a_refused_first_step_is_the_last() {
    for status in NOT_SUCCESS {
        let mut rtas = rtas();
        rtas.expect_read_slot_reset_state2().once().returning(|_, out| {
            *out = SlotResetState { state: 2, capabilities: 1, unavailable_ms: 0 };
            0
        });
        rtas.expect_set_eeh_option().once().return_const(status);
        assert!(back(rtas).thaw(&pe(), Thaw::All).is_err(), "{status}");
    }
}

#[test]
fn a_pe_whose_state_is_garbage_stays_as_it_is() {
    for status in NOT_SUCCESS {
        let mut rtas = rtas();
        rtas.expect_read_slot_reset_state2().once().return_const(status);
        assert!(back(rtas).thaw(&pe(), Thaw::All).is_err());
    }
    let mut rtas = rtas();
    rtas.expect_read_slot_reset_state2().once().returning(|_, out| {
        *out = SlotResetState { state: 3, capabilities: 1, unavailable_ms: 0 };
        0
    });
    assert_eq!(back(rtas).thaw(&pe(), Thaw::All), Err(STATE2.garbage(3)));
}

#[test]
fn firmware_that_is_busy_thawing_is_called_a_bounded_number_of_times() {
    let script: std::vec::Vec<i32> = core::iter::repeat_n(-2, 500).collect();
    let slot = Slot::scripted(2, &script);
    assert_eq!(back(&slot).set_option(ADDRESS, option::THAW_MMIO), Err(SET_EEH_OPTION.unfinished()));
    assert_eq!(slot.calls.borrow().len(), 201);
    assert_eq!(slot.state.get(), 2);
}

#[test]
fn a_phb_has_nothing_to_thaw() {
    assert_eq!(back(rtas()).thaw(&phb_pe(), Thaw::All), Ok(()));
}
