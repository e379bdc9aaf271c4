// SPDX-License-Identifier: GPL-2.0-or-later
//! Who is told what recovery does: counters, the console, and a record for traces and tests.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use eeh_pe::Time;
use eeh_recovery::{
    Cue, Event, History, Observer, Outcome, Phase, PhbTarget, Progress, QueueEvent, RecoveryId, Step, What,
};

use super::console::Console;
use crate::engine::Coverage;

/// PEs whose past is known.
pub const REMEMBERED: usize = 256;

/// How often things happened.
#[derive(Debug, Default)]
pub struct Tally {
    /// Freezes found by a detector.
    pub detected: AtomicU64,
    /// Recoveries begun.
    pub began: AtomicU64,
    /// Recoveries that brought every device back.
    pub recovered: AtomicU64,
    /// Permanent failures.
    pub failed: AtomicU64,
    /// Recoveries whose PE went away.
    pub gone: AtomicU64,
    /// Recoveries whose PHB went away.
    pub cancelled: AtomicU64,
    /// Recoveries that a fence of the PHB took over.
    pub fenced: AtomicU64,
    /// Events that became part of another's recovery.
    pub absorbed: AtomicU64,
    /// Events of PEs that are gone.
    pub stale: AtomicU64,
    /// Events not handled because recovery is disabled.
    pub dropped: AtomicU64,
    /// PEs replaced during their recovery.
    pub successors: AtomicU64,
}

impl Tally {
    fn count(&self, event: &Event) {
        let counter = match event.what {
            What::Detected(_) => &self.detected,
            What::Progress(Progress::Began) => &self.began,
            What::Progress(Progress::Ended(outcome)) => match outcome {
                Outcome::Recovered => &self.recovered,
                Outcome::Failed => &self.failed,
                Outcome::Gone => &self.gone,
                Outcome::Cancelled => &self.cancelled,
                Outcome::Fenced => &self.fenced,
            },
            What::Queue(QueueEvent::Absorbed { count }) => {
                self.absorbed.fetch_add(u64::from(count), Ordering::Relaxed);
                return;
            }
            What::Queue(QueueEvent::Stale) => &self.stale,
            What::Queue(QueueEvent::Dropped) => &self.dropped,
            What::Step(Step::Successor { .. }) => &self.successors,
            What::Queue(QueueEvent::HandledAtParent { .. })
            | What::Firmware(_)
            | What::Progress(_)
            | What::Step(_)
            | What::Reset(_)
            | What::Device(_) => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Somebody who listens too, on the thread that tells.
pub type Listener = Box<dyn Fn(Time, &Event) + Send + Sync>;

/// The observer of simulated Linux.
pub struct SimObserver {
    console: Arc<Console>,
    tally: Tally,
    history: Mutex<History<REMEMBERED>>,
    record: Option<Mutex<Vec<(Time, Event)>>>,
    rows: Mutex<Coverage>,
    listener: OnceLock<Listener>,
}

impl SimObserver {
    /// An observer that prints to `console`, and keeps a record if asked.
    #[must_use]
    pub fn new(console: Arc<Console>, record: bool) -> Self {
        Self {
            console,
            tally: Tally::default(),
            history: Mutex::default(),
            record: record.then(Mutex::default),
            rows: Mutex::default(),
            listener: OnceLock::new(),
        }
    }

    /// How often things happened.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What became of each PE so far.
    pub fn history(&self) -> MutexGuard<'_, History<REMEMBERED>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells `listener` of everything from now on. `false`: there is one already.
    pub fn listen(&self, listener: Listener) -> bool {
        self.listener.set(listener).is_ok()
    }

    /// How much the record holds.
    #[must_use]
    pub fn observed(&self) -> usize {
        self.record.as_ref().map_or(0, |r| r.lock().unwrap_or_else(PoisonError::into_inner).len())
    }

    /// The rows of the table that recoveries took, where a record is kept.
    #[must_use]
    pub fn rows(&self) -> Coverage {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The phases that were entered from the `from`th event on, each with whether by something that somebody
    /// asked for, and how many events there are; nothing where no record is kept.
    #[must_use]
    pub fn entered(&self, from: usize) -> (Vec<(Phase, bool)>, usize) {
        let Some(record) = &self.record else { return (Vec::new(), from) };
        let record = record.lock().unwrap_or_else(PoisonError::into_inner);
        let is_asked = |id: Option<RecoveryId>| {
            let asked = |event: &Event| matches!(event.what, What::Progress(Progress::Asked(_)));
            id.is_some() && record.iter().any(|(_, event)| event.recovery == id && asked(event))
        };
        let new = record.get(from..).unwrap_or_default().iter();
        let entered = new.filter_map(|(_, event)| {
            let What::Progress(Progress::Entered(phase)) = event.what else { return None };
            Some((phase, is_asked(event.recovery)))
        });
        (entered.collect(), record.len())
    }

    /// What happened since the last call, where a record is kept.
    #[must_use]
    pub fn take_record(&self) -> Vec<(Time, Event)> {
        self.record
            .as_ref()
            .map(|r| core::mem::take(&mut *r.lock().unwrap_or_else(PoisonError::into_inner)))
            .unwrap_or_default()
    }
}

impl Observer for SimObserver {
    fn event(&self, now: Time, event: &Event) {
        crate::discipline::outside_trees("a call of the observer");
        self.tally.count(event);
        self.history.lock().unwrap_or_else(PoisonError::into_inner).note(now, event);
        if event.is_logged() {
            self.console.kernel_of(now, event.recovery, &format_args!("{event}"));
        }
        if let Some(record) = &self.record {
            record.lock().unwrap_or_else(PoisonError::into_inner).push((now, *event));
        }
        if let Some(listener) = self.listener.get() {
            listener(now, event);
        }
    }

    fn line(&self, now: Time, _: &PhbTarget, recovery: Option<RecoveryId>, line: fmt::Arguments<'_>) {
        self.console.kernel_of(now, recovery, &line);
    }

    fn row(&self, phase: Phase, cue: Cue) {
        if self.record.is_some() {
            self.rows.lock().unwrap_or_else(PoisonError::into_inner).take(phase, cue);
        }
    }
}

impl fmt::Debug for SimObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimObserver").field("tally", &self.tally).finish_non_exhaustive()
    }
}
