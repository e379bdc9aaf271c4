// SPDX-License-Identifier: GPL-2.0-or-later
//! Raw configuration cycles. C: `rtas_pci_dn_read_config`, `rtas_pci_dn_write_config`

use eeh_recovery::{ConfigSpace, DeviceTarget, FirmwareError, Width};

use crate::PSeries;
use crate::rtas::{Address, Rtas};
use crate::status::{Call, READ_CONFIG, WRITE_CONFIG, rc};

/// The value that nobody drives, in `width`.
#[must_use]
pub const fn all_ones(width: Width) -> u32 {
    match width {
        Width::Byte => 0xff,
        Width::Half => 0xffff,
        Width::Word => 0xffff_ffff,
    }
}

const fn bytes(width: Width) -> u32 {
    match width {
        Width::Byte => 1,
        Width::Half => 2,
        Width::Word => 4,
    }
}

const BEYOND: FirmwareError = FirmwareError::Missing { call: "configuration space beyond 4096 bytes" };

impl<R: Rtas> PSeries<R> {
    /// Makes a cycle; whether somebody was there. "Hardware error" is firmware's way to say that the
    /// cycle went nowhere.
    fn cycle(
        &self,
        call: &Call,
        device: &DeviceTarget,
        offset: u16,
        mut make: impl FnMut(Address) -> i32,
    ) -> Result<bool, FirmwareError> {
        self.require(call)?;
        let at = Address::register(device.phb.firmware, device.bdf, offset).ok_or(BEYOND)?;
        let mut there = true;
        call.at_once(|| match make(at) {
            rc::HARDWARE => {
                there = false;
                rc::SUCCESS
            }
            status => status,
        })?;
        Ok(there)
    }
}

impl<R: Rtas> ConfigSpace for PSeries<R> {
    fn read(&self, device: &DeviceTarget, offset: u16, width: Width) -> Result<u32, FirmwareError> {
        let mut value = all_ones(width);
        let read = |at| self.rtas.read_pci_config(at, bytes(width), &mut value);
        let there = self.cycle(&READ_CONFIG, device, offset, read)?;
        Ok(if there { value & all_ones(width) } else { all_ones(width) })
    }

    fn write(
        &self,
        device: &DeviceTarget,
        offset: u16,
        width: Width,
        value: u32,
    ) -> Result<(), FirmwareError> {
        let write = |at| self.rtas.write_pci_config(at, bytes(width), value & all_ones(width));
        self.cycle(&WRITE_CONFIG, device, offset, write).map(|_| ())
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
