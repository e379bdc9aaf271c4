// SPDX-License-Identifier: GPL-2.0-or-later
use eeh_recovery::{SlotControl, Thaw};
use mockall::Sequence;
use mockall::predicate::eq;

use super::*;
use crate::testing::{MockOpal, NOT_SUCCESS, PHB, Table, pe, phb_pe};

/// Firmware that answers one freeze status call about `number`.
fn answering(number: u64, code: i64, freeze_state: u8, pci_error_type: u16) -> MockOpal {
    let mut opal = MockOpal::new();
    expect(&mut opal, number, code, freeze_state, pci_error_type);
    opal
}

fn expect(opal: &mut MockOpal, number: u64, code: i64, freeze_state: u8, pci_error_type: u16) {
    opal.expect_pci_eeh_freeze_status()
        .once()
        .withf(move |&phb, &pe, _| (phb, pe) == (PHB, number))
        .returning(move |_, _, out| {
            *out = FreezeStatus { freeze_state, pci_error_type };
            code
        });
}

fn state(opal: MockOpal, table: Table, pe: &PeTarget) -> Result<FreezeState, FirmwareError> {
    PowerNv::new(opal, table).state(pe)
}

fn garbage(code: i64) -> FirmwareError {
    FirmwareError::Garbage { call: name::FREEZE_STATUS, code }
}

#[test]
fn each_opal_state_is_one_of_ours_after_one_call() {
    for (stopped, expected) in [
        (0, FreezeState::Active),
        (1, FreezeState::MmioFrozen),
        (2, FreezeState::DmaFrozen),
        (3, FreezeState::Frozen),
        (4, FreezeState::InReset),
        (5, FreezeState::Unavailable { wait: Duration::from_secs(1) }),
        (6, FreezeState::NotSupported),
    ] {
        let opal = answering(7, rc::SUCCESS, stopped, error::NONE);
        assert_eq!(state(opal, Table::default(), &pe(7)), Ok(expected));
    }
}

#[test]
fn states_and_error_types_that_opal_does_not_have_are_errors() {
    for stopped in 7..=u8::MAX {
        let opal = answering(7, rc::SUCCESS, stopped, error::NONE);
        assert_eq!(state(opal, Table::default(), &pe(7)), Err(garbage(stopped.into())));
    }
    for kind in [6, 0xff, u16::MAX] {
        let opal = answering(7, rc::SUCCESS, stopped::NOT_FROZEN, kind);
        assert_eq!(state(opal, Table::default(), &pe(7)), Err(garbage(kind.into())));
    }
}

#[test]
fn no_return_code_but_success_makes_a_pe_look_healthy() {
    for code in NOT_SUCCESS {
        for frozen in [stopped::NOT_FROZEN, stopped::MMIO_DMA] {
            let answer = state(answering(7, code, frozen, error::NONE), Table::default(), &pe(7));
            match code {
                rc::BUSY | rc::BUSY_EVENT => assert_eq!(answer, Ok(UNAVAILABLE)),
                rc::UNSUPPORTED => {
                    assert_eq!(answer, Err(FirmwareError::Missing { call: name::FREEZE_STATUS }));
                }
                code if code < 0 => {
                    assert_eq!(answer, Err(FirmwareError::Failed { call: name::FREEZE_STATUS, code }));
                }
                code => assert_eq!(answer, Err(garbage(code))),
            }
        }
    }
}

#[test]
fn a_fenced_phb_is_seen_from_any_pe_whatever_the_pe_says() {
    for stopped in 0..=u8::MAX {
        let opal = answering(7, rc::SUCCESS, stopped, error::PHB);
        assert_eq!(state(opal, Table::default(), &pe(7)), Ok(FreezeState::PhbFenced));
    }
}

#[test]
fn a_dead_phb_is_an_error_though_firmware_fills_in_a_fence() {
    let opal = answering(7, rc::HARDWARE, stopped::MMIO_DMA, error::PHB);
    let dead = FirmwareError::Failed { call: name::FREEZE_STATUS, code: rc::HARDWARE };
    assert_eq!(state(opal, Table::default(), &pe(7)), Err(dead));
}

#[test]
fn the_phb_itself_is_active_or_fenced() {
    let frozen_pe_0 = answering(0, rc::SUCCESS, stopped::MMIO_DMA, error::NONE);
    assert_eq!(state(frozen_pe_0, Table::default(), &phb_pe()), Ok(FreezeState::Active));
    let fenced = answering(0, rc::SUCCESS, stopped::MMIO_DMA, error::PHB);
    assert_eq!(state(fenced, Table::default(), &phb_pe()), Ok(FreezeState::PhbFenced));
}

#[test]
fn a_number_that_the_phb_does_not_have_is_never_asked_for() {
    let answer = state(MockOpal::new(), Table::default(), &pe(512));
    assert_eq!(answer, Ok(FreezeState::NotSupported));
}

#[test]
fn compound_states_add_up_and_the_worst_wins() {
    use stopped::*;
    for (master, slaves, expected) in [
        (NOT_FROZEN, [NOT_FROZEN, NOT_FROZEN], FreezeState::Active),
        (MMIO, [DMA, NOT_FROZEN], FreezeState::Frozen),
        (DMA, [MMIO, NOT_FROZEN], FreezeState::Frozen),
        (NOT_FROZEN, [NOT_FROZEN, DMA], FreezeState::DmaFrozen),
        (RESET, [MMIO_DMA, NOT_FROZEN], FreezeState::InReset),
        (MMIO, [PERM_UNAVAIL, TEMP_UNAVAIL], FreezeState::NotSupported),
    ] {
        // Asked of the master and of a slave: the same three calls.
        for asked in [8, 10] {
            let mut opal = answering(8, rc::SUCCESS, master, error::NONE);
            expect(&mut opal, 9, rc::SUCCESS, slaves[0], error::NONE);
            expect(&mut opal, 10, rc::SUCCESS, slaves[1], error::NONE);
            assert_eq!(state(opal, Table::compound(8, &[9, 10]), &pe(asked)), Ok(expected));
        }
    }
}

#[test]
fn a_fence_seen_from_one_member_ends_the_asking() {
    let mut opal = answering(8, rc::SUCCESS, stopped::NOT_FROZEN, error::NONE);
    expect(&mut opal, 9, rc::SUCCESS, stopped::MMIO_DMA, error::PHB);
    assert_eq!(state(opal, Table::compound(8, &[9, 10]), &pe(8)), Ok(FreezeState::PhbFenced));
}

#[test]
fn a_member_that_is_busy_makes_the_pe_unavailable() {
    let mut opal = answering(8, rc::BUSY, 0, error::NONE);
    expect(&mut opal, 9, rc::SUCCESS, stopped::MMIO_DMA, error::NONE);
    assert_eq!(state(opal, Table::compound(8, &[9]), &pe(8)), Ok(UNAVAILABLE));
}

#[test]
fn freezing_tries_every_member_and_answers_the_first_error() {
    let mut opal = MockOpal::new();
    let mut sequence = Sequence::new();
    for (member, code) in [(8, rc::SUCCESS), (9, rc::PARAMETER), (10, rc::HARDWARE)] {
        opal.expect_pci_eeh_freeze_set()
            .once()
            .in_sequence(&mut sequence)
            .with(eq(PHB), eq(member), eq(action::ALL))
            .return_const(code);
    }
    let back = PowerNv::new(opal, Table::compound(8, &[9, 10]));
    let first = FirmwareError::Failed { call: name::FREEZE_SET, code: rc::PARAMETER };
    assert_eq!(back.freeze(&pe(9)), Err(first));
}

#[test]
fn thawing_takes_every_member_and_stops_at_a_refusal() {
    for (what, token) in [(Thaw::Mmio, 1), (Thaw::Dma, 2), (Thaw::All, 3)] {
        let mut opal = MockOpal::new();
        let mut sequence = Sequence::new();
        for (member, code) in [(8, rc::SUCCESS), (9, rc::HARDWARE)] {
            opal.expect_pci_eeh_freeze_clear()
                .once()
                .in_sequence(&mut sequence)
                .with(eq(PHB), eq(member), eq(token))
                .return_const(code);
        }
        let back = PowerNv::new(opal, Table::compound(8, &[9, 10]));
        let refused = FirmwareError::Failed { call: name::FREEZE_CLEAR, code: rc::HARDWARE };
        assert_eq!(back.thaw(&pe(8), what), Err(refused));
    }
}

#[test]
fn no_code_but_success_lets_a_thaw_or_freeze_succeed() {
    for code in NOT_SUCCESS {
        let mut opal = MockOpal::new();
        opal.expect_pci_eeh_freeze_clear().once().return_const(code);
        opal.expect_pci_eeh_freeze_set().once().return_const(code);
        let back = PowerNv::new(opal, Table::default());
        assert!(back.thaw(&pe(7), Thaw::All).is_err());
        assert!(back.freeze(&pe(7)).is_err());
    }
}

#[test]
fn the_phb_itself_is_neither_frozen_nor_thawed() {
    let back = PowerNv::new(MockOpal::new(), Table::default());
    assert_eq!(back.freeze(&phb_pe()), Ok(()));
    assert_eq!(back.thaw(&phb_pe(), Thaw::All), Ok(()));
}

#[test]
fn a_slave_list_without_end_does_not_hold_the_caller() {
    struct Endless;
    impl Phbs for Endless {
        fn facts(&self, _: u64) -> Option<crate::PhbFacts> {
            None
        }
        fn slave(&self, _: u64, _: PeNumber, _: u32) -> Option<PeNumber> {
            Some(PeNumber(9))
        }
        fn rearm(&self, _: u64) {}
        fn line(&self, _: u64, _: core::fmt::Arguments<'_>) {}
    }
    let mut opal = MockOpal::new();
    opal.expect_pci_eeh_freeze_set().times(4097).return_const(rc::SUCCESS);
    assert_eq!(PowerNv::new(opal, Endless).freeze(&pe(8)), Ok(()));
}
