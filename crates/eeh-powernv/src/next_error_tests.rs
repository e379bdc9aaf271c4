// SPDX-License-Identifier: GPL-2.0-or-later
use std::vec::Vec;

use mockall::Sequence;
use mockall::predicate::eq;

use super::*;
use crate::opal::{action, rc};
use crate::testing::{HUB, MockOpal, NOT_SUCCESS, PHB, Table, phb};

fn expect(opal: &mut MockOpal, sequence: &mut Sequence, code: i64, answer: (u16, u16, u64)) {
    let (pci_error_type, severity, first_frozen_pe) = answer;
    opal.expect_pci_next_error().once().in_sequence(sequence).withf(|&phb, _| phb == PHB).returning(
        move |_, out| {
            *out = NextErrorOut { first_frozen_pe, pci_error_type, severity };
            code
        },
    );
}

fn ask(code: i64, answer: (u16, u16, u64), table: Table) -> Result<NextError, FirmwareError> {
    let mut opal = MockOpal::new();
    expect(&mut opal, &mut Sequence::new(), code, answer);
    PowerNv::new(opal, table).next_error(&phb())
}

#[test]
fn each_type_and_severity_of_opal_is_one_of_ours() {
    for (answer, expected) in [
        ((error::NONE, severity::NONE, u64::MAX), NextError::None),
        ((error::PHB, severity::NONE, 0), NextError::None),
        ((error::NONE, severity::PE_ER, 0), NextError::None),
        ((error::IOC, severity::IOC_DEAD, 0), NextError::DeadIoc),
        ((error::PHB, severity::PHB_DEAD, 0), NextError::DeadPhb),
        ((error::PHB, severity::PHB_FENCED, 0), NextError::FencedPhb),
        ((error::PHB, severity::INFORMATIVE, 0), NextError::Informative),
        ((error::PE, severity::PE_ER, 0xfd), NextError::FrozenPe(PeNumber(0xfd))),
        ((error::PE_MMIO, severity::PE_ER, 1), NextError::FrozenPe(PeNumber(1))),
        ((error::PE_DMA, severity::PE_ER, 511), NextError::FrozenPe(PeNumber(511))),
    ] {
        assert_eq!(ask(rc::SUCCESS, answer, Table::default()), Ok(expected), "{answer:?}");
    }
}

#[test]
fn pairs_that_opal_does_not_have_are_errors() {
    for answer in [
        (error::IOC, severity::PHB_DEAD),
        (error::PHB, severity::IOC_DEAD),
        (error::PHB, severity::PE_ER),
        (error::PE, severity::INFORMATIVE),
        (6, severity::PE_ER),
        (error::PE, 6),
        (u16::MAX, u16::MAX),
    ] {
        let code = i64::from(answer.0) << 16 | i64::from(answer.1);
        let garbage = FirmwareError::Garbage { call: name::NEXT_ERROR, code };
        assert_eq!(ask(rc::SUCCESS, (answer.0, answer.1, 1), Table::default()), Err(garbage));
    }
}

#[test]
fn pe_numbers_that_the_phb_does_not_have_are_errors() {
    for number in [512, 1 << 16, 1 << 32, u64::MAX] {
        let garbage = FirmwareError::Garbage { call: name::NEXT_ERROR, code: number.cast_signed() };
        let answer = (error::PE, severity::PE_ER, number);
        assert_eq!(ask(rc::SUCCESS, answer, Table::default()), Err(garbage));
    }
}

#[test]
fn a_slave_answers_for_its_master() {
    let answer = ask(rc::SUCCESS, (error::PE, severity::PE_ER, 10), Table::compound(8, &[9, 10]));
    assert_eq!(answer, Ok(NextError::FrozenPe(PeNumber(8))));
}

#[test]
fn no_code_but_success_is_believed() {
    for code in NOT_SUCCESS {
        let answer = ask(code, (error::PE, severity::PE_ER, 1), Table::default());
        match code {
            rc::UNSUPPORTED => {
                assert_eq!(answer, Err(FirmwareError::Missing { call: name::NEXT_ERROR }));
            }
            code if code < 0 => {
                assert_eq!(answer, Err(FirmwareError::Failed { call: name::NEXT_ERROR, code }));
            }
            code => assert_eq!(answer, Err(FirmwareError::Garbage { call: name::NEXT_ERROR, code })),
        }
    }
}

/// Hub data: of a CI port, with one LEM register.
fn hub_data(buffer: &mut [u8]) -> i64 {
    assert_eq!(buffer.len(), 128);
    buffer[1] = 3;
    buffer[55] = 0xab;
    buffer[104] = 1;
    rc::SUCCESS
}

#[test]
fn a_hub_that_informs_is_printed_and_the_phb_asked_again() {
    let mut opal = MockOpal::new();
    let mut sequence = Sequence::new();
    expect(&mut opal, &mut sequence, rc::SUCCESS, (error::IOC, severity::INFORMATIVE, 0));
    opal.expect_pci_get_hub_diag_data()
        .once()
        .in_sequence(&mut sequence)
        .withf(|&hub, _| hub == HUB)
        .returning(|_, buffer| hub_data(buffer));
    expect(&mut opal, &mut sequence, rc::SUCCESS, (error::PE, severity::PE_ER, 3));
    let back = PowerNv::new(opal, Table::p7ioc());
    assert_eq!(back.next_error(&phb()), Ok(NextError::FrozenPe(PeNumber(3))));
    let lem = "  LEM: 00000000000000ab 0000000000000000 0000000000000000 0000000000000000 0000000000000000";
    let lines = back.phbs().lines.borrow();
    assert_eq!(*lines, ["EEH: IOC informative error detected", "P7IOC diag-data for CI Port 1", lem]);
}

#[test]
fn a_hub_that_never_stops_informing_is_left_to_the_next_interrupt() {
    let mut opal = MockOpal::new();
    opal.expect_pci_next_error().times(4).returning(|_, out| {
        *out = NextErrorOut { pci_error_type: 1, severity: 5, first_frozen_pe: 0 };
        rc::SUCCESS
    });
    opal.expect_pci_get_hub_diag_data().times(4).return_const(rc::HARDWARE);
    let back = PowerNv::new(opal, Table::p7ioc());
    assert_eq!(back.next_error(&phb()), Ok(NextError::None));
    let failed = "pnv_eeh_get_and_dump_hub_diag: Failed to get HUB#20 diag-data (-6)";
    let lines: Vec<_> = back.phbs().lines.borrow().iter().filter(|line| *line == failed).cloned().collect();
    assert_eq!(lines.len(), 4);
}

#[test]
fn asking_never_arms_and_arming_is_passed_on() {
    let mut opal = MockOpal::new();
    opal.expect_pci_next_error().times(2).return_const(rc::HARDWARE);
    let back = PowerNv::new(opal, Table::default());
    assert!(back.next_error(&phb()).is_err());
    assert!(back.next_error(&phb()).is_err());
    assert_eq!(*back.phbs().armed.borrow(), 0);
    back.rearm(&phb());
    assert_eq!(*back.phbs().armed.borrow(), 1);
}

#[test]
fn an_unknown_pe_is_thawed_whole() {
    let mut opal = MockOpal::new();
    opal.expect_pci_eeh_freeze_clear()
        .once()
        .with(eq(PHB), eq(77), eq(action::ALL))
        .return_const(rc::SUCCESS);
    assert_eq!(PowerNv::new(opal, Table::default()).clear_unknown(&phb(), PeNumber(77)), Ok(()));
}
