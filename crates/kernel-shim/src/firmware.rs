// SPDX-License-Identifier: GPL-2.0-or-later
//! The machine's firmware: one of two back ends, chosen at boot.

use eeh_powernv::PowerNv;
use eeh_pseries::PSeries;
use eeh_recovery::{FirmwareError, OneOf};

use crate::opal::KernelOpal;
use crate::phbs::KernelPhbs;
use crate::rtas::KernelRtas;

/// Firmware.
pub(crate) type Firmware = OneOf<PowerNv<KernelOpal, KernelPhbs>, PSeries<KernelRtas>>;

/// OPAL.
pub(crate) const fn opal() -> Firmware {
    OneOf::PowerNv(PowerNv::new(KernelOpal, KernelPhbs))
}

/// RTAS.
///
/// # Errors
///
/// It lacks a call that EEH cannot do without.
pub(crate) fn rtas() -> Result<Firmware, FirmwareError> {
    Ok(OneOf::PSeries(PSeries::new(KernelRtas::new())?))
}
