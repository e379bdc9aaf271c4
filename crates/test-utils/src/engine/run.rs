// SPDX-License-Identifier: GPL-2.0-or-later
//! The loop.

use core::task::Waker;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use eeh_pe::{Bdf, Time, TreeId};
use eeh_recovery::Worker;

use super::agenda::Agenda;
use super::coverage::Coverage;
use super::fault::Fault;
use super::outcome::Pause;
use super::plan::{Call, Then, Within};
use super::rounds::Round;
use super::tasks::Tasks;
use super::worker::{Seat, Turn};
use crate::hw::Phb;
use crate::linux::{SimDevice, SimLinux};
use crate::task::VirtualTime;
use crate::topology::PhbSpec;

/// The run makes no progress: something asks for another turn again and again at one moment.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no progress at {at:?}: more than {turns} turns at one moment")]
pub struct Stalled {
    /// Where virtual time stands.
    pub at: Time,
    /// How many turns it took.
    pub turns: u32,
}

pub(super) enum Event<'a> {
    /// A worker's turn, if it is still that one.
    Turn(TreeId, u64),
    /// A task's timer.
    Timer(Waker),
    /// A fault.
    Fault(Fault),
    /// Something done to Linux.
    Call(Call<'a>),
    /// A driver's heartbeat.
    Beat(u32, Bdf),
}

/// Runs everything over virtual time.
pub struct Engine<'a> {
    pub(super) linux: &'a SimLinux,
    time: Arc<VirtualTime>,
    pub(super) agenda: Agenda<Event<'a>>,
    pub(super) tasks: Tasks<'a>,
    workers: BTreeMap<TreeId, Seat<'a>>,
    pub(super) pauses: Vec<Pause>,
    /// Devices taken away by request.
    pub(super) removed: BTreeSet<(u32, Bdf)>,
    pub(super) faults: usize,
    /// Faults that wait for so many events to be observed, the latest first.
    pub(super) moments: Vec<(usize, Fault)>,
    /// What waits for a recovery to come to a phase, and how long after that it is done.
    pub(super) in_phase: Vec<(Within, Duration, Then<'a>)>,
    /// How many events have been looked through for phases.
    pub(super) looked: usize,
    /// What removed PHBs were made from.
    pub(super) specs: BTreeMap<u32, Arc<PhbSpec>>,
    /// The hardware of removed PHBs.
    pub(super) former: Vec<Arc<Phb>>,
    /// What the run comes to.
    pub(super) coverage: Coverage,
    pub(super) rounds: Vec<Round>,
    /// The devices that were there when the engine was made.
    pub(super) booted: Vec<Arc<SimDevice>>,
    timers: usize,
    beat: Duration,
    beating: bool,
    pub(super) now: Time,
}

impl<'a> Engine<'a> {
    /// More turns than anything sensible takes at one moment.
    const MOST_TURNS: u32 = 100_000;

    /// An engine for `linux`; `None` when that was booted with a real clock.
    #[must_use]
    pub fn new(linux: &'a SimLinux) -> Option<Self> {
        let time = linux.virtual_time()?.clone();
        let now = time.now();
        let functions: usize = linux.phbs().iter().map(|phb| phb.devices().len()).sum();
        // A tenth of a second, and more on large machines, so that beats stay a small part of a run.
        let beat = Duration::from_millis(100 + functions as u64);
        let mut engine = Self {
            linux,
            time,
            agenda: Agenda::default(),
            tasks: Tasks::default(),
            workers: BTreeMap::new(),
            pauses: Vec::new(),
            removed: BTreeSet::new(),
            faults: 0,
            moments: Vec::new(),
            in_phase: Vec::new(),
            looked: 0,
            specs: BTreeMap::new(),
            former: Vec::new(),
            coverage: Coverage::default(),
            rounds: Vec::new(),
            booted: linux.phbs().iter().flat_map(|phb| phb.devices()).collect(),
            timers: 0,
            beat,
            beating: false,
            now,
        };
        linux.phbs().iter().for_each(|phb| engine.seat(phb.tree()));
        Some(engine)
    }

    /// Runs until everything is quiet, or until `limit`. Answers whether it got quiet.
    ///
    /// # Errors
    ///
    /// [`Stalled`] when time stands still.
    pub fn run_until_quiet(&mut self, limit: Time) -> Result<bool, Stalled> {
        self.start_beats();
        let mut quiet_since = None;
        let mut turns = 0;
        self.settle()?;
        loop {
            if self.is_quiet() {
                let since = *quiet_since.get_or_insert(self.now);
                // Every driver had its turn and found nothing: over.
                if self.now.since(since) > self.beat {
                    return Ok(true);
                }
            } else {
                quiet_since = None;
            }
            // What comes later stays for another run.
            if self.agenda.next_at().is_some_and(|at| at > limit) {
                return Ok(self.is_quiet());
            }
            let Some((at, event)) = self.agenda.pop() else { return Ok(true) };
            turns = if at > self.now { 0 } else { turns + 1 };
            if turns > Self::MOST_TURNS {
                return Err(Stalled { at: self.now, turns });
            }
            self.now = self.now.max(at);
            self.time.set(self.now);
            self.happen(event);
            self.settle()?;
        }
    }

    fn is_quiet(&self) -> bool {
        self.faults == 0 && self.timers == 0 && self.workers.values().all(Seat::is_idle)
    }

    fn start_beats(&mut self) {
        if core::mem::replace(&mut self.beating, true) {
            return;
        }
        for phb in self.linux.phbs() {
            for device in phb.devices() {
                let (number, bdf) = (device.phb_number(), device.bdf());
                let salt = u64::from(number) << 20 | u64::from(bdf.0);
                let span = self.beat.as_nanos() as u64;
                let first = self.now.after(Duration::from_nanos(self.linux.random(salt) % span));
                self.agenda.add(first, Event::Beat(number, bdf));
            }
        }
    }

    fn happen(&mut self, event: Event<'a>) {
        match event {
            Event::Turn(tree, turn) => self.turn(tree, turn),
            Event::Timer(waker) => {
                self.timers -= 1;
                waker.wake();
            }
            Event::Fault(fault) => {
                self.faults -= 1;
                self.inject(fault);
            }
            Event::Call(call) => {
                self.faults -= 1;
                call(self.linux);
            }
            Event::Beat(phb, bdf) => {
                let _ = self.linux.beat(phb, bdf);
                self.agenda.add(self.now.after(self.beat), Event::Beat(phb, bdf));
            }
        }
    }

    fn turn(&mut self, tree: TreeId, turn: u64) {
        let Some(seat) = self.workers.get_mut(&tree).filter(|seat| seat.turn == turn) else { return };
        let linux = self.linux;
        if seat.recovering().is_none() && linux.mailboxes().take_late(tree) {
            self.tasks.spawn(Box::pin(async move { linux.attach_late(tree).await }));
        }
        match seat.step(tree, self.linux, self.now, &mut self.pauses) {
            Turn::At(at) => self.plan_turn(tree, at),
            Turn::WhenWoken => {}
            Turn::Never => {
                let left = self.workers.remove(&tree);
                self.linux.mailboxes().close(tree);
                if let Some(mut seat) = left {
                    // What comes later is no call of its round.
                    self.follow(&mut seat.seen, None);
                }
            }
        }
        let mut handed = None;
        if let Some(mut seat) = self.workers.remove(&tree) {
            let recovering = seat.recovering();
            handed = recovering.filter(|_| linux.mailboxes().has_job(tree)).map(|(.., phase)| phase);
            self.follow(&mut seat.seen, recovering);
            self.workers.insert(tree, seat);
        }
        // A busy turn has moved the clock; what is done in between is done now.
        self.time.set(self.now);
        self.look_for_phases(handed);
        self.look_for_moments();
    }

    fn plan_turn(&mut self, tree: TreeId, at: Time) {
        if let Some(seat) = self.workers.get_mut(&tree) {
            let turn = seat.plan();
            self.agenda.add(at, Event::Turn(tree, turn));
        }
    }

    /// Lets everything run that can run now: new workers, letters, helpers, tasks.
    fn settle(&mut self) -> Result<(), Stalled> {
        for _ in 0..Self::MOST_TURNS {
            let busy = self.hire() | self.deliver() | self.run_task();
            for (at, waker) in self.linux_timers() {
                self.timers += 1;
                self.agenda.add(at, Event::Timer(waker));
            }
            self.time.set(self.now);
            if !busy {
                return Ok(());
            }
        }
        Err(Stalled { at: self.now, turns: Self::MOST_TURNS })
    }

    fn linux_timers(&self) -> Vec<(Time, Waker)> {
        self.time.take_timers()
    }

    /// Seats workers for trees that came.
    fn hire(&mut self) -> bool {
        let new = self.linux.take_new_trees();
        new.iter().for_each(|id| self.seat(*id));
        !new.is_empty()
    }

    /// Seats a worker for a tree that has none.
    fn seat(&mut self, id: TreeId) {
        let Some(tree) = self.linux.registry().tree(id).filter(|_| !self.workers.contains_key(&id)) else {
            return;
        };
        let storage = self.linux.worker_storage(id);
        self.workers.insert(id, Seat::new(Worker::new(self.linux, tree, storage)));
        self.plan_turn(id, self.now);
    }

    /// Plans turns for workers that have letters, and starts their helpers' jobs.
    fn deliver(&mut self) -> bool {
        let news = self.linux.mailboxes().take_news();
        let linux = self.linux;
        for tree in &news {
            while let Some(job) = linux.mailboxes().take_job(*tree) {
                self.tasks.spawn(Box::pin(async move {
                    linux.help(job).await;
                }));
            }
            if let Some(at) = self.workers.get(tree).map(|seat| seat.free_at(linux.now())) {
                self.plan_turn(*tree, at);
            }
        }
        !news.is_empty()
    }

    fn run_task(&mut self) -> bool {
        self.time.set(self.now);
        self.tasks.run_one()
    }

    /// The hardware of PHBs that were removed.
    #[must_use]
    pub fn former_hardware(&self) -> &[Arc<Phb>] {
        &self.former
    }

    /// Tasks that have not come back.
    #[must_use]
    pub fn stuck(&self) -> usize {
        self.tasks.len()
    }

    /// The present.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }
}
