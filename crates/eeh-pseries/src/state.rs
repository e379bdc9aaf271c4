// SPDX-License-Identifier: GPL-2.0-or-later
//! A PE's state. C: `pseries_eeh_get_state`

use core::time::Duration;

use eeh_pe::PeNumber;
use eeh_recovery::{FirmwareError, FreezeState, PeTarget, SlotState};

use crate::PSeries;
use crate::pseries::NO_PHB;
use crate::rtas::{Address, Rtas, SlotResetState};
use crate::status::{LONGEST_BUSY, STATE, STATE2, Status};

/// The longest that firmware may call a PE temporarily unavailable before it is asked again; it may ask
/// for 49 days. C: `EEH_STATE_MAX_WAIT_TIME`
pub const LONGEST_WAIT: Duration = Duration::from_secs(300);

impl SlotResetState {
    /// What it says about the PE.
    ///
    /// In state 5 the capability word is not looked at, as PAPR asks for. (C looks at it first and
    /// takes a PE that is away for a while for one without EEH.)
    ///
    /// # Errors
    ///
    /// The word that PAPR does not define.
    ///
    /// # Context
    ///
    /// Any. C: `pseries_eeh_get_state`
    pub fn decode(self) -> Result<FreezeState, u32> {
        match (self.state, self.capabilities) {
            (5, _) if self.unavailable_ms == 0 => Ok(FreezeState::NotSupported),
            (5, _) => {
                let wait = Duration::from_millis(u64::from(self.unavailable_ms));
                Ok(FreezeState::Unavailable { wait: wait.min(LONGEST_WAIT) })
            }
            (_, 0) => Ok(FreezeState::NotSupported),
            (0, 1) => Ok(FreezeState::Active),
            (1, 1) => Ok(FreezeState::InReset),
            (2, 1) => Ok(FreezeState::Frozen),
            (4, 1) => Ok(FreezeState::DmaFrozen),
            (unknown, 1) => Err(unknown),
            (_, unknown) => Err(unknown),
        }
    }
}

impl<R: Rtas> PSeries<R> {
    /// The state, and firmware's number of it; one call. A call that is busy, which PAPR does not let it
    /// be, is a PE that is unavailable for as long, and for 100 ms at least.
    pub(crate) fn query(&self, pe: Address) -> Result<(FreezeState, u32), FirmwareError> {
        let mut out = SlotResetState::default();
        let (call, status) = if self.has(&STATE2) {
            (STATE2, self.rtas.read_slot_reset_state2(pe, &mut out))
        } else {
            self.require(&STATE)?;
            let status = self.rtas.read_slot_reset_state(pe, &mut out);
            out.unavailable_ms = 0;
            (STATE, status)
        };
        match call.sort(status) {
            Status::Done => match out.decode() {
                Ok(state) => Ok((state, out.state)),
                Err(word) => Err(call.garbage(i64::from(word))),
            },
            Status::Busy(wait) => Ok((FreezeState::Unavailable { wait: wait.max(LONGEST_BUSY) }, 5)),
            Status::Failed(error) => Err(error),
        }
    }
}

impl<R: Rtas> SlotState for PSeries<R> {
    fn state_at(&self, phb: u64, pe: Option<PeNumber>) -> Result<FreezeState, FirmwareError> {
        Ok(self.query(Address::pe(phb, pe.ok_or(NO_PHB)?))?.0)
    }

    /// Nothing: PAPR has no call for it. C: `EEH_OPT_FREEZE_PE` in `pseries_eeh_set_option`
    fn freeze(&self, _pe: &PeTarget) -> Result<(), FirmwareError> {
        Ok(())
    }

    /// C counts a PE in reset as active, and does not count one that is stopped for DMA only.
    fn linux_bits(&self, state: FreezeState) -> u32 {
        match state {
            FreezeState::InReset => 0x1c,
            FreezeState::DmaFrozen => 0x20,
            FreezeState::Active
            | FreezeState::MmioFrozen
            | FreezeState::Frozen
            | FreezeState::Unavailable { .. }
            | FreezeState::NotSupported
            | FreezeState::PhbFenced => state.linux_bits(),
        }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
