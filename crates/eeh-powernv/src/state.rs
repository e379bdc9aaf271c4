// SPDX-License-Identifier: GPL-2.0-or-later
//! A PE's state: one freeze status call, the PHB's fence folded in.

use core::time::Duration;

use eeh_pe::{PeNumber, PeType};
use eeh_recovery::{FirmwareError, FreezeState, PeTarget, SlotState};

use crate::call::{done, failure, name};
use crate::opal::{FreezeStatus, Opal, action, error, rc, stopped};
use crate::phb::Standing;
use crate::{Phbs, PowerNv};

/// How long OPAL wants to be left alone with "temporarily unavailable". C: `pnv_eeh_get_state`
pub const UNAVAILABLE_WAIT: Duration = Duration::from_secs(1);

const UNAVAILABLE: FreezeState = FreezeState::Unavailable { wait: UNAVAILABLE_WAIT };

/// What one freeze status call says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Status {
    /// One of [`stopped`], checked.
    Stopped(u8),
    /// The whole PHB is fenced.
    Fenced,
    /// Firmware is busy: ask again later.
    Busy,
}

impl Status {
    fn of_pe(self) -> FreezeState {
        match self {
            Self::Fenced => FreezeState::PhbFenced,
            Self::Busy => UNAVAILABLE,
            Self::Stopped(state) => freeze_state(state),
        }
    }
}

fn decode(code: i64, out: FreezeStatus) -> Result<Status, FirmwareError> {
    let call = name::FREEZE_STATUS;
    match code {
        rc::SUCCESS => {}
        rc::BUSY | rc::BUSY_EVENT => return Ok(Status::Busy),
        // skiboot's answer for a dead PHB is OPAL_HARDWARE with a fence in the arguments: an error,
        // since no reset would help. next_error tells "dead".
        code => return Err(failure(call, code)),
    }
    match out.pci_error_type {
        error::PHB => return Ok(Status::Fenced),
        error::NONE | error::IOC | error::PE | error::PE_MMIO | error::PE_DMA => {}
        unknown => return Err(FirmwareError::Garbage { call, code: i64::from(unknown) }),
    }
    if out.freeze_state > stopped::PERM_UNAVAIL {
        return Err(FirmwareError::Garbage { call, code: i64::from(out.freeze_state) });
    }
    Ok(Status::Stopped(out.freeze_state))
}

/// What one call says of a PE by itself.
#[cold]
#[inline(never)]
fn sort(code: i64, out: FreezeStatus) -> Result<FreezeState, FirmwareError> {
    Ok(decode(code, out)?.of_pe())
}

/// The state of a compound PE of which one member says `a` and another `b`.
///
/// The freezes are a mask, the states above them are worse than any of them. (C takes the greater
/// number, which loses the MMIO freeze of one member behind the DMA freeze of another.)
const fn merge(a: u8, b: u8) -> u8 {
    if a <= stopped::MMIO_DMA && b <= stopped::MMIO_DMA {
        a | b
    } else if a > b {
        a
    } else {
        b
    }
}

const fn freeze_state(stopped: u8) -> FreezeState {
    match stopped {
        stopped::NOT_FROZEN => FreezeState::Active,
        stopped::MMIO => FreezeState::MmioFrozen,
        stopped::DMA => FreezeState::DmaFrozen,
        stopped::MMIO_DMA => FreezeState::Frozen,
        stopped::RESET => FreezeState::InReset,
        stopped::TEMP_UNAVAIL => UNAVAILABLE,
        // PERM_UNAVAIL: decode lets nothing above it pass.
        _ => FreezeState::NotSupported,
    }
}

impl<O: Opal, P: Phbs> PowerNv<O, P> {
    fn status(&self, phb: u64, pe: PeNumber) -> Result<Status, FirmwareError> {
        let mut out = FreezeStatus::default();
        let code = self.opal.pci_eeh_freeze_status(phb, u64::from(pe.0), &mut out);
        decode(code, out)
    }

    /// C: `pnv_eeh_get_phb_state`
    #[cold]
    #[inline(never)]
    fn phb_state(&self, phb: u64) -> Result<FreezeState, FirmwareError> {
        Ok(match self.status(phb, PeNumber(0))? {
            Status::Fenced => FreezeState::PhbFenced,
            Status::Busy => UNAVAILABLE,
            // What PE 0 says of itself is not the PHB's affair.
            Status::Stopped(_) => FreezeState::Active,
        })
    }

    /// C: `pnv_ioda_get_pe_state`
    #[inline(always)]
    fn pe_state(&self, phb: u64, pe: PeNumber) -> Result<FreezeState, FirmwareError> {
        match self.phbs.standing(phb, pe) {
            Standing::Alone => {
                let mut out = FreezeStatus::default();
                let code = self.opal.pci_eeh_freeze_status(phb, u64::from(pe.0), &mut out);
                match (code, out.freeze_state, out.pci_error_type) {
                    (rc::SUCCESS, stopped::NOT_FROZEN, error::NONE) => Ok(FreezeState::Active),
                    _ => sort(code, out),
                }
            }
            standing @ (Standing::Outside | Standing::Compound) => self.other_state(phb, pe, standing),
        }
    }

    /// The state of what is no PE by itself.
    #[cold]
    #[inline(never)]
    fn other_state(&self, phb: u64, pe: PeNumber, standing: Standing) -> Result<FreezeState, FirmwareError> {
        if standing == Standing::Outside {
            return Ok(FreezeState::NotSupported);
        }
        let mut merged = stopped::NOT_FROZEN;
        let mut busy = false;
        for member in self.members(phb, pe) {
            match self.status(phb, member)? {
                Status::Fenced => return Ok(FreezeState::PhbFenced),
                Status::Busy => busy = true,
                Status::Stopped(state) => merged = merge(merged, state),
            }
        }
        Ok(if busy { UNAVAILABLE } else { freeze_state(merged) })
    }

    /// C: `pnv_ioda_freeze_pe`. All members are tried; the first error is the answer.
    fn freeze_all(&self, phb: u64, pe: PeNumber) -> Result<(), FirmwareError> {
        let mut answer = Ok(());
        for member in self.members(phb, pe) {
            let code = self.opal.pci_eeh_freeze_set(phb, u64::from(member.0), action::ALL);
            answer = answer.and(done(name::FREEZE_SET, code));
        }
        answer
    }
}

/// One call a member of the PE: a plain PE is one call. C makes two, one for the PHB.
///
/// The PHB's own PE has no freeze of its own: its state is Active or PhbFenced, and freezing it is
/// nothing. (C would freeze PE 0, which belongs to somebody else.)
impl<O: Opal, P: Phbs> SlotState for PowerNv<O, P> {
    #[inline(always)]
    fn state_at(&self, phb: u64, pe: Option<PeNumber>) -> Result<FreezeState, FirmwareError> {
        match pe {
            Some(pe) => self.pe_state(phb, pe),
            None => self.phb_state(phb),
        }
    }

    fn freeze(&self, pe: &PeTarget) -> Result<(), FirmwareError> {
        if pe.kind.contains(PeType::PHB) {
            return Ok(());
        }
        self.freeze_all(pe.phb.firmware, pe.number)
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
