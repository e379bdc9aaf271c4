// SPDX-License-Identifier: GPL-2.0-or-later
//! Bridges after a reset: `ibm,configure-pe`, else `ibm,configure-bridge`.
//! C: `pseries_eeh_phb_configure_bridge`

use eeh_pe::Time;
use eeh_recovery::{FirmwareError, Wait};

use crate::PSeries;
use crate::rtas::{Address, Rtas};
use crate::status::{CONFIGURE_BRIDGE, CONFIGURE_PE, Call, Patience, Status};

/// One configuration in progress.
#[derive(Debug)]
pub struct Configure {
    pe: Address,
    patience: Patience,
    step: Step,
}

/// What a configuration wants next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigurePoll {
    /// Poll again at `until`.
    Wait {
        /// When.
        until: Time,
        /// Who asks for it.
        why: Wait,
    },
    /// Configured, or there was nothing to be configured.
    Done,
    /// Refused, or not done in time.
    Failed(FirmwareError),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// To be called at this time.
    Call(Time),
    Over(Result<(), FirmwareError>),
}

impl Configure {
    pub(crate) const fn new(pe: Address) -> Self {
        Self { pe, patience: Patience::new(), step: Step::Call(Time::ZERO) }
    }

    pub(crate) fn poll<R: Rtas>(&mut self, back: &PSeries<R>, now: Time) -> ConfigurePoll {
        match self.step {
            Step::Call(at) if now < at => ConfigurePoll::Wait { until: at, why: Wait::RtasBusy },
            Step::Call(_) => self.call(back, now),
            Step::Over(outcome) => answer(outcome),
        }
    }

    fn call<R: Rtas>(&mut self, back: &PSeries<R>, now: Time) -> ConfigurePoll {
        let (call, status): (Call, i32) = if back.has(&CONFIGURE_PE) {
            (CONFIGURE_PE, back.rtas.configure_pe(self.pe))
        } else if back.has(&CONFIGURE_BRIDGE) {
            (CONFIGURE_BRIDGE, back.rtas.configure_bridge(self.pe))
        } else {
            return self.over(Err(CONFIGURE_PE.missing()));
        };
        match call.sort(status) {
            Status::Done => self.over(Ok(())),
            Status::Failed(error) => self.over(Err(error)),
            Status::Busy(asked) => match self.patience.wait(asked) {
                Some(pause) => {
                    let until = now.after(pause);
                    self.step = Step::Call(until);
                    ConfigurePoll::Wait { until, why: Wait::RtasBusy }
                }
                None => self.over(Err(call.unfinished())),
            },
        }
    }

    fn over(&mut self, outcome: Result<(), FirmwareError>) -> ConfigurePoll {
        self.step = Step::Over(outcome);
        answer(outcome)
    }
}

const fn answer(outcome: Result<(), FirmwareError>) -> ConfigurePoll {
    match outcome {
        Ok(()) => ConfigurePoll::Done,
        Err(error) => ConfigurePoll::Failed(error),
    }
}

impl<R: Rtas> PSeries<R> {
    /// Begins a configuration; nothing is called before the first poll.
    #[must_use]
    pub const fn begin_configure(&self, pe: Address) -> Configure {
        Configure::new(pe)
    }

    /// Moves a configuration on. Busy firmware is called again when it asks for it, for
    /// [`crate::BUSY_LIMIT`] in all. (C calls without end when a status is positive and no busy one.)
    ///
    /// # Context
    ///
    /// The worker.
    pub fn poll_configure(&self, configure: &mut Configure, now: Time) -> ConfigurePoll {
        configure.poll(self, now)
    }

    /// The same in one go: the waits that busy firmware asks for are left out, so it is called 201
    /// times at most. PAPR lets the caller come back earlier than asked.
    pub(crate) fn configure_at_once(&self, pe: Address) -> Result<(), FirmwareError> {
        let mut configure = Configure::new(pe);
        let mut now = Time::ZERO;
        loop {
            match configure.poll(self, now) {
                ConfigurePoll::Wait { until, .. } => now = until,
                ConfigurePoll::Done => return Ok(()),
                ConfigurePoll::Failed(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
#[path = "configure_tests.rs"]
mod tests;
