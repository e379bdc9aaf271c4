// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;
use crate::rtas::Services;
use crate::testing::{
    ADDRESS, BUSY, MockRtas, NEEDED_SERVICES, NOT_SUCCESS, back, offering, pe, phb_pe, rtas,
};

/// The outputs of one query.
fn words(state: u32, capabilities: u32, unavailable_ms: u32) -> SlotResetState {
    SlotResetState { state, capabilities, unavailable_ms }
}

/// Firmware that answers one query.
fn answering(status: i32, words: SlotResetState) -> MockRtas {
    let mut rtas = rtas();
    rtas.expect_read_slot_reset_state2().once().withf(|&pe, _| pe == ADDRESS).returning(move |_, out| {
        *out = words;
        status
    });
    rtas
}

fn state(status: i32, words: SlotResetState) -> Result<FreezeState, FirmwareError> {
    back(answering(status, words)).state(&pe())
}

fn away(ms: u64) -> Result<FreezeState, FirmwareError> {
    Ok(FreezeState::Unavailable { wait: Duration::from_millis(ms) })
}

#[test]
fn each_defined_state_has_its_meaning_after_one_call() {
    assert_eq!(state(0, words(0, 1, 0)), Ok(FreezeState::Active));
    assert_eq!(state(0, words(1, 1, 0)), Ok(FreezeState::InReset));
    assert_eq!(state(0, words(2, 1, 0)), Ok(FreezeState::Frozen));
    assert_eq!(state(0, words(4, 1, 0)), Ok(FreezeState::DmaFrozen));
}

#[test]
fn unavailable_without_a_time_is_for_good() {
    assert_eq!(state(0, words(5, 1, 1)), away(1));
    assert_eq!(state(0, words(5, 1, 1000)), away(1000));
    assert_eq!(state(0, words(5, 1, 0)), Ok(FreezeState::NotSupported));
}

#[test]
fn an_unavailable_pe_may_say_anything_about_its_capabilities() {
    for capabilities in [0, 2, u32::MAX] {
        assert_eq!(state(0, words(5, capabilities, 7)), away(7));
        assert_eq!(state(0, words(5, capabilities, 0)), Ok(FreezeState::NotSupported));
    }
}

#[test]
fn waits_of_weeks_are_clamped() {
    for ms in [300_000, 300_001, 1 << 31, u32::MAX] {
        assert_eq!(state(0, words(5, 1, ms)), away(300_000));
    }
}

#[test]
fn without_the_capability_the_state_means_nothing() {
    for number in [0, 1, 2, 3, 4, 6, u32::MAX] {
        assert_eq!(state(0, words(number, 0, 0)), Ok(FreezeState::NotSupported));
    }
}

#[test]
fn states_and_capabilities_outside_papr_are_garbage_with_the_raw_word() {
    for word in [3, 6, 0x8000_0000, u32::MAX] {
        assert_eq!(state(0, words(word, 1, 1)), Err(STATE2.garbage(i64::from(word))));
    }
    for word in [2, 0x8000_0001, u32::MAX] {
        assert_eq!(state(0, words(0, word, 0)), Err(STATE2.garbage(i64::from(word))));
    }
}

#[test]
fn no_status_but_success_makes_a_pe_look_healthy() {
    for status in NOT_SUCCESS {
        assert!(state(status, words(0, 1, 0)).is_err(), "{status}");
    }
    for status in BUSY {
        assert!(matches!(state(status, words(0, 1, 0)), Ok(FreezeState::Unavailable { .. })), "{status}");
    }
    assert_eq!(state(9902, words(0, 1, 0)), away(100));
}

#[test]
fn the_older_call_has_no_time_to_tell() {
    let services =
        NEEDED_SERVICES.difference(Services::READ_SLOT_RESET_STATE2).union(Services::READ_SLOT_RESET_STATE);
    for (answer, expected) in [
        (words(0, 1, 9), Ok(FreezeState::Active)),
        (words(5, 1, 9), Ok(FreezeState::NotSupported)),
        (words(3, 1, 9), Err(STATE.garbage(3))),
    ] {
        let mut rtas = offering(services);
        rtas.expect_read_slot_reset_state().once().returning(move |_, out| {
            *out = answer;
            0
        });
        assert_eq!(back(rtas).state(&pe()), expected);
    }
}

#[test]
fn a_phb_has_no_state_and_nothing_is_frozen() {
    assert_eq!(back(rtas()).state(&phb_pe()), Err(NO_PHB));
    assert_eq!(back(rtas()).freeze(&pe()), Ok(()));
    assert_eq!(back(rtas()).freeze(&phb_pe()), Ok(()));
}

#[test]
fn states_have_the_bits_that_the_c_code_gives_them() {
    let back = back(rtas());
    let bits = |state, capabilities, ms| back.linux_bits(words(state, capabilities, ms).decode().unwrap());
    let given = [(0, 1, 0), (1, 1, 0), (2, 1, 0), (4, 1, 0), (5, 1, 9), (5, 1, 0), (0, 0, 0)];
    assert_eq!(
        given.map(|(state, capabilities, ms)| bits(state, capabilities, ms)),
        [0x78, 0x1c, 0, 0x20, 0x1, 0x2, 0x2]
    );
}
