// SPDX-License-Identifier: GPL-2.0-or-later
//! Fetching firmware's error data. C: `pnv_eeh_get_phb_diag`, `pnv_eeh_get_and_dump_hub_diag`

use core::fmt;

use eeh_recovery::{ErrorLog, FirmwareError, PeTarget, PhbTarget, Severity};

use crate::call::{done, name};
use crate::diag;
use crate::opal::{Opal, rc};
use crate::{Phbs, PowerNv};

impl<O: Opal, P: Phbs> ErrorLog for PowerNv<O, P> {
    /// Gives firmware as much of `buffer` as the PHB's data need, and all of a shorter one:
    /// firmware refuses a buffer that is too short. The rest of an older fetch never shows through.
    fn capture(
        &self,
        pe: &PeTarget,
        _severity: Severity,
        _driver: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, FirmwareError> {
        let size = self.facts(pe.phb.firmware)?.diag_size.min(buffer.len());
        let data = buffer.get_mut(..size).unwrap_or_default();
        data.fill(0);
        done(name::PHB_DIAG, self.opal.pci_get_phb_diag_data2(pe.phb.firmware, data))?;
        Ok(size)
    }

    fn is_shared(&self, _phb: &PhbTarget) -> bool {
        true
    }

    fn needs_mmio(&self, phb: &PhbTarget) -> bool {
        self.phbs.facts(phb.firmware).is_some_and(|facts| facts.model.blocks_config_while_frozen())
    }

    fn print(&self, phb: &PhbTarget, data: &[u8], line: &mut dyn FnMut(fmt::Arguments<'_>)) {
        diag::print(phb.number, data, line);
    }
}

impl<O: Opal, P: Phbs> PowerNv<O, P> {
    /// Prints what the I/O hub has to say. A hub that will not tell is a line, not an error; a PHB
    /// that is gone is.
    pub(crate) fn print_hub(&self, phb: u64) -> Result<(), FirmwareError> {
        let hub = self.facts(phb)?.hub;
        let mut line = |text: fmt::Arguments<'_>| self.phbs.line(phb, text);
        line(format_args!("EEH: IOC informative error detected"));
        let mut data = [0; diag::HUB_SIZE];
        match self.opal.pci_get_hub_diag_data(hub, &mut data) {
            rc::SUCCESS => diag::print_hub(hub, &data, &mut line),
            code => line(format_args!(
                "pnv_eeh_get_and_dump_hub_diag: Failed to get HUB#{hub:x} diag-data ({code})"
            )),
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
