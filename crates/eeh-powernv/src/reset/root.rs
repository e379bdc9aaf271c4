// SPDX-License-Identifier: GPL-2.0-or-later
//! The reset of what is below a PHB's root port. C: `pnv_eeh_root_reset`

use eeh_recovery::ResetKind;

use crate::opal::scope;

use super::firmware::FirmwareReset;

/// A reset through firmware, which masks the link-down error of the PHB meanwhile: a bare secondary
/// bus reset of a root port would fence it.
pub(super) const fn reset(phb: u64, kind: ResetKind) -> FirmwareReset {
    match kind {
        ResetKind::Hot => FirmwareReset::new(phb, scope::PCI_HOT),
        ResetKind::Fundamental => FirmwareReset::new(phb, scope::PCI_FUNDAMENTAL),
    }
}
