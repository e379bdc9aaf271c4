// SPDX-License-Identifier: GPL-2.0-or-later
//! Raw configuration cycles. C: `pnv_pci_cfg_read`, `pnv_pci_cfg_write`

use eeh_recovery::{ConfigSpace, DeviceTarget, FirmwareError, Width};

use crate::call::{done, name};
use crate::opal::{Opal, rc};
use crate::{Phbs, PowerNv};

/// The value that nobody drives, in `width`.
#[must_use]
pub const fn all_ones(width: Width) -> u32 {
    match width {
        Width::Byte => 0xff,
        Width::Half => 0xffff,
        Width::Word => 0xffff_ffff,
    }
}

const fn bytes(width: Width) -> u8 {
    match width {
        Width::Byte => 1,
        Width::Half => 2,
        Width::Word => 4,
    }
}

/// Firmware's ways to say that the cycle went nowhere: the PHB is fenced, or in reset with its link
/// down (skiboot's PHB blocks configuration then), or the PE is frozen (P7IOC).
const fn nobody_there(code: i64) -> bool {
    matches!(code, rc::HARDWARE | rc::HARDWARE_FROZEN)
}

impl<O: Opal, P: Phbs> ConfigSpace for PowerNv<O, P> {
    fn read(&self, device: &DeviceTarget, offset: u16, width: Width) -> Result<u32, FirmwareError> {
        let mut value = 0;
        let (phb, bdf) = (device.phb.firmware, device.bdf.0);
        match self.opal.pci_config_read(phb, bdf, offset, bytes(width), &mut value) {
            code if nobody_there(code) => Ok(all_ones(width)),
            code => done(name::CONFIG_READ, code).map(|()| value & all_ones(width)),
        }
    }

    fn write(
        &self,
        device: &DeviceTarget,
        offset: u16,
        width: Width,
        value: u32,
    ) -> Result<(), FirmwareError> {
        let (phb, bdf, value) = (device.phb.firmware, device.bdf.0, value & all_ones(width));
        match self.opal.pci_config_write(phb, bdf, offset, bytes(width), value) {
            code if nobody_there(code) => Ok(()),
            code => done(name::CONFIG_WRITE, code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MockOpal, NOT_SUCCESS, PHB, Table, port};

    const WIDTHS: [(Width, u8, u32); 3] =
        [(Width::Byte, 1, 0xff), (Width::Half, 2, 0xffff), (Width::Word, 4, u32::MAX)];

    #[test]
    fn values_keep_to_their_width_both_ways() {
        for (width, size, ones) in WIDTHS {
            let mut opal = MockOpal::new();
            opal.expect_pci_config_read().once().returning(move |phb, bdf, offset, bytes, out| {
                assert_eq!((phb, bdf, offset, bytes), (PHB, 0x0210, 0xffc, size));
                *out = 0x8765_4321;
                rc::SUCCESS
            });
            opal.expect_pci_config_write()
                .once()
                .withf(move |&phb, &bdf, &offset, &bytes, &value| {
                    (phb, bdf, offset, bytes, value) == (PHB, 0x0210, 0xffc, size, 0x1234_5678 & ones)
                })
                .return_const(rc::SUCCESS);
            let back = PowerNv::new(opal, Table::default());
            assert_eq!(back.read(&port(), 0xffc, width), Ok(0x8765_4321 & ones));
            assert_eq!(back.write(&port(), 0xffc, width, 0x1234_5678), Ok(()));
        }
    }

    #[test]
    fn failed_cycles_are_all_ones_or_errors_never_values() {
        for (width, _, ones) in WIDTHS {
            for code in NOT_SUCCESS.into_iter().chain([rc::HARDWARE_FROZEN]) {
                let mut opal = MockOpal::new();
                opal.expect_pci_config_read().once().returning(move |_, _, _, _, out| {
                    *out = 0x1234;
                    code
                });
                opal.expect_pci_config_write().once().return_const(code);
                let back = PowerNv::new(opal, Table::default());
                let (read, write) = (back.read(&port(), 0, width), back.write(&port(), 0, width, 0));
                if nobody_there(code) {
                    assert_eq!((read, write), (Ok(ones), Ok(())));
                } else {
                    assert!(read.is_err() && write.is_err(), "{code}");
                }
            }
        }
    }
}
