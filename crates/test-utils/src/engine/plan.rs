// SPDX-License-Identifier: GPL-2.0-or-later
//! What is to be done to the machine later: at a time, after so many events, in a phase.

use core::fmt;
use core::time::Duration;

use eeh_recovery::Phase;

use super::fault::{Fault, Planned};
use super::run::{Engine, Event};
use crate::linux::SimLinux;

/// Something done to Linux at once.
pub type Call<'a> = Box<dyn FnOnce(&SimLinux) + 'a>;

/// A phase of a recovery, or of what somebody asks the worker for: it has the same phases.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Within {
    /// Of a recovery.
    Recovery(Phase),
    /// Of something asked for by an owner, a driver or an administrator.
    Request(Phase),
    /// Of a recovery that has just given its helper something to do, which that has not begun.
    Job(Phase),
}

impl From<Phase> for Within {
    fn from(phase: Phase) -> Self {
        Self::Recovery(phase)
    }
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recovery(phase) => write!(f, "no recovery came to {phase:?}"),
            Self::Request(phase) => write!(f, "no request came to {phase:?}"),
            Self::Job(phase) => write!(f, "no helper was asked in {phase:?}"),
        }
    }
}

/// What waits for a phase.
pub(super) enum Then<'a> {
    Fault(Fault),
    Call(Call<'a>),
}

impl<'a> Engine<'a> {
    /// Enters a fault.
    pub fn plan(&mut self, planned: Planned) {
        self.faults += 1;
        self.agenda.add(planned.at, Event::Fault(planned.fault));
    }

    /// Enters a fault that comes as soon as a worker's turn ends with `events` or more observed: between
    /// any two actions of a recovery. It never comes where nothing is recorded, or less happens.
    pub fn plan_after(&mut self, events: usize, fault: Fault) {
        self.moments.push((events, fault));
        self.moments.sort_by_key(|(events, _)| core::cmp::Reverse(*events));
    }

    /// Enters a fault that comes `after` the first time from now on that `phase` is entered. It never comes
    /// where nothing is recorded.
    pub fn plan_in(&mut self, phase: impl Into<Within>, after: Duration, fault: Fault) {
        self.in_phase.push((phase.into(), after, Then::Fault(fault)));
    }

    /// Enters something that is done to Linux at once, `after` the present, or after a phase as with
    /// [`Engine::plan_in`].
    pub fn plan_call(&mut self, phase: Option<Within>, after: Duration, call: Call<'a>) {
        match phase {
            Some(phase) => self.in_phase.push((phase, after, Then::Call(call))),
            None => {
                self.faults += 1;
                self.agenda.add(self.now.after(after), Event::Call(call));
            }
        }
    }

    /// The phases that something waits for still.
    #[must_use]
    pub fn missed(&self) -> Vec<Within> {
        self.in_phase.iter().map(|(phase, ..)| *phase).collect()
    }

    /// Does what waits for the phases that were entered since the last look, and for a job that was given to
    /// a helper in `handed`. Of two equal faults one waits for the next time.
    pub(super) fn look_for_phases(&mut self, handed: Option<Phase>) {
        if self.in_phase.is_empty() {
            return;
        }
        let (entered, observed) = self.linux.watcher().entered(self.looked);
        self.looked = observed;
        let within = |(phase, asked): &(Phase, bool)| {
            if *asked { Within::Request(*phase) } else { Within::Recovery(*phase) }
        };
        let mut entered: Vec<Within> = entered.iter().map(within).collect();
        entered.extend(handed.map(Within::Job));
        let waiting = core::mem::take(&mut self.in_phase);
        let mut done: Vec<(Within, Fault)> = Vec::new();
        for (phase, after, then) in waiting {
            let fault = if let Then::Fault(fault) = &then { Some((phase, *fault)) } else { None };
            if !entered.contains(&phase) || fault.is_some_and(|fault| done.contains(&fault)) {
                self.in_phase.push((phase, after, then));
                continue;
            }
            done.extend(fault);
            if after.is_zero() {
                match then {
                    Then::Fault(fault) => self.inject(fault),
                    Then::Call(call) => call(self.linux),
                }
                continue;
            }
            self.faults += 1;
            let event = match then {
                Then::Fault(fault) => Event::Fault(fault),
                Then::Call(call) => Event::Call(call),
            };
            self.agenda.add(self.now.after(after), event);
        }
    }

    /// Drops what was planned with [`Engine::plan_after`] and [`Engine::plan_in`] and has not come.
    pub fn forget_moments(&mut self) {
        self.moments.clear();
        self.in_phase.clear();
    }

    /// Does what waits for as many events as there are now.
    pub(super) fn look_for_moments(&mut self) {
        let observed = self.linux.watcher().observed();
        while self.moments.last().is_some_and(|(events, _)| *events <= observed) {
            if let Some((_, fault)) = self.moments.pop() {
                self.inject(fault);
            }
        }
    }
}
