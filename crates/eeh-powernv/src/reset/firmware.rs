// SPDX-License-Identifier: GPL-2.0-or-later
//! A reset by firmware: assert, poll, deassert, poll. C: `pnv_eeh_phb_reset`, `pnv_eeh_root_reset`,
//! `pnv_eeh_bridge_reset`, `pnv_eeh_poll`

use core::time::Duration;

use eeh_pe::Time;
use eeh_recovery::{FirmwareError, ResetPoll, Wait};

use crate::call::{failure, name};
use crate::opal::{Opal, rc, reset};

use super::{Outcome, answer, given_up, wait};

/// The longest that an attempt waits for firmware, from its assertion to its end, and so the longest
/// single wait too. skiboot's longest is a complete reset with all its link retries, about 20 s; C
/// polls as long as firmware asks for it.
pub const LONGEST: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct FirmwareReset {
    /// PHB or slot.
    id: u64,
    scope: u8,
    /// When the attempt has lasted [`LONGEST`].
    end: Time,
    step: Step,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Nothing was called yet.
    Idle,
    /// Asserted; firmware wants to be polled at this time.
    Asserted(Time),
    /// Deasserted; firmware wants to be polled at this time.
    Released(Time),
    Over(Outcome),
}

impl FirmwareReset {
    pub(super) const fn new(id: u64, scope: u8) -> Self {
        Self { id, scope, end: Time::NEVER, step: Step::Idle }
    }

    pub(super) fn poll(&mut self, opal: &impl Opal, now: Time) -> ResetPoll {
        match self.step {
            Step::Idle => {
                self.end = now.after(LONGEST);
                let code = opal.pci_reset(self.id, self.scope, reset::ASSERT);
                self.asserted(opal, now, name::RESET, code)
            }
            Step::Asserted(until) | Step::Released(until) if now < until => wait(until, Wait::OpalPoll),
            Step::Asserted(_) => {
                let code = opal.pci_poll(self.id);
                self.asserted(opal, now, name::POLL, code)
            }
            Step::Released(_) => {
                let code = opal.pci_poll(self.id);
                self.released(now, name::POLL, code)
            }
            Step::Over(outcome) => answer(outcome),
        }
    }

    /// Firmware said `code` while the reset is asserted.
    fn asserted(&mut self, opal: &impl Opal, now: Time, call: &'static str, code: i64) -> ResetPoll {
        match self.pause(now, call, code) {
            Ok(Some(until)) => {
                self.step = Step::Asserted(until);
                wait(until, Wait::OpalPoll)
            }
            Ok(None) => {
                let code = self.release(opal);
                self.released(now, name::RESET, code)
            }
            Err(error) => {
                // What firmware says to this does not make the attempt better or worse.
                let _ = self.release(opal);
                self.over(Err(error))
            }
        }
    }

    /// Firmware said `code` after the release.
    fn released(&mut self, now: Time, call: &'static str, code: i64) -> ResetPoll {
        match self.pause(now, call, code) {
            Ok(Some(until)) => {
                self.step = Step::Released(until);
                wait(until, Wait::OpalPoll)
            }
            Ok(None) => self.over(Ok(())),
            Err(error) => self.over(Err(error)),
        }
    }

    /// How long `code` asks to wait: `None` when it says "done".
    fn pause(&self, now: Time, call: &'static str, code: i64) -> Result<Option<Time>, FirmwareError> {
        let Ok(ms) = u64::try_from(code) else { return Err(failure(call, code)) };
        if code == rc::SUCCESS {
            return Ok(None);
        }
        let delay = Duration::from_millis(ms);
        if delay > LONGEST {
            return Err(FirmwareError::Garbage { call, code });
        }
        let until = now.after(delay);
        if until > self.end { Err(given_up(call)) } else { Ok(Some(until)) }
    }

    fn release(&self, opal: &impl Opal) -> i64 {
        opal.pci_reset(self.id, self.scope, reset::DEASSERT)
    }

    fn over(&mut self, outcome: Outcome) -> ResetPoll {
        self.step = Step::Over(outcome);
        answer(outcome)
    }

    /// Deasserts if asserted. skiboot's slot then still waits to be polled: it refuses the next
    /// attempt once, which puts it back to normal.
    pub(super) fn abandon(&mut self, opal: &impl Opal) {
        match self.step {
            Step::Asserted(_) => {
                let _ = self.release(opal);
            }
            Step::Idle | Step::Released(_) => {}
            Step::Over(_) => return,
        }
        self.step = Step::Over(Err(given_up(name::RESET)));
    }
}

#[cfg(test)]
#[path = "firmware_tests.rs"]
mod tests;
