// SPDX-License-Identifier: GPL-2.0-or-later
//! Thawing. C: `EEH_OPT_THAW_*` in `pseries_eeh_set_option`, `eeh_pci_enable`

use eeh_recovery::{FirmwareError, FreezeState, Thaw};

use crate::PSeries;
use crate::rtas::{Address, Rtas, option};

/// What lets `what` through in `state`, in PAPR's order: a stopped PE gets its DMA back by way of
/// state 4 only, and a function that the state does not need is refused with -3. Of a PE that firmware has
/// given up nothing comes back.
const fn steps(state: FreezeState, what: Thaw) -> &'static [u32] {
    match (state, what) {
        (FreezeState::Active | FreezeState::NotSupported, _) | (FreezeState::DmaFrozen, Thaw::Mmio) => &[],
        (FreezeState::DmaFrozen, Thaw::Dma | Thaw::All) | (_, Thaw::Dma) => &[option::THAW_DMA],
        (_, Thaw::Mmio) => &[option::THAW_MMIO],
        (_, Thaw::All) => &[option::THAW_MMIO, option::THAW_DMA],
    }
}

impl<R: Rtas> PSeries<R> {
    /// [`eeh_recovery::SlotControl::thaw`]. Firmware decides about a PE that is neither running nor
    /// stopped.
    pub(crate) fn thaw_address(&self, pe: Address, what: Thaw) -> Result<(), FirmwareError> {
        let (state, _) = self.query(pe)?;
        for &function in steps(state, what) {
            self.set_option(pe, function)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "option_tests.rs"]
mod tests;
