// SPDX-License-Identifier: GPL-2.0-or-later
//! Resets at the start of a kernel that follows a crash, or is told to (`reset_devices`).
//! C: `eeh_pseries_init`

use eeh_pe::{Bdf, Time};
use eeh_recovery::{ConfigurePoll, FirmwareError, ResetKind, ResetPoll};

use crate::rtas::{Address, Rtas};
use crate::{Configure, PSeries, Reset};

/// One PHB's reset at start in progress.
#[derive(Debug)]
pub struct StartReset {
    reset: Reset,
    configure: Configure,
    /// What became of the reset, once it is over.
    outcome: Option<Result<(), FirmwareError>>,
}

impl<R: Rtas> PSeries<R> {
    /// Begins the reset of a PHB's first PE, by its first device; `None` when that is in no PE.
    ///
    /// # Errors
    ///
    /// As [`PSeries::pe_of`].
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn begin_start_reset(&self, buid: u64, first: Bdf) -> Result<Option<StartReset>, FirmwareError> {
        Ok(self.pe_of(buid, first)?.map(|number| {
            let pe = Address::pe(buid, number);
            let reset = Reset::new(Some(pe), ResetKind::Fundamental);
            StartReset { reset, configure: Configure::new(Some(pe)), outcome: None }
        }))
    }

    /// Moves it on. Bridges are configured whatever became of the reset, as in C; the first error is the
    /// answer.
    ///
    /// # Context
    ///
    /// May sleep; no worker of the PHB runs yet.
    pub fn poll_start_reset(&self, start: &mut StartReset, now: Time) -> ResetPoll {
        let outcome = match start.outcome {
            Some(outcome) => outcome,
            None => match start.reset.poll(self, now) {
                wait @ ResetPoll::Wait { .. } => return wait,
                ResetPoll::Done => *start.outcome.insert(Ok(())),
                ResetPoll::Failed(error) => *start.outcome.insert(Err(error)),
            },
        };
        match (outcome, start.configure.poll(self, now)) {
            (_, ConfigurePoll::Wait { until, why }) => ResetPoll::Wait { until, why },
            (Ok(()), ConfigurePoll::Done) => ResetPoll::Done,
            (Err(error), _) | (Ok(()), ConfigurePoll::Failed(error)) => ResetPoll::Failed(error),
        }
    }
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
