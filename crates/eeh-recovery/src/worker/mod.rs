// SPDX-License-Identifier: GPL-2.0-or-later
//! A PHB's worker: takes events, drives the recovery machine, does what it asks for.
//!
//! The environment's thread of the PHB calls [`Worker::step`] whenever it is woken or a time has
//! come, hands answers of its helper to [`Worker::answer`], and waits between two steps. The worker
//! itself never waits, and holds no lock while it calls anybody.

mod act;
mod begin;
mod device;
mod diag;
mod jobs;
mod passed;
mod request;
mod reset;
mod special;

use core::cell::Cell;
use core::time::Duration;

use eeh_pe::{Env, PeId, Time, Tree};

pub(crate) use device::{is_late, may_hear};
use diag::Diag;
pub use diag::{DRIVER_LOG, DiagBuffer};
use jobs::Running;
use request::Asked;

use crate::machine::{Input, Note, Poll, Recovery};
use crate::observe::{Event, Observer, Outcome, Progress, RecoveryId, ResetEvent, Subject, What};
use crate::targets::phb_target;
use crate::{
    ErrorSource, FirmwareError, JobAnswer, JobId, PeTarget, PhbTarget, Platform, SlotControl, SlotState,
    Wait, Wake,
};

/// How long a report is left alone whose PE is referenced as often as can be counted.
const REFERENCES_WAIT: Duration = Duration::from_millis(10);

/// How many different answers that make no sense are told once in a recovery.
const NONSENSE: usize = 4;

/// An answer that makes no sense, and the recovery in which it was told.
type Nonsense = (Option<RecoveryId>, FirmwareError);

/// What the environment's loop does after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Step again: there is more to do at once.
    Again,
    /// Wait until the worker is woken.
    Idle,
    /// Wait until then, or until the worker is woken.
    WaitUntil {
        /// Until when.
        at: Time,
        /// Why.
        why: Wait,
    },
    /// Wait until the helper answers, the worker is woken, or the time has come.
    AwaitJob {
        /// When a job that has not come back is named or given up.
        deadline: Time,
    },
    /// The PHB is gone: drop the worker.
    Exit,
}

/// Memory of a worker, reserved before it begins.
pub struct WorkerStorage<E: Env> {
    /// For error data of a freeze that waits.
    pub phb_diag: E::Own<DiagBuffer>,
    /// For error data of the freeze that is recovered.
    pub recovery_diag: E::Own<DiagBuffer>,
}

/// The type of a reset attempt of a platform's firmware.
type ResetOf<P> = <<P as Platform>::Firmware as SlotControl>::Reset;

/// The type of a configuration of bridges of a platform's firmware.
type ConfigureOf<P> = <<P as Platform>::Firmware as SlotControl>::Configure;

/// A recovery under way, and what was begun for it.
struct Active<'r, P: Platform> {
    id: RecoveryId,
    target: PeTarget,
    machine: Recovery<'r, P::Env>,
    reset: Option<ResetOf<P>>,
    configure: Option<ConfigureOf<P>>,
    job: Option<Running>,
    /// Firmware calls the PHB dead: nothing is done to it any more.
    dead: bool,
    /// What is asked for, when it is no recovery.
    asked: Option<Asked>,
    /// The wait that was told last.
    told: Option<(Time, Wait)>,
}

/// The worker of one PHB.
pub struct Worker<'r, P: Platform> {
    platform: &'r P,
    tree: Tree<'r, P::Env>,
    phb: PhbTarget,
    root_bus: u8,
    active: Option<Active<'r, P>>,
    /// Recoveries and requests begun.
    serial: u64,
    /// Jobs started.
    jobs: u64,
    diag: Diag<P::Env>,
    /// The PE that was recovered last, and when it was marked: reports of it from before are covered.
    last: Option<(PeId, Time)>,
    /// When the last recovery ended, by the clock of detectors.
    ended: Option<Time>,
    /// The last answers of firmware that made no sense, the newest first.
    nonsense: Cell<[Option<Nonsense>; NONSENSE]>,
    /// A request to ask firmware was taken and the interrupt is not armed again yet.
    asked: bool,
}

impl<'r, P: Platform> Worker<'r, P> {
    /// A worker of `tree`, which it pins.
    ///
    /// # Context
    ///
    /// A task; takes the tree's lock.
    #[must_use]
    pub fn new(platform: &'r P, tree: Tree<'r, P::Env>, storage: WorkerStorage<P::Env>) -> Self {
        let phb = phb_target(&tree);
        let root_bus = tree.info().root_bus;
        Self {
            platform,
            tree,
            phb,
            root_bus,
            active: None,
            serial: 0,
            jobs: 0,
            diag: Diag::new(storage),
            last: None,
            ended: None,
            nonsense: Cell::new([None; NONSENSE]),
            asked: false,
        }
    }

    /// The PHB.
    #[must_use]
    pub const fn phb(&self) -> PhbTarget {
        self.phb
    }

    /// The recovery under way: its id, PE and phase.
    #[must_use]
    pub fn recovering(&self) -> Option<(RecoveryId, PeTarget, crate::Phase)> {
        self.active.as_ref().map(|a| (a.id, a.target, a.machine.phase()))
    }

    /// Does the next thing there is to do, and says what to do then. May be called at any time.
    ///
    /// # Context
    ///
    /// The worker's thread, without any lock; sleeps no longer than a firmware call does.
    pub fn step(&mut self, now: Time) -> Next {
        if !self.tree.is_live() {
            self.cancel(now);
            return Next::Exit;
        }
        if let Some(mut active) = self.active.take() {
            let next = self.drive(&mut active, now);
            match active.machine.poll_over() {
                Some(outcome) => self.end(active, outcome, now),
                None => self.active = Some(active),
            }
            return next;
        }
        let (reported, stays) = {
            let mut guard = self.tree.lock();
            (guard.take_report(), guard.has_report())
        };
        if let Some(reported) = reported {
            self.begin(reported, now);
            return Next::Again;
        }
        let request = self.tree.lock().take_request();
        if let Some(request) = request {
            self.begin_request(request, now);
            return Next::Again;
        }
        self.forget_waiting_diag();
        if self.asked || self.platform.wake().take_check(self.phb.tree) {
            self.asked = true;
            self.ask_firmware(now);
            return Next::Again;
        }
        if stays {
            // Nobody wakes a worker when a reference is put.
            return Next::WaitUntil { at: now.after(REFERENCES_WAIT), why: Wait::References };
        }
        Next::Idle
    }

    /// Takes the answer of a job. `false` when the job's id is void: nothing was changed.
    ///
    /// # Context
    ///
    /// The worker's thread, as [`Worker::step`].
    pub fn answer(&mut self, id: JobId, answer: JobAnswer, now: Time) -> bool {
        let Some(mut active) = self.active.take() else { return false };
        let valid = active.job.as_ref().is_some_and(|job| job.id == id);
        if valid && let Some(job) = active.job.take() {
            self.answered(&mut active, &job, answer, now);
        }
        self.active = Some(active);
        valid
    }

    fn drive(&mut self, active: &mut Active<'r, P>, now: Time) -> Next {
        if active.job.is_some() {
            return self.watch_job(active, now);
        }
        self.tell_row(active);
        let poll = active.machine.poll(now);
        self.tell_row(active);
        match poll {
            Poll::Say(note) => {
                self.tell_note(active, note, now);
                Next::Again
            }
            Poll::Act(action) => {
                self.perform(active, action, now);
                Next::Again
            }
            Poll::Wait { until, why } => {
                if active.told != Some((until, why)) {
                    active.told = Some((until, why));
                    self.tell(active, What::Progress(Progress::Waiting { until, why }), now);
                }
                Next::WaitUntil { at: until, why }
            }
            Poll::Over => Next::Again,
            Poll::Answer => {
                // Every action is answered at once or is a job. Should one not be: an end, not a loop.
                debug_assert!(false, "an action without an answer");
                let _ = active.machine.handle(Input::Cancel, now);
                Next::Again
            }
        }
    }

    /// The PHB was removed: gives up what is begun, and touches nothing else.
    fn cancel(&mut self, now: Time) {
        if let Some(mut active) = self.active.take() {
            let _ = active.machine.handle(Input::Cancel, now);
            self.tell_row(&active);
            if let Some(reset) = active.reset.as_mut() {
                self.platform.firmware().abandon_reset(reset);
            }
            let ended = if active.asked.is_some() { Progress::Answered } else { Progress::Ended };
            self.tell(&active, What::Progress(ended(Outcome::Cancelled)), now);
        }
        // The recovery's references were the last: nobody takes the dead tree's lock after this.
        self.tree.reap();
        if self.asked {
            self.asked = false;
            self.platform.firmware().rearm(&self.phb);
        }
    }

    /// Tells which row of the table was taken last.
    fn tell_row(&self, active: &Active<'r, P>) {
        if let Some((phase, cue)) = active.machine.moved() {
            self.platform.observer().row(phase, cue);
        }
    }

    /// Tells what happened to the PE that is recovered.
    fn tell(&self, active: &Active<'r, P>, what: What, now: Time) {
        self.tell_of(Some(active.id), subject(active.target), what, now);
    }

    fn tell_note(&self, active: &Active<'r, P>, note: Note, now: Time) {
        match note {
            Note::Entered(phase) => self.tell(active, What::Progress(Progress::Entered(phase)), now),
            Note::Step(step) => self.tell(active, What::Step(step), now),
            Note::Reset(reset) => self.tell(active, What::Reset(reset), now),
            Note::SlotInactive { state, attempt } => {
                let bits = self.platform.firmware().linux_bits(state);
                self.tell(active, What::Reset(ResetEvent::SlotInactive { state, bits, attempt }), now);
            }
            Note::Device(bdf, pe, event) => {
                self.tell_of(Some(active.id), Subject::Device(bdf, pe), What::Device(event), now);
            }
        }
    }

    fn tell_of(&self, recovery: Option<RecoveryId>, subject: Subject, what: What, now: Time) {
        let event = Event { phb: self.phb.number, recovery, subject, what };
        self.platform.observer().event(now, &event);
    }
}

impl<P: Platform> Drop for Worker<'_, P> {
    /// A worker that is dropped early leaves no reset asserted and no interrupt masked.
    fn drop(&mut self) {
        if let Some(reset) = self.active.as_mut().and_then(|active| active.reset.as_mut()) {
            self.platform.firmware().abandon_reset(reset);
        }
        if self.asked {
            self.platform.firmware().rearm(&self.phb);
        }
    }
}

/// A PE as the subject of an event.
fn subject(target: PeTarget) -> Subject {
    if target.kind.contains(eeh_pe::PeType::PHB) { Subject::Phb } else { Subject::Pe(target.number) }
}
