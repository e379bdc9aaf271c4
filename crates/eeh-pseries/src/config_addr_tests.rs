// SPDX-License-Identifier: GPL-2.0-or-later
use mockall::Sequence;
use mockall::predicate::eq;

use super::*;
use crate::rtas::Services;
use crate::testing::{ADDRESS, BUID, BUSY, MockRtas, NEEDED_SERVICES, NOT_SUCCESS, PE, back, offering, rtas};

/// A function below a bridge, and its own address.
const DEVICE: Bdf = Bdf(0x0208);
const OWN: Address = Address { buid: BUID, config_addr: 0x0002_0800 };

fn expect_info2(rtas: &mut MockRtas, order: &mut Sequence, function: u32, status: i32, word: u32) {
    rtas.expect_get_config_addr_info2()
        .once()
        .in_sequence(order)
        .withf(move |&at, &asked, _| (at, asked) == (OWN, function))
        .returning(move |_, _, out| {
            *out = word;
            status
        });
}

/// Firmware that is asked for the mode, and for the address unless the mode says no.
fn asked(mode: (i32, u32), address: Option<(i32, u32)>) -> Result<Option<PeNumber>, FirmwareError> {
    let (mut rtas, mut order) = (rtas(), Sequence::new());
    expect_info2(&mut rtas, &mut order, info::PE_MODE, mode.0, mode.1);
    if let Some((status, word)) = address {
        expect_info2(&mut rtas, &mut order, info::PE_ADDRESS, status, word);
    }
    back(rtas).pe_of(BUID, DEVICE)
}

#[test]
fn a_device_is_asked_for_its_mode_and_then_for_its_pe() {
    for mode in [1, 2] {
        assert_eq!(asked((0, mode), Some((0, PE))), Ok(Some(PeNumber(PE))));
    }
    // As QEMU has them.
    assert_eq!(asked((0, 1), Some((0, 0x0001_0001))), Ok(Some(PeNumber(0x0001_0001))));
}

#[test]
fn a_device_in_no_pe_is_not_asked_for_it() {
    assert_eq!(asked((0, 0), None), Ok(None));
    assert_eq!(asked((-3, 7), None), Ok(None));
}

#[test]
fn modes_and_addresses_outside_papr_are_garbage() {
    for mode in [3, 0x8000_0000, u32::MAX] {
        assert_eq!(asked((0, mode), None), Err(INFO2.garbage(i64::from(mode))));
    }
    for address in [0x0100_0000, 0x1001_0000, 0x8000_0000, u32::MAX] {
        assert_eq!(asked((0, 1), Some((0, address))), Err(INFO2.garbage(i64::from(address))));
    }
}

#[test]
fn no_status_but_success_finds_a_pe() {
    for status in NOT_SUCCESS {
        assert!(asked((0, 1), Some((status, PE))).is_err(), "{status}");
        if status != -3 {
            assert!(asked((status, 1), None).is_err(), "{status}");
        }
    }
}

#[test]
fn busy_firmware_is_asked_again() {
    for status in BUSY {
        let (mut rtas, mut order) = (rtas(), Sequence::new());
        expect_info2(&mut rtas, &mut order, info::PE_MODE, status, 9);
        expect_info2(&mut rtas, &mut order, info::PE_MODE, 0, 1);
        expect_info2(&mut rtas, &mut order, info::PE_ADDRESS, status, 9);
        expect_info2(&mut rtas, &mut order, info::PE_ADDRESS, 0, PE);
        assert_eq!(back(rtas).pe_of(BUID, DEVICE), Ok(Some(PeNumber(PE))));
    }
}

#[test]
fn the_older_call_is_made_where_there_is_no_newer_one() {
    for (status, word, expected) in [
        (0, PE, Ok(Some(PeNumber(PE)))),
        (-3, PE, Err(INFO.failed(-3))),
        (0, 1 << 31, Err(INFO.garbage(1 << 31))),
    ] {
        let mut rtas = offering(NEEDED_SERVICES | Services::GET_CONFIG_ADDR_INFO);
        rtas.expect_get_config_addr_info()
            .once()
            .withf(|&at, &function, _| (at, function) == (OWN, info::PE_ADDRESS))
            .returning(move |_, _, out| {
                *out = word;
                status
            });
        assert_eq!(back(rtas).pe_of(BUID, DEVICE), expected);
    }
}

#[test]
fn without_either_call_devices_do_without_eeh() {
    let missing = FirmwareError::Missing { call: "ibm,get-config-addr-info" };
    assert_eq!(back(offering(NEEDED_SERVICES)).probe(BUID, DEVICE), Err(missing));
}

#[test]
fn eeh_is_enabled_on_the_pe_that_was_found() {
    for (status, expected) in [(0, Ok(Some(PeNumber(PE)))), (-3, Err(SET_EEH_OPTION.failed(-3)))] {
        let (mut rtas, mut order) = (rtas(), Sequence::new());
        expect_info2(&mut rtas, &mut order, info::PE_MODE, 0, 1);
        expect_info2(&mut rtas, &mut order, info::PE_ADDRESS, 0, PE);
        rtas.expect_set_eeh_option()
            .once()
            .in_sequence(&mut order)
            .with(eq(ADDRESS), eq(option::ENABLE))
            .return_const(status);
        assert_eq!(back(rtas).probe(BUID, DEVICE), expected);
    }
}

#[test]
fn nothing_is_enabled_where_there_is_no_pe() {
    let (mut rtas, mut order) = (rtas(), Sequence::new());
    expect_info2(&mut rtas, &mut order, info::PE_MODE, 0, 0);
    assert_eq!(back(rtas).probe(BUID, DEVICE), Ok(None));
}

#[test]
fn a_virtual_function_is_its_own_pe() {
    assert_eq!(pe_of_vf(DEVICE), PeNumber(OWN.config_addr));
}
