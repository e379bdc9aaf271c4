// SPDX-License-Identifier: GPL-2.0-or-later
//! The bodies of the phases: which action comes next.

use eeh_pe::{Bdf, DeviceFlags, DeviceId, DeviceWalk, Env, PeFlags, PeNumber, PeType, Time};

use super::action::Action;
use super::note::Note;
use super::plan::{Body, Visit};
use super::recovery::Recovery;
use super::state::{Cue, Phase};
use crate::{DeviceEvent, ErsResult, Report, ResetEvent, Step, Wait};

/// A device as a walk meets it.
struct Met {
    id: DeviceId,
    bdf: Bdf,
    pe: PeNumber,
    flags: DeviceFlags,
    /// Its PE is somebody else's.
    passed: bool,
}

/// Flags of a device whose driver hears of nothing more.
const BEYOND: DeviceFlags =
    DeviceFlags::REMOVED.union(DeviceFlags::PERM_FAILURE).union(DeviceFlags::LOCK_LOST);

impl<E: Env> Recovery<'_, E> {
    /// The next action of the body; `None` when something else came of it: a note, a wait, a cue.
    pub(super) fn body(&mut self, now: Time) -> Option<Action> {
        match self.phase.plan().body {
            Body::Each(Visit::Call(report)) => self.each_call(report),
            Body::Each(Visit::Presence) => self.each_presence(),
            Body::Each(Visit::Attention) => self.each_attention(),
            Body::Each(Visit::RemoveUnaware) => self.each_removal(true),
            Body::Each(Visit::RemoveLate) => self.each_late(),
            Body::Once(action) => Some(action),
            Body::Reset => Some(self.reset()),
            Body::Settle if self.begun => {
                self.finish(Cue::Finished);
                None
            }
            Body::Settle => Some(Action::Link { bus: self.bus }),
            Body::Restore => self.restore(now),
            Body::Empty => self.empty(),
            Body::Asked => Some(self.asked()),
            Body::AddVfs | Body::AddBack if self.missing => Some(Action::Look),
            Body::AddVfs => self.each_vf(),
            // A bus scan does not find virtual functions.
            Body::AddBack if self.is_vf() => self.each_vf(),
            Body::AddBack => Some(Action::AddBus),
            Body::Pause => {
                self.pause(now);
                None
            }
            Body::Nothing => None,
        }
    }

    /// The next device of the walk, which begins with the body.
    fn meet(&mut self) -> Option<Met> {
        if self.walk.is_none() {
            self.walk = self.root.try_clone().map(DeviceWalk::new);
        }
        let hold = self.walk.as_mut()?.next()?;
        let pe = hold.pe().and_then(|pe| self.root.registry().peek(pe));
        let passed = pe.is_some_and(|pe| pe.flags.contains(PeFlags::PASSED));
        let number = pe.map_or(self.root.number(), |pe| pe.number);
        Some(Met { id: hold.id(), bdf: hold.bdf(), pe: number, flags: hold.flags(), passed })
    }

    fn each_presence(&mut self) -> Option<Action> {
        if let Some(met) = self.meet() {
            return Some(Action::Presence(met.id));
        }
        // A fenced PHB is reset for whoever comes next, also when nobody is there.
        if self.any_card || self.is_phb() {
            self.finish(Cue::Finished);
        } else {
            self.notes.push(Note::Step(Step::Empty));
            self.finish(Cue::NoCard);
        }
        None
    }

    /// A slot whose device has failed keeps its light.
    fn each_attention(&mut self) -> Option<Action> {
        match self.meet() {
            Some(met) if met.flags.intersects(BEYOND) => None,
            Some(met) => Some(Action::Attention(met.id)),
            None => {
                self.finish(Cue::Finished);
                None
            }
        }
    }

    fn each_call(&mut self, report: Report) -> Option<Action> {
        if !self.begun {
            self.begun = true;
            if report == Report::SlotReset {
                self.result = ErsResult::None;
            }
            self.notes.push(Note::Step(Step::Beginning(report)));
            return None;
        }
        match self.meet() {
            Some(met) if met.flags.intersects(BEYOND) || met.passed => {
                self.notes.push(Note::Device(met.bdf, met.pe, DeviceEvent::NotActionable));
                None
            }
            Some(met) => Some(Action::Call(met.id, report.handler())),
            None => {
                let result = report.counts().then_some(self.result);
                self.notes.push(Note::Step(Step::Finished(report, result)));
                let mut cue = self.reported(report);
                if report == Report::SlotReset && cue == Cue::Finished && self.next_vf().is_some() {
                    cue = Cue::Removed;
                }
                self.finish(cue);
                None
            }
        }
    }

    /// What a round of calls came to.
    fn reported(&mut self, report: Report) -> Cue {
        match report {
            Report::Frozen => {
                self.verdict = match self.result {
                    ErsResult::None => Cue::Unaware,
                    ErsResult::Disconnect => Cue::Disconnect,
                    // Only a reset of the PHB clears a fence; only after a reset is anything added back.
                    ErsResult::CanRecover if !self.is_phb() && !self.removed => Cue::CanRecover,
                    ErsResult::NoAerDriver if !self.is_phb() => Cue::Disconnect,
                    // The slot is frozen, whatever a driver believes to have recovered.
                    ErsResult::NeedReset
                    | ErsResult::Recovered
                    | ErsResult::CanRecover
                    | ErsResult::NoAerDriver => Cue::NeedReset,
                };
                self.verdict
            }
            Report::MmioEnabled => match self.result {
                ErsResult::CanRecover => Cue::CanRecover,
                ErsResult::NeedReset => Cue::NeedReset,
                ErsResult::None | ErsResult::NoAerDriver | ErsResult::Recovered | ErsResult::Disconnect => {
                    Cue::Disconnect
                }
            },
            Report::SlotReset => match self.result {
                ErsResult::None | ErsResult::Recovered if self.replacing => Cue::GaveUp,
                ErsResult::None | ErsResult::Recovered => Cue::Finished,
                ErsResult::CanRecover
                | ErsResult::NeedReset
                | ErsResult::Disconnect
                | ErsResult::NoAerDriver => Cue::Disconnect,
            },
            Report::Resume | Report::PermFailure => Cue::Finished,
        }
    }

    /// Devices one by one: never a bridge (its devices go first), never one that is beyond help.
    fn each_removal(&mut self, unaware: bool) -> Option<Action> {
        let Some(met) = self.meet() else {
            self.finish(Cue::Finished);
            return None;
        };
        let skip = DeviceFlags::BRIDGE.union(DeviceFlags::LOCK_LOST);
        // What has failed goes whoever has it, and whatever marks say so (hazard 5.11).
        let failed =
            self.phase == Phase::RemoveFailed && cfg!(not(eeh_mutant = "hazard_5_11_failed_vf_stays"));
        let beyond = !failed && (met.passed || met.flags.intersects(BEYOND));
        if beyond || met.flags.intersects(skip) {
            return None;
        }
        Some(Action::Remove { device: met.id, unaware })
    }

    /// The devices whose drivers were bound too late to hear of the reset; or, after it, those that heard and gave up.
    fn each_late(&mut self) -> Option<Action> {
        let Some(met) = self.meet() else {
            self.finish(if self.removed || self.replacing { Cue::Removed } else { Cue::Finished });
            return None;
        };
        let told = if self.replacing { DeviceFlags::IN_ERROR } else { DeviceFlags::empty() };
        let late = met.flags.contains(DeviceFlags::NO_HANDLER | told);
        if !late || met.passed || met.flags.intersects(BEYOND.union(DeviceFlags::BRIDGE)) {
            return None;
        }
        Some(Action::Remove { device: met.id, unaware: true })
    }

    /// The whole bus, unless a device there must be left alone. A virtual function's bus is not its own.
    fn empty(&mut self) -> Option<Action> {
        self.complete = true;
        if self.walk.is_some() || self.is_vf() || self.any_left() {
            return self.each_removal(false);
        }
        if self.emptied {
            self.finish(Cue::Finished);
            return None;
        }
        Some(Action::RemoveBus)
    }

    /// Whether no device is left in the PE or below it. A PHB may be empty.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.devices(true) == 0 && !self.is_phb()
    }

    /// How many devices are in the PE and below it, with or without virtual functions.
    pub(super) fn devices(&self, virtual_too: bool) -> usize {
        let Some(tree) = self.root.tree() else { return 0 };
        let guard = tree.lock();
        let Some(root) = guard.pe(self.root.id()) else { return 0 };
        root.subtree_devices().filter(|device| virtual_too || device.info().physfn.is_none()).count()
    }

    /// How many PEs an earlier recovery has emptied and not filled again, but for virtual functions'.
    pub(super) fn kept(&self) -> usize {
        let Some(tree) = self.root.tree() else { return 0 };
        let guard = tree.lock();
        let Some(root) = guard.pe(self.root.id()) else { return 0 };
        root.subtree()
            .filter(|pe| {
                pe.flags().contains(PeFlags::KEEP) && pe.vf().is_none() && pe.devices().next().is_none()
            })
            .filter(|pe| !pe.kind().contains(PeType::PHB))
            .count()
    }

    /// Whether a driver of the PE never came back in some earlier recovery, or, while nothing has failed,
    /// a device is somebody else's. C: `any_passed`
    fn any_left(&self) -> bool {
        let failed = self.phase == Phase::RemoveFailed;
        let Some(tree) = self.root.tree() else { return false };
        let guard = tree.lock();
        guard.pe(self.root.id()).is_some_and(|root| {
            root.subtree().any(|pe| {
                let passed = pe.flags().contains(PeFlags::PASSED) && !failed;
                passed || pe.devices().any(|d| d.flags().contains(DeviceFlags::LOCK_LOST))
            })
        })
    }

    fn reset(&mut self) -> Action {
        if self.resetting {
            return Action::PollReset;
        }
        self.resetting = true;
        self.attempt = self.attempt.saturating_add(1);
        Action::BeginReset { attempt: self.attempt }
    }

    fn pause(&mut self, now: Time) {
        if self.begun || self.pause.is_zero() {
            self.finish(Cue::Finished);
            return;
        }
        self.begun = true;
        let (seconds, complete) = (self.pause.as_secs(), self.complete);
        self.notes.push(Note::Step(Step::Pause { seconds, complete }));
        self.waiting = Some((now.after(self.pause), Wait::AddBack));
    }

    /// The attempt failed: once more, or not.
    pub(super) fn attempt_failed(&mut self) {
        self.resetting = false;
        self.waiting = None;
        if self.attempt < super::recovery::RESET_ATTEMPTS {
            self.cue(Cue::AttemptFailed);
        } else {
            self.notes.push(Note::Reset(ResetEvent::GaveUp { hotplug: self.complete }));
            self.cue(Cue::GaveUp);
        }
    }
}
