// SPDX-License-Identifier: GPL-2.0-or-later
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use mockall::predicate::eq;
use proptest::prelude::*;

use super::*;
use crate::testing::{ADDRESS, BUSY, MockRtas, NOT_SUCCESS, back, pe, phb, phb_pe, rtas};

/// What firmware has room for.
const SIZE: usize = 64;

/// Firmware that fills the log it is asked for.
fn filling(status: i32, data: &[u8]) -> MockRtas {
    let (mut rtas, data) = (rtas(), data.to_vec());
    rtas.expect_error_log_max().return_const(SIZE);
    rtas.expect_slot_error_detail()
        .once()
        .withf(|&pe, driver, log, &function| {
            (pe, driver.len(), log.len(), function) == (ADDRESS, 0, SIZE, detail::TEMPORARY)
        })
        .returning(move |_, _, log, _| {
            log[..data.len()].copy_from_slice(&data);
            status
        });
    rtas
}

/// A log of severity 2 and type 0xe1, with `extended` bytes behind its fixed part.
fn header(extended: u32) -> [u8; 8] {
    let [a, b, c, d] = extended.to_be_bytes();
    [6, 0x44, 0x20, 0xe1, a, b, c, d]
}

fn printed(rtas: MockRtas, data: &[u8]) -> Vec<String> {
    let mut lines = vec![];
    back(rtas).print(&phb(), data, &mut |line| lines.push(line.to_string()));
    lines
}

fn alone() -> MockRtas {
    let mut rtas = rtas();
    rtas.expect_log_error().return_const(false);
    rtas
}

#[test]
fn a_log_is_as_long_as_it_says_and_no_older_one_shows_through() {
    for (extended, length) in [(0, 8), (12, 20), (56, 64), (57, 64), (1 << 31, 64), (u32::MAX, 64)] {
        let mut buffer = [0xee; SIZE + 8];
        let answer =
            back(filling(0, &header(extended))).capture(&pe(), Severity::Temporary, &[], &mut buffer);
        assert_eq!(answer, Ok(length));
        assert_eq!(buffer[..8], header(extended));
        assert_eq!((&buffer[8..SIZE], &buffer[SIZE..]), (&[0; SIZE - 8][..], &[0xee; 8][..]));
    }
}

#[test]
fn a_log_without_its_extended_bit_is_its_fixed_part() {
    let mut data = header(40);
    data[1] = 0x40;
    assert_eq!(back(filling(0, &data)).capture(&pe(), Severity::Temporary, &[], &mut [0; SIZE]), Ok(8));
}

#[test]
fn firmware_with_nothing_to_tell_is_no_error() {
    assert_eq!(back(filling(1, &header(9))).capture(&pe(), Severity::Temporary, &[], &mut [0; SIZE]), Ok(0));
}

#[test]
fn no_status_but_success_gives_data() {
    for status in NOT_SUCCESS {
        assert!(
            back(filling(status, &header(9)))
                .capture(&pe(), Severity::Temporary, &[], &mut [0; SIZE])
                .is_err(),
            "{status}"
        );
    }
}

#[test]
fn busy_firmware_is_asked_again_and_not_for_ever() {
    for status in BUSY {
        let mut rtas = rtas();
        rtas.expect_error_log_max().return_const(SIZE);
        rtas.expect_slot_error_detail().times(3..202).return_const(status);
        let answer = back(rtas).capture(&pe(), Severity::Temporary, &[], &mut [0; SIZE]);
        assert_eq!(answer, Err(ERROR_DETAIL.unfinished()));
    }
}

#[test]
fn a_buffer_that_would_cut_a_log_is_refused() {
    for length in [0, 7, 8, SIZE - 1] {
        let mut rtas = rtas();
        rtas.expect_error_log_max().return_const(SIZE);
        let answer = back(rtas).capture(&pe(), Severity::Temporary, &[], &mut vec![0; length]);
        assert!(matches!(answer, Err(FirmwareError::Missing { .. })));
    }
}

#[test]
fn sizes_that_no_log_has_are_the_longest() {
    for (said, size) in
        [(0, 2048), (7, 2048), (8, 8), (1024, 1024), (2048, 2048), (2049, 2048), (usize::MAX, 2048)]
    {
        let mut rtas = rtas();
        rtas.expect_error_log_max().return_const(said);
        assert_eq!(back(rtas).log_size(), size);
    }
}

#[test]
fn a_permanent_log_carries_the_drivers_data() {
    let mut rtas = rtas();
    rtas.expect_error_log_max().return_const(SIZE);
    rtas.expect_slot_error_detail()
        .once()
        .withf(|_, driver, _, &function| (driver, function) == (&[1, 2, 3][..], detail::PERMANENT))
        .return_const(0);
    let answer = back(rtas).error_detail(ADDRESS, Severity::Permanent, &[1, 2, 3], &mut [0; SIZE]);
    assert_eq!(answer, Ok(8));
}

#[test]
fn a_phb_has_no_log() {
    assert_eq!(back(rtas()).capture(&phb_pe(), Severity::Temporary, &[], &mut [0; SIZE]), Ok(0));
    assert!(back(rtas()).needs_mmio(&phb()));
}

#[test]
fn a_log_goes_to_whoever_keeps_them_and_is_printed_once() {
    let mut keeper = rtas();
    keeper.expect_log_error().once().with(eq(header(0).to_vec())).return_const(true);
    assert!(printed(keeper, &header(0)).is_empty());
    assert_eq!(printed(alone(), &header(0)), ["RTAS: event, Type: I/O Event (225), Severity: 2"]);
}

#[test]
fn a_log_that_was_cut_says_so() {
    assert_eq!(printed(alone(), &header(40))[1..], ["RTAS: event: only 8 of 48 bytes"]);
    for length in 0..8 {
        let expected = std::format!("RTAS: error log of only {length} bytes");
        assert_eq!(printed(rtas(), &header(40)[..length]), [expected]);
    }
}

#[test]
fn types_have_linuxs_names() {
    let names = (0..=u8::MAX).map(kind_name);
    assert_eq!(names.filter(|&name| name != "Unknown").count(), 19);
    assert_eq!(
        [kind_name(0x0a), kind_name(0xa0), kind_name(0xe0)],
        ["ECC Corrupted", "Platform Resource Reassignment Event", "Platform Error",]
    );
}

proptest! {
    #[test]
    fn any_bytes_are_fetched_within_bounds_and_printed(
        data in prop::collection::vec(any::<u8>(), 0..=SIZE),
        status in prop_oneof![Just(0), Just(1), any::<i32>()],
    ) {
        let mut rtas = rtas();
        rtas.expect_error_log_max().return_const(SIZE);
        let fill = data.clone();
        rtas.expect_slot_error_detail().returning(move |_, _, log, _| {
            log[..fill.len()].copy_from_slice(&fill);
            status
        });
        let mut buffer = [0; SIZE];
        match back(rtas).capture(&pe(), Severity::Temporary, &[], &mut buffer) {
            Ok(length) => prop_assert!(length == 0 || (8..=SIZE).contains(&length)),
            Err(_) => prop_assert!(!matches!(status, 0 | 1)),
        }
        prop_assert!(!printed(alone(), &data).is_empty());
    }
}
