// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;
use crate::rtas::Services;
use crate::testing::{BUID, BUSY, NEEDED_SERVICES, NOT_SUCCESS, back, device, offering, rtas};

const WIDTHS: [(Width, u32, u32); 3] =
    [(Width::Byte, 1, 0xff), (Width::Half, 2, 0xffff), (Width::Word, 4, u32::MAX)];

/// Register 0xffc of the device.
const AT: Address = Address { buid: BUID, config_addr: 0xf001_08fc };

#[test]
fn values_keep_to_their_width_both_ways() {
    for (width, size, ones) in WIDTHS {
        let mut rtas = rtas();
        rtas.expect_read_pci_config().once().returning(move |at, bytes, out| {
            assert_eq!((at, bytes), (AT, size));
            *out = 0x8765_4321;
            rc::SUCCESS
        });
        rtas.expect_write_pci_config()
            .once()
            .withf(move |&at, &bytes, &value| (at, bytes, value) == (AT, size, 0x1234_5678 & ones))
            .return_const(rc::SUCCESS);
        let back = back(rtas);
        assert_eq!(back.read(&device(), 0xffc, width), Ok(0x8765_4321 & ones));
        assert_eq!(back.write(&device(), 0xffc, width, 0x1234_5678), Ok(()));
    }
}

#[test]
fn failed_cycles_are_all_ones_or_errors_never_values() {
    for (width, _, ones) in WIDTHS {
        for status in NOT_SUCCESS {
            let mut rtas = rtas();
            rtas.expect_read_pci_config().once().returning(move |_, _, out| {
                *out = 0x1234;
                status
            });
            rtas.expect_write_pci_config().once().return_const(status);
            let back = back(rtas);
            let (read, write) = (back.read(&device(), 0, width), back.write(&device(), 0, width, 0));
            if status == rc::HARDWARE {
                assert_eq!((read, write), (Ok(ones), Ok(())));
            } else {
                assert!(read.is_err() && write.is_err(), "{status}");
            }
        }
    }
}

#[test]
fn busy_firmware_is_asked_again_and_not_for_ever() {
    for status in BUSY {
        let mut rtas = rtas();
        rtas.expect_read_pci_config().once().return_const(status);
        rtas.expect_read_pci_config().once().returning(|_, _, out| {
            *out = 7;
            0
        });
        rtas.expect_write_pci_config().times(3..202).return_const(status);
        let back = back(rtas);
        assert_eq!(back.read(&device(), 0, Width::Word), Ok(7));
        assert_eq!(back.write(&device(), 0, Width::Word, 7), Err(WRITE_CONFIG.unfinished()));
    }
}

#[test]
fn offsets_that_no_device_has_never_reach_firmware() {
    let back = back(rtas());
    for offset in [0x1000, 0x1fff, u16::MAX] {
        assert_eq!(back.read(&device(), offset, Width::Word), Err(BEYOND));
        assert_eq!(back.write(&device(), offset, Width::Word, 0), Err(BEYOND));
    }
}

#[test]
fn firmware_without_the_calls_is_not_called() {
    let calls = Services::READ_PCI_CONFIG | Services::WRITE_PCI_CONFIG;
    assert!(!NEEDED_SERVICES.intersects(calls));
    let back = back(offering(NEEDED_SERVICES));
    assert_eq!(back.read(&device(), 0, Width::Word), Err(READ_CONFIG.missing()));
    assert_eq!(back.write(&device(), 0, Width::Word, 0), Err(WRITE_CONFIG.missing()));
}
