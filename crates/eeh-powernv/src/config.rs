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
