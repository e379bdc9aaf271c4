// SPDX-License-Identifier: GPL-2.0-or-later
//! The reset of a whole PHB. C: `pnv_eeh_phb_reset`

use crate::opal::scope;

use super::firmware::FirmwareReset;

/// A complete reset: the bridge's registers and tables, then its link. Lifts a fence and every
/// freeze. Hot and fundamental are the same here, as in C.
pub(super) const fn complete(phb: u64) -> FirmwareReset {
    FirmwareReset::new(phb, scope::PHB_COMPLETE)
}
