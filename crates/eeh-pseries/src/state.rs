// SPDX-License-Identifier: GPL-2.0-or-later
//! The answer of `ibm,read-slot-reset-state2` (PAPR 7.3.11).

use core::time::Duration;

use eeh_recovery::FreezeState;

/// The first three output words of the call. C: `rets` of `pseries_eeh_get_state`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotResetState {
    /// PE state: 0 runs, 1 in reset, 2 stopped, 4 stopped for DMA only, 5 unavailable.
    pub state: u32,
    /// 1 when the PE supports EEH.
    pub capabilities: u32,
    /// In state 5: milliseconds to wait before the next question; 0: for good.
    pub unavailable_ms: u32,
}

impl SlotResetState {
    /// What it says about the PE. What PAPR does not define counts as not supported.
    ///
    /// # Context
    ///
    /// Any. C: `pseries_eeh_get_state`
    #[must_use]
    pub fn decode(self) -> FreezeState {
        if self.capabilities == 0 {
            return FreezeState::NotSupported;
        }
        match self.state {
            0 => FreezeState::Active,
            1 => FreezeState::InReset,
            2 => FreezeState::Frozen,
            4 => FreezeState::DmaFrozen,
            5 if self.unavailable_ms != 0 => {
                FreezeState::Unavailable { wait: Duration::from_millis(u64::from(self.unavailable_ms)) }
            }
            _ => FreezeState::NotSupported,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, FreezeState, SlotResetState};

    fn decoded(state: u32, capabilities: u32, unavailable_ms: u32) -> FreezeState {
        SlotResetState { state, capabilities, unavailable_ms }.decode()
    }

    #[test]
    fn each_defined_state_has_its_meaning() {
        assert_eq!(decoded(0, 1, 0), FreezeState::Active);
        assert_eq!(decoded(1, 1, 0), FreezeState::InReset);
        assert_eq!(decoded(2, 1, 0), FreezeState::Frozen);
        assert_eq!(decoded(4, 1, 0), FreezeState::DmaFrozen);
    }

    #[test]
    fn unavailable_without_a_time_is_for_good() {
        let wait = Duration::from_millis(1000);
        assert_eq!(decoded(5, 1, 1000), FreezeState::Unavailable { wait });
        assert_eq!(decoded(5, 1, 0), FreezeState::NotSupported);
    }

    #[test]
    fn without_the_capability_the_state_means_nothing() {
        assert_eq!(decoded(0, 0, 0), FreezeState::NotSupported);
    }

    #[test]
    fn an_undefined_state_is_not_supported() {
        assert_eq!(decoded(3, 1, 0), FreezeState::NotSupported);
        assert_eq!(decoded(u32::MAX, 1, 1), FreezeState::NotSupported);
    }
}
