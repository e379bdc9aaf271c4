// SPDX-License-Identifier: GPL-2.0-or-later
//! Errors that firmware knows of. C: `pnv_eeh_next_error`, less what recovery does itself there
//! (find the PE, freeze and isolate it, look for frozen parents, print).

use eeh_pe::PeNumber;
use eeh_recovery::{ErrorSource, FirmwareError, NextError, PhbTarget, Thaw};

use crate::call::{done, name};
use crate::opal::{NextErrorOut, Opal, error, severity};
use crate::{Phbs, PowerNv};

/// How many informative errors of the hub one call prints before it leaves the rest to the next
/// interrupt.
const HUB_ERRORS: u32 = 4;

/// What one firmware call says.
enum Report {
    Error(NextError),
    /// The hub has something to tell; not this PHB's worker's affair beyond printing it.
    HubInformative,
}

const fn garbage(out: NextErrorOut) -> FirmwareError {
    let [a, b] = out.pci_error_type.to_be_bytes();
    let [c, d] = out.severity.to_be_bytes();
    FirmwareError::Garbage { call: name::NEXT_ERROR, code: i64::from_be_bytes([0, 0, 0, 0, a, b, c, d]) }
}

impl<O: Opal, P: Phbs> PowerNv<O, P> {
    fn ask(&self, phb: u64) -> Result<Report, FirmwareError> {
        let mut out = NextErrorOut::default();
        done(name::NEXT_ERROR, self.opal.pci_next_error(phb, &mut out))?;
        Ok(Report::Error(match (out.pci_error_type, out.severity) {
            (error::NONE, _) | (_, severity::NONE) => NextError::None,
            (error::IOC, severity::IOC_DEAD) => NextError::DeadIoc,
            (error::IOC, severity::INFORMATIVE) => return Ok(Report::HubInformative),
            (error::PHB, severity::PHB_DEAD) => NextError::DeadPhb,
            (error::PHB, severity::PHB_FENCED) => NextError::FencedPhb,
            (error::PHB, severity::INFORMATIVE) => NextError::Informative,
            // C knows type 3 only and takes any severity for it.
            (error::PE | error::PE_MMIO | error::PE_DMA, severity::PE_ER) => {
                NextError::FrozenPe(self.frozen(phb, out.first_frozen_pe)?)
            }
            _ => return Err(garbage(out)),
        }))
    }

    /// The PE of the tree that a frozen number belongs to. C: `pnv_eeh_get_pe`
    fn frozen(&self, phb: u64, number: u64) -> Result<PeNumber, FirmwareError> {
        let garbage = FirmwareError::Garbage { call: name::NEXT_ERROR, code: number.cast_signed() };
        let number = u32::try_from(number).map_err(|_| garbage)?;
        if number >= self.facts(phb)?.pe_count {
            return Err(garbage);
        }
        Ok(self.phbs.master(phb, PeNumber(number)))
    }
}

impl<O: Opal, P: Phbs> ErrorSource for PowerNv<O, P> {
    /// An informative error of the I/O hub is printed here, and the PHB asked again.
    fn next_error(&self, phb: &PhbTarget) -> Result<NextError, FirmwareError> {
        for _ in 0..HUB_ERRORS {
            match self.ask(phb.firmware)? {
                Report::Error(error) => return Ok(error),
                Report::HubInformative => self.print_hub(phb.firmware)?,
            }
        }
        // As in C: the event is still raised, so the interrupt comes again once it is armed.
        Ok(NextError::None)
    }

    fn rearm(&self, phb: &PhbTarget) {
        self.phbs.rearm(phb.firmware);
    }

    /// Clears MMIO and DMA, of all members if the number is one of a compound PE.
    fn clear_unknown(&self, phb: &PhbTarget, number: PeNumber) -> Result<(), FirmwareError> {
        self.thaw_number(phb.firmware, number, Thaw::All)
    }
}

#[cfg(test)]
#[path = "next_error_tests.rs"]
mod tests;
