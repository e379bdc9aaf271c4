// SPDX-License-Identifier: GPL-2.0-or-later
//! Answers, reduced to the table's cues.

use core::mem::discriminant;
use core::time::Duration;

use eeh_pe::{DeviceFlags, DeviceId, Env, Time};

use super::action::{Action, Input};
use super::note::Note;
use super::recovery::{Recovery, Stage};
use super::state::{Cue, Phase};
use crate::{
    ChannelState, ErsResult, FreezeState, Handler, JobAnswer, ResetEvent, ResetPoll, Step, Thaw, Wait,
};

/// How long firmware may be undecided about a slot. C: `MAX_WAIT_FOR_RECOVERY`
const STATE_LIMIT: Duration = Duration::from_secs(300);
/// When firmware does not say how long it wants. C: `EEH_STATE_MIN_WAIT_TIME`
const STATE_WAIT: Duration = Duration::from_secs(1);

/// How long devices that were removed may take to be found again: until they are there, nobody is polled
/// for readiness. A device must answer within this time of its reset (PCIe 6.0 6.6.1; Trhfa, PCI 3.0 4.3.2).
const ADD_LIMIT: Duration = Duration::from_millis(1007);
/// How often they are looked for.
const ADD_INTERVAL: Duration = Duration::from_millis(100);

impl Action {
    /// The device that the action is for.
    #[must_use]
    pub const fn device(self) -> Option<DeviceId> {
        match self {
            Self::Ready(device)
            | Self::Restore(device)
            | Self::Presence(device)
            | Self::Attention(device)
            | Self::Call(device, _)
            | Self::Remove { device, .. } => Some(device),
            Self::Open
            | Self::Channel { .. }
            | Self::Mark(_)
            | Self::Query
            | Self::Log { .. }
            | Self::Thaw(_)
            | Self::BeginReset { .. }
            | Self::PollReset
            | Self::Link { .. }
            | Self::Configure
            | Self::Unfreeze
            | Self::Release
            | Self::RemoveBus
            | Self::SaveState
            | Self::RestoreState
            | Self::Look
            | Self::AddVf(_)
            | Self::AddBus => None,
        }
    }
}

impl Input {
    /// The device that the answer is about.
    #[must_use]
    pub const fn device(self) -> Option<DeviceId> {
        match self {
            Self::Vendor(device, _)
            | Self::Restored(device)
            | Self::Gone(device)
            | Self::Job(device, _)
            | Self::Late(device) => Some(device),
            Self::Done
            | Self::Later { .. }
            | Self::Counted { .. }
            | Self::State(_)
            | Self::Reset(_)
            | Self::Link(_)
            | Self::BusJob(_)
            | Self::BusLate
            | Self::VfJob(..)
            | Self::VfLate(_)
            | Self::Unreachable
            | Self::Fenced
            | Self::Cancel => None,
        }
    }
}

impl<E: Env> Recovery<'_, E> {
    /// Takes an answer. `false` when it is not to the outstanding action: it then changes nothing.
    pub fn handle(&mut self, input: Input, now: Time) -> bool {
        if matches!(input, Input::Cancel) {
            self.outstanding = None;
            if self.phase != Phase::Done {
                self.cue(Cue::Cancelled);
            }
            return true;
        }
        let Some(action) = self.outstanding else { return false };
        if input.device() != action.device() {
            return false;
        }
        self.outstanding = None;
        match input {
            Input::Done => self.done(action),
            Input::Later { until, why } => self.later(action, until, why),
            Input::Counted { count, max } => self.counted(count, max),
            Input::State(state) => self.state(action, state, now),
            Input::Reset(poll) => self.reset_poll(poll),
            Input::Link(link) => self.link(link, now),
            Input::Vendor(_, vendor) => self.vendor(vendor, now),
            Input::Restored(_) => {
                self.restored();
                self.cue(Cue::Answered);
            }
            Input::Gone(_) => self.gone(),
            Input::Job(_, answer) => self.job(action, answer),
            Input::BusJob(answer) => self.bus_job(action, answer, now),
            Input::VfJob(vf, answer) => self.vf_job(vf, answer),
            Input::VfLate(vf) => self.vf_job(vf, JobAnswer::Died),
            Input::Late(_) | Input::BusLate => {
                self.emptied = true;
                self.cue(Cue::JobLost);
            }
            // Hotplug took the bridge above a PE that is kept without devices: nothing is left to recover.
            Input::Unreachable => self.cue(Cue::PeGone),
            // Unlike the others this is no answer of its own kind: any firmware call can meet a fence.
            Input::Fenced => self.cue(Cue::Fenced),
            Input::Cancel => {}
        }
        true
    }

    /// An action of the whole PE is done: on entering and leaving, or the body.
    fn done(&mut self, action: Action) {
        if let Stage::Leave(cue) = self.stage {
            self.cue(cue);
        } else if let Action::Look = action {
            self.added();
        } else if let Action::Log { permanent: false } = action {
            self.cue(self.verdict);
        } else if matches!(action, Action::Log { permanent: true } | Action::Release | Action::SaveState)
            || (self.phase == Phase::Asked && matches!(action, Action::Configure))
        {
            self.finish(Cue::Finished);
        }
    }

    /// The body asks for its action again by itself.
    fn later(&mut self, action: Action, until: Time, why: Wait) {
        if self.phase.plan().enter.is_some_and(|enter| discriminant(&enter) == discriminant(&action)) {
            self.enter = Some(action);
        }
        self.waiting = Some((until, why));
    }

    fn counted(&mut self, count: u32, max: u32) {
        if count > max {
            self.notes.push(Note::Step(Step::TooManyFailures { count }));
            self.cue(Cue::OverBudget);
        } else {
            self.notes.push(Note::Step(Step::Failures { count, max }));
            self.cue(Cue::Finished);
        }
    }

    fn state(&mut self, action: Action, state: Option<FreezeState>, now: Time) {
        let limit = *self.deadline.get_or_insert_with(|| now.after(STATE_LIMIT));
        if let Some(FreezeState::Unavailable { wait }) = state
            && now < limit
        {
            let wait = if wait.is_zero() { STATE_WAIT } else { wait };
            self.waiting = Some((now.after(wait).min(limit), Wait::FirmwareUnavailable));
        } else if let Action::Thaw(what) = action {
            self.finish(if thawed(state, what) { Cue::Finished } else { Cue::GaveUp });
        } else if matches!(action, Action::RestoreState | Action::Configure) {
            let restored = state.is_some_and(FreezeState::is_active);
            self.finish(if restored { Cue::Finished } else { Cue::Refused });
        } else if matches!(action, Action::Unfreeze) {
            self.unfrozen(state);
        } else if matches!(action, Action::Look) {
            self.stopped_again(state);
        } else {
            self.slot_state(state);
        }
    }

    /// Frozen or not: only a slot that firmware has given up, or cannot decide about, is lost.
    fn slot_state(&mut self, state: Option<FreezeState>) {
        match state {
            None | Some(FreezeState::NotSupported | FreezeState::Unavailable { .. }) => {
                self.notes.push(Note::Step(Step::PermanentFailure));
                self.cue(Cue::GaveUp);
            }
            Some(
                FreezeState::Active
                | FreezeState::MmioFrozen
                | FreezeState::DmaFrozen
                | FreezeState::Frozen
                | FreezeState::InReset
                | FreezeState::PhbFenced,
            ) => self.finish(Cue::Finished),
        }
    }

    fn unfrozen(&mut self, state: Option<FreezeState>) {
        if state.is_some_and(FreezeState::is_active) {
            self.finish(Cue::Finished);
            return;
        }
        self.is_inactive(state);
    }

    /// It froze before all was back, and nobody has been told that it works: the reset is made again.
    fn stopped_again(&mut self, state: Option<FreezeState>) {
        if !self.may_reset_again() {
            return self.cue(Cue::Fenced);
        }
        self.missing = false;
        self.removed = true;
        self.is_inactive(state);
    }

    /// Whether the reset can be made again without a word to the drivers: none has heard of it yet. That of a virtual
    /// function needs the function.
    #[must_use]
    pub(crate) fn may_reset_again(&self) -> bool {
        self.phase == Phase::AddBack && !self.replacing && !self.is_vf()
    }

    fn is_inactive(&mut self, state: Option<FreezeState>) {
        let (state, attempt) = (state.unwrap_or(FreezeState::NotSupported), self.attempt);
        self.notes.push(Note::SlotInactive { state, attempt });
        self.attempt_failed();
    }

    fn reset_poll(&mut self, poll: ResetPoll) {
        let attempt = self.attempt;
        match poll {
            ResetPoll::Wait { until, why } => self.waiting = Some((until, why)),
            ResetPoll::Done => {
                self.resetting = false;
                if attempt > 1 {
                    self.notes.push(Note::Reset(ResetEvent::Succeeded { attempt }));
                }
                self.finish(Cue::Finished);
            }
            ResetPoll::Failed(_) => {
                self.notes.push(Note::Reset(ResetEvent::Failed { attempt }));
                self.attempt_failed();
            }
        }
    }

    /// The device went away between action and answer.
    fn gone(&mut self) {
        if self.phase == Phase::Restore {
            self.passed();
        }
        if cfg!(eeh_mutant = "hazard_5_1_gone_is_a_vote") {
            self.result = self.result.merge(ErsResult::Disconnect);
        }
        self.cue(Cue::DeviceGone);
    }

    fn job(&mut self, action: Action, answer: JobAnswer) {
        match answer {
            JobAnswer::Gone => return self.gone(),
            JobAnswer::Died => return self.cue(Cue::JobLost),
            JobAnswer::Present => self.any_card = true,
            JobAnswer::Reported(result) => self.vote(action, result),
            JobAnswer::Done => self.removed |= matches!(action, Action::Remove { .. }),
            JobAnswer::Absent
            | JobAnswer::NoDriver
            | JobAnswer::NotAware
            | JobAnswer::NoHandler
            | JobAnswer::TooLate => {}
        }
        self.cue(Cue::Answered);
    }

    fn vote(&mut self, action: Action, result: ErsResult) {
        let mut counts = result;
        if let Action::Call(device, handler) = action
            && self.replaces(device, handler, result)
        {
            let reset_is_over = handler == Handler::SlotReset;
            self.replacing |= reset_is_over;
            counts = if reset_is_over { ErsResult::None } else { ErsResult::NeedReset };
        }
        self.result = self.result.merge(counts);
    }

    /// Whether a device whose driver gives up is removed and added back alone: a PHB is not lost for one of its
    /// devices. A bridge does not go alone.
    #[must_use]
    pub(crate) fn replaces(&self, device: DeviceId, handler: Handler, result: ErsResult) -> bool {
        let early = matches!(handler, Handler::ErrorDetected(ChannelState::Frozen) | Handler::SlotReset);
        let bridge = || {
            let view = self.root.registry().peek_device(device);
            view.is_some_and(|view| view.flags.contains(DeviceFlags::BRIDGE))
        };
        early
            && result == ErsResult::Disconnect
            && self.is_phb()
            && cfg!(not(eeh_mutant = "one_driver_fails_the_phb"))
            && !bridge()
    }

    fn bus_job(&mut self, action: Action, answer: JobAnswer, now: Time) {
        self.emptied = true;
        if answer == JobAnswer::Died {
            return self.cue(Cue::JobLost);
        }
        if answer == JobAnswer::Gone {
            self.notes.push(Note::Step(Step::BusDisappeared));
        }
        if matches!(action, Action::AddBus) {
            self.removed = false;
            if answer == JobAnswer::Gone {
                return self.cue(Cue::PeGone);
            }
            let limit = *self.deadline.get_or_insert_with(|| now.after(ADD_LIMIT));
            if self.devices(false) < self.expected && now < limit {
                self.waiting = Some((now.after(ADD_INTERVAL), Wait::DeviceReady));
                return;
            }
            if self.devices(false) < self.expected {
                self.missing = true;
            } else {
                self.added();
            }
        } else {
            self.removed = true;
            self.cue(if answer == JobAnswer::Gone { Cue::DeviceGone } else { Cue::Answered });
        }
    }

    /// What could be added back is there.
    fn added(&mut self) {
        self.missing = false;
        if self.phase == Phase::AddVfs || self.is_vf() {
            self.vfs_added();
        } else if self.is_empty() {
            self.cue(Cue::GaveUp);
        } else {
            self.finish(match (self.complete, self.replacing) {
                (false, true) if self.next_vf().is_some() => Cue::Removed,
                (false, false) => Cue::Finished,
                _ => Cue::Unaware,
            });
        }
    }
}

/// Whether what was asked for gets through.
pub(crate) const fn thawed(state: Option<FreezeState>, what: Thaw) -> bool {
    match what {
        Thaw::Mmio => matches!(state, Some(FreezeState::Active | FreezeState::DmaFrozen)),
        Thaw::Dma => matches!(state, Some(FreezeState::Active | FreezeState::MmioFrozen)),
        Thaw::All => matches!(state, Some(FreezeState::Active)),
    }
}
