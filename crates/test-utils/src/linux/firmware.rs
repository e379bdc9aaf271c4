// SPDX-License-Identifier: GPL-2.0-or-later
//! Simulated Linux's firmware back end: of either platform.

use eeh_pe::{Bdf, PeNumber};
use eeh_powernv::PowerNv;
use eeh_powernv::opal::{Opal, rc};
use eeh_pseries::PSeries;
use eeh_pseries::rtas::{Address, Rtas};
use eeh_recovery::{FirmwareError, OneOf};

use super::platform::SimPhbs;
use crate::opal::{self, Version};
use crate::rtas::{Behaviour, Garbage, buid_of};

/// Which platform, and how its firmware behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FirmwareKind {
    /// PowerNV, over OPAL.
    PowerNv(Version),
    /// pSeries, over RTAS.
    PSeries(Behaviour),
}

impl FirmwareKind {
    /// pSeries with nothing unusual.
    #[must_use]
    pub fn pseries() -> Self {
        Self::PSeries(Behaviour::default())
    }

    /// Whether it is pSeries.
    #[must_use]
    pub const fn is_pseries(self) -> bool {
        matches!(self, Self::PSeries(_))
    }
}

impl From<Version> for FirmwareKind {
    fn from(version: Version) -> Self {
        Self::PowerNv(version)
    }
}

impl From<Behaviour> for FirmwareKind {
    fn from(behaviour: Behaviour) -> Self {
        Self::PSeries(behaviour)
    }
}

/// The back end.
pub type SimFirmware = OneOf<PowerNv<opal::Garbage, SimPhbs>, PSeries<Garbage>>;

/// Firmware's number of a PHB.
pub(super) const fn phb_id(firmware: &SimFirmware, number: u32) -> u64 {
    match firmware {
        OneOf::PowerNv(_) => number as u64,
        OneOf::PSeries(_) => buid_of(number),
    }
}

/// A configuration read that nobody checks; `None` without an answer. C: `pnv_pci_cfg_read`,
/// `rtas_pci_dn_read_config`
pub(super) fn config_read(firmware: &SimFirmware, phb: u64, bdf: Bdf, offset: u16, size: u8) -> Option<u32> {
    let mut value = u32::MAX;
    let answered = match firmware {
        OneOf::PowerNv(back) => {
            back.opal().pci_config_read(phb, bdf.0, offset, size, &mut value) == rc::SUCCESS
        }
        OneOf::PSeries(back) => {
            let at = Address::register(phb, bdf, offset)?;
            back.rtas().read_pci_config(at, size.into(), &mut value) == 0
        }
    };
    answered.then_some(value)
}

/// A configuration write that nobody checks. Firmware's refusal is a write that was dropped: the
/// caller sees it when it reads.
pub(super) fn config_write(firmware: &SimFirmware, phb: u64, bdf: Bdf, offset: u16, size: u8, value: u32) {
    match firmware {
        OneOf::PowerNv(back) => {
            let _ = back.opal().pci_config_write(phb, bdf.0, offset, size, value);
        }
        OneOf::PSeries(back) => {
            if let Some(at) = Address::register(phb, bdf, offset) {
                let _ = back.rtas().write_pci_config(at, size.into(), value);
            }
        }
    }
}

/// The PE of a device, with EEH enabled for it; `None` when it does without. `wired` is what the
/// hardware has, which PowerNV's Linux has chosen itself. C: `pnv_eeh_probe`, `pseries_eeh_init_edev`
pub(super) fn probe(
    firmware: &SimFirmware,
    phb: u64,
    bdf: Bdf,
    wired: Option<u32>,
) -> Result<Option<PeNumber>, FirmwareError> {
    match firmware {
        OneOf::PowerNv(_) => Ok(wired.map(PeNumber)),
        OneOf::PSeries(back) => back.probe(phb, bdf),
    }
}
