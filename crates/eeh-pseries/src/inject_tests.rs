// SPDX-License-Identifier: GPL-2.0-or-later
use mockall::Sequence;
use mockall::predicate::eq;

use super::*;
use crate::rtas::Services;
use crate::status::Status;
use crate::testing::{BUSY, MockRtas, NOT_SUCCESS, PE, back, offering, pe, phb_pe, rtas};

/// Number of `ioa-bus-error-64` in `ibm,errinjct-tokens`.
const CLASS: u32 = 15;
const SESSION: u32 = 0x1234;
const GOOD: Injection = Injection { kind: 1, function: 19, address: 0x1_0000_1000, mask: !0xfff };

fn numbered() -> MockRtas {
    let mut rtas = rtas();
    rtas.expect_errinjct_token().return_const(Some(CLASS));
    rtas
}

fn expect_open(rtas: &mut MockRtas, order: &mut Sequence, status: i32) {
    rtas.expect_open_errinjct().once().in_sequence(order).returning(move |session| {
        *session = SESSION;
        status
    });
}

fn expect_inject(rtas: &mut MockRtas, order: &mut Sequence, status: i32) {
    rtas.expect_errinjct()
        .once()
        .in_sequence(order)
        .withf(|&class, &session, _| (class, session) == (CLASS, SESSION))
        .return_const(status);
}

fn expect_close(rtas: &mut MockRtas, order: &mut Sequence, status: i32) {
    rtas.expect_close_errinjct().once().in_sequence(order).with(eq(SESSION)).return_const(status);
}

/// Firmware that answers the three calls, in this order.
fn session(open: i32, inject: i32, close: i32) -> MockRtas {
    let (mut rtas, mut order) = (numbered(), Sequence::new());
    expect_open(&mut rtas, &mut order, open);
    expect_inject(&mut rtas, &mut order, inject);
    expect_close(&mut rtas, &mut order, close);
    rtas
}

#[test]
fn a_session_is_opened_used_and_closed() {
    assert_eq!(back(session(0, 0, 0)).inject(&pe(), &GOOD), Ok(()));
}

#[test]
fn a_refused_injection_closes_its_session() {
    for status in NOT_SUCCESS {
        for close in [0, -1] {
            let Status::Failed(expected) = ERRINJCT.sort(status) else { panic!("{status}") };
            let answer = back(session(0, status, close)).inject(&pe(), &GOOD);
            assert_eq!(answer, Err(InjectError::Firmware(expected)));
        }
    }
}

#[test]
fn a_session_that_does_not_close_is_told_of() {
    for status in NOT_SUCCESS {
        let Status::Failed(expected) = CLOSE_ERRINJCT.sort(status) else { panic!("{status}") };
        assert_eq!(back(session(0, 0, status)).inject(&pe(), &GOOD), Err(expected.into()));
    }
}

#[test]
fn without_a_session_nothing_is_injected_or_closed() {
    for status in NOT_SUCCESS {
        let (mut rtas, mut order) = (numbered(), Sequence::new());
        expect_open(&mut rtas, &mut order, status);
        assert!(back(rtas).inject(&pe(), &GOOD).is_err());
    }
    let (mut rtas, mut order) = (numbered(), Sequence::new());
    expect_open(&mut rtas, &mut order, rc::NOT_ENABLED);
    assert_eq!(back(rtas).inject(&pe(), &GOOD), Err(OPEN_ERRINJCT.missing().into()));
}

#[test]
fn busy_firmware_is_called_again_and_still_closed() {
    for status in BUSY {
        let (mut rtas, mut order) = (numbered(), Sequence::new());
        expect_open(&mut rtas, &mut order, status);
        expect_open(&mut rtas, &mut order, 0);
        expect_inject(&mut rtas, &mut order, status);
        expect_inject(&mut rtas, &mut order, 0);
        expect_close(&mut rtas, &mut order, status);
        expect_close(&mut rtas, &mut order, 0);
        assert_eq!(back(rtas).inject(&pe(), &GOOD), Ok(()));

        let (mut rtas, mut order) = (numbered(), Sequence::new());
        expect_open(&mut rtas, &mut order, 0);
        rtas.expect_errinjct().times(3..202).return_const(status);
        rtas.expect_close_errinjct().once().with(eq(SESSION)).return_const(0);
        assert_eq!(back(rtas).inject(&pe(), &GOOD), Err(ERRINJCT.unfinished().into()));
    }
}

#[test]
fn work_buffers_are_as_papr_has_them() {
    let narrow = Injection { kind: 0, function: 6, address: 0x1000, mask: 0xffff_f000 };
    for (error, class, expected) in [
        (narrow, ErrorClass::IoaBus, &[0x1000, 0xffff_f000, PE, 0x0800_0000, 0x2000_0002, 6][..]),
        (
            GOOD,
            ErrorClass::IoaBus64,
            &[1, 0x1000, u32::MAX, 0xffff_f000, PE, 0x0800_0000, 0x2000_0002, 19][..],
        ),
    ] {
        let mut rtas = rtas();
        rtas.expect_errinjct_token().once().with(eq(class)).return_const(Some(3));
        rtas.expect_open_errinjct().once().return_const(0);
        rtas.expect_errinjct().once().withf(move |_, _, work| work == expected).return_const(0);
        rtas.expect_close_errinjct().once().return_const(0);
        assert_eq!(back(rtas).inject(&pe(), &error), Ok(()));
    }
}

#[test]
fn what_is_no_error_never_reaches_firmware() {
    let back = back(numbered());
    let wrong = |error| back.inject(&pe(), &error).unwrap_err();
    assert_eq!(wrong(Injection { kind: 2, ..GOOD }), InjectError::Kind(2));
    assert_eq!(wrong(Injection { kind: u32::MAX, ..GOOD }), InjectError::Kind(u32::MAX));
    assert_eq!(wrong(Injection { function: 20, ..GOOD }), InjectError::Function(20));
    let wide = 1 << 32;
    let narrow = Injection { kind: 0, mask: 0, ..GOOD };
    assert_eq!(wrong(Injection { address: wide, ..narrow }), InjectError::Address(wide));
    assert_eq!(wrong(Injection { address: 0, mask: wide, ..narrow }), InjectError::Address(wide));
    assert_eq!(back.inject(&phb_pe(), &GOOD), Err(NO_PHB.into()));
}

#[test]
fn a_session_that_could_not_be_closed_is_not_opened() {
    for (service, call) in [
        (Services::OPEN_ERRINJCT, "ibm,open-errinjct"),
        (Services::ERRINJCT, "ibm,errinjct"),
        (Services::CLOSE_ERRINJCT, "ibm,close-errinjct"),
    ] {
        let back = back(offering(Services::all().difference(service)));
        assert_eq!(back.inject(&pe(), &GOOD), Err(FirmwareError::Missing { call }.into()));
    }
}

#[test]
fn a_class_that_firmware_does_not_have_is_missing() {
    let mut rtas = rtas();
    rtas.expect_errinjct_token().return_const(None);
    assert_eq!(back(rtas).inject(&pe(), &GOOD), Err(ERRINJCT.missing().into()));
}
