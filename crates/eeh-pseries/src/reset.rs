// SPDX-License-Identifier: GPL-2.0-or-later
//! A reset of a PE: activate, hold, deactivate, settle, look. C: `pseries_eeh_phb_reset`, `eeh_pe_reset_full`
//!
//! PAPR resets PEs: where on the wire is firmware's affair. An attempt is deactivated once whatever
//! becomes of it, and done only when the PE runs afterwards.

use core::time::Duration;

use eeh_pe::Time;
use eeh_recovery::{FirmwareError, FreezeState, ResetKind, ResetPoll, Wait};

use crate::PSeries;
use crate::pseries::NO_PHB;
use crate::rtas::{Address, Rtas, reset};
use crate::status::{Patience, SET_SLOT_RESET, STATE2, Status, rc};

/// How long a reset is held (PAPR, `ibm,set-slot-reset`, R-2). C holds 250 ms.
pub const HOLD: Duration = Duration::from_millis(100);

/// How long a PE is left alone after its reset (PAPR, `ibm,set-slot-reset`, R-3). C waits 1800 ms.
pub const SETTLE: Duration = Duration::from_millis(1500);

/// How long the PE may be unavailable after that. C: `PCI_BUS_RESET_WAIT_MSEC`
pub const STATE_LIMIT: Duration = Duration::from_secs(60);

/// One reset attempt in progress.
#[derive(Debug)]
pub struct Reset {
    pe: Address,
    kind: ResetKind,
    patience: Patience,
    /// Until when the PE may be unavailable when it is called, once it was.
    limit: Option<Time>,
    step: Step,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Nothing was called yet.
    Idle,
    /// Firmware could not activate it yet, and is called again at this time.
    Activating(Time, Wait),
    /// Active until this time.
    Held(Time),
    /// Firmware could not deactivate it yet, and is called again at this time.
    Deactivating(Time, Wait),
    /// Left alone until this time.
    Settling(Time),
    /// The state is looked at at `at`, and for the last time at `limit`.
    Looking {
        at: Time,
        limit: Time,
    },
    Over(Outcome),
}

type Outcome = Result<(), FirmwareError>;

const fn wait(until: Time, why: Wait) -> ResetPoll {
    ResetPoll::Wait { until, why }
}

const fn answer(outcome: Outcome) -> ResetPoll {
    match outcome {
        Ok(()) => ResetPoll::Done,
        Err(error) => ResetPoll::Failed(error),
    }
}

impl Reset {
    /// Of a PE, or of a PHB's own, which fails.
    pub(crate) const fn new(pe: Option<Address>, kind: ResetKind) -> Self {
        let (pe, step) = match pe {
            Some(pe) => (pe, Step::Idle),
            None => (Address { buid: 0, config_addr: 0 }, Step::Over(Err(NO_PHB))),
        };
        Self { pe, kind, patience: Patience::new(), limit: None, step }
    }

    pub(crate) fn poll<R: Rtas>(&mut self, back: &PSeries<R>, now: Time) -> ResetPoll {
        match self.step {
            Step::Activating(until, why) | Step::Deactivating(until, why) if now < until => wait(until, why),
            Step::Idle | Step::Activating(..) => self.activate(back, now),
            Step::Held(until) if now < until => wait(until, Wait::ResetHold),
            Step::Held(_) => {
                self.patience = Patience::new();
                self.deactivate(back, now)
            }
            Step::Deactivating(..) => self.deactivate(back, now),
            Step::Settling(until) if now < until => wait(until, Wait::PeSettle),
            Step::Settling(_) => self.look(back, now, now.after(STATE_LIMIT)),
            Step::Looking { at, .. } if now < at => wait(at, Wait::FirmwareUnavailable),
            Step::Looking { limit, .. } => self.look(back, now, limit),
            Step::Over(outcome) => answer(outcome),
        }
    }

    fn activate<R: Rtas>(&mut self, back: &PSeries<R>, now: Time) -> ResetPoll {
        let mut status = self.call(back, activation(self.kind));
        // -8: not for this PE; -3: not at all, or a wrong address, which the hot reset finds out too.
        if self.kind == ResetKind::Fundamental && matches!(status, rc::NO_FUNDAMENTAL | rc::PARAMETER) {
            self.kind = ResetKind::Hot;
            self.patience = Patience::new();
            status = self.call(back, reset::HOT);
        }
        match self.called(back, status, now) {
            Ok(None) => {
                let until = now.after(HOLD);
                self.step = Step::Held(until);
                wait(until, Wait::ResetHold)
            }
            Ok(Some((until, why))) => {
                self.step = Step::Activating(until, why);
                wait(until, why)
            }
            Err(error) => self.give_back(back, error),
        }
    }

    /// What becomes of a call: done, or to be made again at a time that somebody asks for.
    fn called<R: Rtas>(
        &mut self,
        back: &PSeries<R>,
        status: i32,
        now: Time,
    ) -> Result<Option<(Time, Wait)>, FirmwareError> {
        match SET_SLOT_RESET.sort(status) {
            Status::Done => Ok(None),
            Status::Busy(asked) => {
                let pause = self.patience.wait(asked).ok_or_else(|| SET_SLOT_RESET.unfinished())?;
                Ok(Some((now.after(pause), Wait::RtasBusy)))
            }
            Status::Failed(error) => {
                let until = self.away(back, status, now).ok_or(error)?;
                Ok(Some((until, Wait::FirmwareUnavailable)))
            }
        }
    }

    /// When a PE that is unavailable for a while, as after a fence of its PHB, is to be called again: its
    /// reset is neither refused nor over. `None`: `status` means something else, or it takes too long.
    fn away<R: Rtas>(&mut self, back: &PSeries<R>, status: i32, now: Time) -> Option<Time> {
        if status != rc::UNEXPECTED_STATE {
            return None;
        }
        let Ok((FreezeState::Unavailable { wait: asked }, _)) = back.query(self.pe) else { return None };
        let limit = *self.limit.get_or_insert(now.after(STATE_LIMIT));
        (now < limit).then(|| now.after(asked).min(limit))
    }

    fn deactivate<R: Rtas>(&mut self, back: &PSeries<R>, now: Time) -> ResetPoll {
        let status = self.call(back, reset::DEACTIVATE);
        match self.called(back, status, now) {
            Ok(None) => {
                let until = now.after(SETTLE);
                self.step = Step::Settling(until);
                wait(until, Wait::PeSettle)
            }
            Ok(Some((until, why))) => {
                self.step = Step::Deactivating(until, why);
                wait(until, why)
            }
            Err(error) => self.over(Err(error)),
        }
    }

    /// The attempt failed, perhaps with the reset active: PAPR lets it be deactivated in any state.
    /// What firmware says to that makes the attempt neither better nor worse.
    fn give_back<R: Rtas>(&mut self, back: &PSeries<R>, error: FirmwareError) -> ResetPoll {
        let _ = self.call(back, reset::DEACTIVATE);
        self.over(Err(error))
    }

    /// Whether the PE runs now. C: `eeh_wait_state` in `eeh_pe_reset_full`
    fn look<R: Rtas>(&mut self, back: &PSeries<R>, now: Time, limit: Time) -> ResetPoll {
        match back.query(self.pe) {
            Ok((FreezeState::Active, _)) => self.over(Ok(())),
            Ok((FreezeState::Unavailable { .. }, _)) if now >= limit => self.over(Err(STATE2.unfinished())),
            Ok((FreezeState::Unavailable { wait: asked }, _)) => {
                let at = now.after(asked).min(limit);
                self.step = Step::Looking { at, limit };
                wait(at, Wait::FirmwareUnavailable)
            }
            Ok((_, number)) => {
                let error = FirmwareError::Failed { call: STATE2.name, code: i64::from(number) };
                self.over(Err(error))
            }
            Err(error) => self.over(Err(error)),
        }
    }

    fn call<R: Rtas>(&self, back: &PSeries<R>, function: u32) -> i32 {
        back.rtas.set_slot_reset(self.pe, function)
    }

    fn over(&mut self, outcome: Outcome) -> ResetPoll {
        self.step = Step::Over(outcome);
        answer(outcome)
    }

    /// Deactivates what is active or was asked to be.
    pub(crate) fn abandon<R: Rtas>(&mut self, back: &PSeries<R>) {
        match self.step {
            Step::Activating(..) | Step::Held(_) | Step::Deactivating(..) => {
                let _ = self.give_back(back, SET_SLOT_RESET.unfinished());
            }
            Step::Idle | Step::Settling(_) | Step::Looking { .. } => {
                self.step = Step::Over(Err(SET_SLOT_RESET.unfinished()));
            }
            Step::Over(_) => {}
        }
    }
}

const fn activation(kind: ResetKind) -> u32 {
    match kind {
        ResetKind::Hot => reset::HOT,
        ResetKind::Fundamental => reset::FUNDAMENTAL,
    }
}

#[cfg(test)]
#[path = "reset_tests.rs"]
mod tests;
