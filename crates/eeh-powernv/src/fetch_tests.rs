// SPDX-License-Identifier: GPL-2.0-or-later
use std::vec;
use std::vec::Vec;

use super::*;
use crate::testing::{MockOpal, NOT_SUCCESS, PHB, Table, pe, phb};

#[test]
fn firmware_gets_the_size_that_the_phb_has_and_no_older_data_remain() {
    let mut opal = MockOpal::new();
    opal.expect_pci_get_phb_diag_data2().once().returning(|phb, buffer| {
        assert_eq!((phb, buffer.len()), (PHB, 16));
        buffer[..4].copy_from_slice(&[1, 2, 3, 4]);
        rc::SUCCESS
    });
    let mut buffer = [0xee; 24];
    let length = PowerNv::new(opal, Table::default()).capture(&pe(7), Severity::Temporary, &[], &mut buffer);
    assert_eq!(length, Ok(16));
    let expected: Vec<u8> = [&[1, 2, 3, 4][..], &[0; 12], &[0xee; 8]].concat();
    assert_eq!(buffer[..], expected);
}

#[test]
fn a_short_buffer_is_offered_and_firmware_refuses_it() {
    let mut opal = MockOpal::new();
    opal.expect_pci_get_phb_diag_data2().times(2).returning(|_, buffer| {
        assert!(buffer.len() < 16);
        rc::PARAMETER
    });
    let back = PowerNv::new(opal, Table::default());
    let refused = Err(FirmwareError::Failed { call: name::PHB_DIAG, code: rc::PARAMETER });
    assert_eq!(back.capture(&pe(7), Severity::Temporary, &[], &mut [0; 15]), refused);
    assert_eq!(back.capture(&pe(7), Severity::Temporary, &[], &mut []), refused);
}

#[test]
fn no_code_but_success_gives_data() {
    for code in NOT_SUCCESS {
        let mut opal = MockOpal::new();
        opal.expect_pci_get_phb_diag_data2().once().return_const(code);
        assert!(
            PowerNv::new(opal, Table::default())
                .capture(&pe(7), Severity::Temporary, &[], &mut [0; 16])
                .is_err()
        );
    }
}

#[test]
fn a_phb_that_is_gone_is_not_asked() {
    let mut target = pe(7);
    target.phb.firmware = PHB + 1;
    let back = PowerNv::new(MockOpal::new(), Table::default());
    let missing = FirmwareError::Missing { call: "PHB with this id" };
    assert_eq!(back.capture(&target, Severity::Temporary, &[], &mut [0; 16]), Err(missing));
}

#[test]
fn only_p7ioc_needs_mmio_for_a_log() {
    assert!(PowerNv::new(MockOpal::new(), Table::p7ioc()).needs_mmio(&phb()));
    assert!(!PowerNv::new(MockOpal::new(), Table::default()).needs_mmio(&phb()));
}

#[test]
fn printing_decodes_what_was_fetched() {
    let back = PowerNv::new(MockOpal::new(), Table::default());
    let mut lines = vec![];
    back.print(&phb(), &[0; 8576], &mut |line| lines.push(std::format!("{line}")));
    assert_eq!(lines, ["pnv_pci_dump_phb_diag_data: Unrecognized ioType 0"]);
}
