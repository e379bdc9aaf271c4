// SPDX-License-Identifier: GPL-2.0-or-later
//! Which PE a device is in. C: `pseries_eeh_get_pe_config_addr`, `pseries_eeh_init_edev`

use eeh_pe::{Bdf, PeNumber};
use eeh_recovery::FirmwareError;

use crate::PSeries;
use crate::rtas::{Address, Rtas, info, option};
use crate::status::{Call, INFO, INFO2, SET_EEH_OPTION, rc};

/// What firmware gave for a PE's address. Bus, device and function only: a register's bits 8 to 11
/// have no place there. (Its low byte has none either, but QEMU's addresses end in 1.)
fn checked(call: &Call, address: u32) -> Result<PeNumber, FirmwareError> {
    match address.to_be_bytes() {
        [0, ..] => Ok(PeNumber(address)),
        _ => Err(call.garbage(i64::from(address))),
    }
}

/// The PE of a virtual function: its own address.
///
/// # Context
///
/// Any. C: `pseries_pcibios_bus_add_device`
#[must_use]
pub const fn pe_of_vf(device: Bdf) -> PeNumber {
    PeNumber(Address::device(0, device).config_addr)
}

impl<R: Rtas> PSeries<R> {
    /// The PE that a device is in, by its PE configuration address; `None` when it is in none.
    ///
    /// # Errors
    ///
    /// [`FirmwareError::Missing`] when firmware has no call that tells; the firmware's own.
    ///
    /// # Context
    ///
    /// May sleep. C: `pseries_eeh_get_pe_config_addr`
    pub fn pe_of(&self, buid: u64, device: Bdf) -> Result<Option<PeNumber>, FirmwareError> {
        let at = Address::device(buid, device);
        let mut out = 0;
        if self.has(&INFO2) {
            if !self.is_in_pe(at)? {
                return Ok(None);
            }
            INFO2.at_once(|| self.rtas.get_config_addr_info2(at, info::PE_ADDRESS, &mut out))?;
            return checked(&INFO2, out).map(Some);
        }
        self.require(&INFO)?;
        INFO.at_once(|| self.rtas.get_config_addr_info(at, info::PE_ADDRESS, &mut out))?;
        checked(&INFO, out).map(Some)
    }

    /// Whether a device is in a PE. An address that firmware refuses is in none.
    fn is_in_pe(&self, at: Address) -> Result<bool, FirmwareError> {
        let mut out = 0;
        let mut refused = false;
        INFO2.at_once(|| match self.rtas.get_config_addr_info2(at, info::PE_MODE, &mut out) {
            rc::PARAMETER => {
                refused = true;
                rc::SUCCESS
            }
            status => status,
        })?;
        match out {
            _ if refused => Ok(false),
            0 => Ok(false),
            1 | 2 => Ok(true),
            mode => Err(INFO2.garbage(i64::from(mode))),
        }
    }

    /// Finds a device's PE and enables EEH there; `None` when the device does without.
    ///
    /// # Errors
    ///
    /// As [`PSeries::pe_of`]; the refusal to enable EEH. The device works without it.
    ///
    /// # Context
    ///
    /// May sleep. C: `pseries_eeh_init_edev`
    pub fn probe(&self, buid: u64, device: Bdf) -> Result<Option<PeNumber>, FirmwareError> {
        let found = self.pe_of(buid, device)?;
        if let Some(number) = found {
            self.set_option(Address::pe(buid, number), option::ENABLE)?;
        }
        Ok(found)
    }

    pub(crate) fn set_option(&self, pe: Address, function: u32) -> Result<(), FirmwareError> {
        self.require(&SET_EEH_OPTION)?;
        SET_EEH_OPTION.at_once(|| self.rtas.set_eeh_option(pe, function))
    }
}

#[cfg(test)]
#[path = "config_addr_tests.rs"]
mod tests;
