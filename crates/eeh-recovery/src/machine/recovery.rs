// SPDX-License-Identifier: GPL-2.0-or-later
//! One recovery: phase, cursor, and what it has learnt.

use core::time::Duration;

use eeh_pe::{Bdf, DeviceWalk, Env, PeHold, PeType, Time};

use super::action::{Action, Poll};
use super::note::{Note, Notes};
use super::restore::Cursor;
use super::state::{Cue, Phase};
use super::table::next;
use crate::ask::Ask;
use crate::{ErsResult, Outcome, Step, Wait};

/// Reset attempts. C: the loop in `eeh_pe_reset_full`
pub const RESET_ATTEMPTS: u32 = 3;

/// How far a phase has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Not begun.
    Enter,
    /// In its body.
    Body,
    /// The action on leaving is outstanding; then this cue.
    Leave(Cue),
}

/// A recovery of one PE and all below it.
///
/// It asks for one [`Action`] at a time through [`Recovery::poll`], is told what came of it through
/// [`Recovery::handle`], and does nothing else: it reads no clock and calls nobody. It looks at the
/// tree for the next device, with the lock held for that look only.
pub struct Recovery<'r, E: Env> {
    pub(super) root: PeHold<'r, E>,
    /// The bus that the PE's devices are on.
    pub(super) bus: u8,
    pub(super) pause: Duration,
    pub(super) phase: Phase,
    pub(super) stage: Stage,
    /// The phase's first action, until it is asked for.
    pub(super) enter: Option<Action>,
    pub(super) outstanding: Option<Action>,
    pub(super) waiting: Option<(Time, Wait)>,
    /// When the phase gives up waiting.
    pub(super) deadline: Option<Time>,
    pub(super) walk: Option<DeviceWalk<'r, E>>,
    /// The body has begun; of a bus, its job has ended.
    pub(super) begun: bool,
    pub(super) emptied: bool,
    pub(super) cursor: Cursor,
    pub(super) any_card: bool,
    pub(super) result: ErsResult,
    /// What `error_detected` came to.
    pub(super) verdict: Cue,
    pub(super) attempt: u32,
    pub(super) resetting: bool,
    pub(super) removed: bool,
    /// `slot_reset` is over, and devices whose drivers gave up at it are removed and added back.
    pub(super) replacing: bool,
    pub(super) complete: bool,
    pub(super) failing: bool,
    /// What is asked for, when it is no recovery.
    pub(super) ask: Option<Ask>,
    /// Not all that was removed has come back.
    pub(super) missing: bool,
    /// The last virtual function that was added back.
    pub(super) vf: Option<Bdf>,
    /// The PE works, and every device has left it.
    left: bool,
    /// How many devices there were before any was removed.
    pub(super) expected: usize,
    pub(super) outcome: Option<Outcome>,
    moved: Option<(Phase, Cue)>,
    pub(super) notes: Notes,
}

impl<'r, E: Env> Recovery<'r, E> {
    /// A recovery of `root`, whose devices are on `bus`; `pause` passes before devices are added
    /// back. `removed` says that an earlier recovery of the PE, of one above it or below it, may have
    /// removed devices and not added them back.
    #[must_use]
    pub fn new(root: PeHold<'r, E>, bus: u8, pause: Duration, removed: bool) -> Self {
        Self::begin(root, bus, pause, removed, Phase::Presence)
    }

    /// A permanent failure from the beginning: of a PHB or I/O hub that firmware calls dead.
    #[must_use]
    pub fn dead(root: PeHold<'r, E>, bus: u8) -> Self {
        let mut recovery = Self::begin(root, bus, Duration::ZERO, false, Phase::ReportFailure);
        recovery.failing = true;
        recovery
    }

    pub(super) fn begin(root: PeHold<'r, E>, bus: u8, pause: Duration, removed: bool, phase: Phase) -> Self {
        let mut notes = Notes::default();
        notes.push(Note::Entered(phase));
        Self {
            root,
            bus,
            pause,
            phase,
            stage: Stage::Enter,
            enter: None,
            outstanding: None,
            waiting: None,
            deadline: None,
            walk: None,
            begun: false,
            emptied: false,
            cursor: Cursor::default(),
            any_card: false,
            result: ErsResult::None,
            verdict: Cue::Unaware,
            attempt: 0,
            resetting: false,
            removed,
            replacing: false,
            complete: false,
            failing: false,
            ask: None,
            missing: false,
            vf: None,
            left: false,
            expected: 0,
            outcome: None,
            moved: None,
            notes,
        }
    }

    /// The PE.
    #[must_use]
    pub const fn root(&self) -> &PeHold<'r, E> {
        &self.root
    }

    /// Where it stands.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The bus that the PE's devices are on.
    #[must_use]
    pub const fn bus(&self) -> u8 {
        self.bus
    }

    /// How it ended, once it is over.
    #[must_use]
    pub const fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// The row of the table that moved it last.
    #[must_use]
    pub const fn moved(&self) -> Option<(Phase, Cue)> {
        self.moved
    }

    /// How it ended, once everything is said.
    #[must_use]
    pub fn poll_over(&self) -> Option<Outcome> {
        if self.notes.is_empty() { self.outcome } else { None }
    }

    /// The action whose answer is awaited.
    #[must_use]
    pub const fn outstanding(&self) -> Option<Action> {
        self.outstanding
    }

    /// Until when it waits, and why.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<(Time, Wait)> {
        self.waiting
    }

    /// What to do next. Asking again without an answer changes nothing.
    pub fn poll(&mut self, now: Time) -> Poll {
        loop {
            if self.outstanding.is_some() {
                return Poll::Answer;
            }
            if let Some(note) = self.notes.pop() {
                return Poll::Say(note);
            }
            if self.phase == Phase::Done {
                return Poll::Over;
            }
            if self.is_gone() && next(self.phase, Cue::PeGone).is_some() {
                self.cue(Cue::PeGone);
                continue;
            }
            if let Some((until, why)) = self.waiting {
                if now < until {
                    return Poll::Wait { until, why };
                }
                self.waiting = None;
                if next(self.phase, Cue::Again).is_some() {
                    self.cue(Cue::Again);
                }
                continue;
            }
            if let Some(action) = self.advance(now) {
                self.outstanding = Some(action);
                return Poll::Act(action);
            }
        }
    }

    /// Whether hotplug removed the PE: then its bus, a mere number, may be somebody else's by now.
    fn is_gone(&self) -> bool {
        !self.root.is_live() && cfg!(not(eeh_mutant = "hazard_5_9_stale_bus"))
    }

    /// The next action of the phase; `None` when something else came of it.
    fn advance(&mut self, now: Time) -> Option<Action> {
        match self.stage {
            Stage::Enter => {
                self.stage = Stage::Body;
                let plan = self.phase.plan();
                if let Some(step) = plan.says {
                    self.notes.push(Note::Step(step));
                }
                // Said before it is done.
                self.enter = plan.enter;
                None
            }
            Stage::Body => match self.enter.take() {
                Some(action) => Some(action),
                None => self.body(now),
            },
            Stage::Leave(_) => self.phase.plan().leave,
        }
    }

    /// The body is through: leaves the phase properly, or at once when it went wrong.
    pub(super) fn finish(&mut self, cue: Cue) {
        let proper = matches!(cue, Cue::Finished | Cue::Removed);
        if proper && self.phase.plan().leave.is_some() {
            self.stage = Stage::Leave(cue);
        } else {
            self.cue(cue);
        }
    }

    /// Moves on as the table says.
    pub(super) fn cue(&mut self, cue: Cue) {
        let cue = self.as_asked(cue);
        let to = next(self.phase, cue);
        debug_assert!(to.is_some(), "{cue:?} cannot meet {:?}", self.phase);
        let Some(to) = to else { return };
        self.moved = Some((self.phase, cue));
        if to == self.phase {
            return;
        }
        if cue == Cue::PeGone && self.phase == Phase::Presence {
            self.notes.push(Note::Step(Step::NoBus));
        }
        self.outcome_of(to, cue);
        if matches!(to, Phase::RemoveAll | Phase::RemoveUnaware | Phase::RemoveLate) {
            self.expected = self.expected.max(self.devices(false).saturating_add(self.kept()));
        }
        if to == Phase::ClearAttention {
            // A card that was pulled meanwhile has taken its devices with it.
            self.left = self.is_empty();
            if !self.left {
                self.notes.push(Note::Step(Step::Successful));
            }
        }
        if to == Phase::PermLog {
            self.failing = true;
        }
        self.phase = to;
        self.stage = Stage::Enter;
        self.enter = None;
        self.waiting = None;
        self.deadline = None;
        self.walk = None;
        self.begun = false;
        self.emptied = false;
        self.notes.push(Note::Entered(to));
    }

    fn outcome_of(&mut self, to: Phase, cue: Cue) {
        if to != Phase::Done {
            return;
        }
        let outcome = if cue == Cue::Cancelled {
            Outcome::Cancelled
        } else if cue == Cue::Fenced {
            Outcome::Fenced
        } else if cue == Cue::PeGone {
            Outcome::Gone
        } else if self.ask.is_some() && self.phase != Phase::Release {
            if cue == Cue::Refused { Outcome::Failed } else { Outcome::Recovered }
        } else if self.phase != Phase::Release {
            if self.left { Outcome::Gone } else { Outcome::Recovered }
        } else if self.failing {
            Outcome::Failed
        } else {
            Outcome::Gone
        };
        self.outcome = Some(outcome);
    }

    /// Whether it is a virtual function's.
    pub(super) fn is_vf(&self) -> bool {
        self.root.kind().contains(PeType::VF)
    }

    /// Whether it is the PHB's own PE.
    pub(super) fn is_phb(&self) -> bool {
        self.root.kind().contains(PeType::PHB)
    }
}
