// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;
use crate::testing::{Called, NOT_SUCCESS, PE, Slot, back, device, phb, rtas};

#[test]
fn firmware_tells_of_no_errors_by_itself() {
    let back = back(rtas());
    assert_eq!(back.next_error(&phb()), Ok(NextError::None));
    back.rearm(&phb());
}

#[test]
fn a_device_needs_nothing_but_its_bridges_configuration() {
    assert_eq!(back(rtas()).reinit(&device()), Ok(()));
}

#[test]
fn a_freeze_of_a_pe_that_nobody_has_is_cleared() {
    let slot = Slot::new(2);
    assert_eq!(back(&slot).clear_unknown(&phb(), PeNumber(PE)), Ok(()));
    assert_eq!(slot.state.get(), 0);
    assert_eq!(*slot.calls.borrow(), [Called::State, Called::Option(2), Called::Option(3)]);
}

#[test]
fn a_freeze_that_cannot_be_looked_at_is_not_cleared() {
    for status in NOT_SUCCESS {
        let slot = Slot::scripted(2, &[status]);
        assert!(back(&slot).clear_unknown(&phb(), PeNumber(PE)).is_err());
        assert_eq!(*slot.calls.borrow(), [Called::State]);
    }
}
