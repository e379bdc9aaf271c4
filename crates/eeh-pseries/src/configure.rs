// SPDX-License-Identifier: GPL-2.0-or-later
//! Bridges after a reset: `ibm,configure-pe`, else `ibm,configure-bridge`.
//! C: `pseries_eeh_phb_configure_bridge`

use eeh_pe::Time;
use eeh_recovery::{ConfigurePoll, FirmwareError, Wait};

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

#[derive(Clone, Copy, Debug)]
enum Step {
    /// To be called at this time.
    Call(Time),
    Over(Result<(), FirmwareError>),
}

impl Configure {
    /// Of a PE, or of a PHB's own, which has nothing to be configured.
    pub(crate) const fn new(pe: Option<Address>) -> Self {
        let (pe, step) = match pe {
            Some(pe) => (pe, Step::Call(Time::ZERO)),
            None => (Address { buid: 0, config_addr: 0 }, Step::Over(Ok(()))),
        };
        Self { pe, patience: Patience::new(), step }
    }

    /// Moves it on. Busy firmware is called again when it asks for it, for [`crate::BUSY_LIMIT`] in all.
    /// (C calls without end when a status is positive and no busy one.)
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

#[cfg(test)]
#[path = "configure_tests.rs"]
mod tests;
