// SPDX-License-Identifier: GPL-2.0-or-later
//! A PHB's worker as the engine sees it.

use eeh_pe::{Time, TreeId};
use eeh_recovery::{Next, PeTarget, Phase, RecoveryId, Wait, Worker};

use super::outcome::Pause;
use super::rounds::Seen;
use crate::linux::{Letter, SimLinux};

/// A worker and what it waits for.
pub(super) struct Seat<'a> {
    worker: Worker<'a, SimLinux>,
    /// Counts its turns: a turn that was planned before another one came is void.
    pub(super) turn: u64,
    /// Until when its last step was busy.
    busy_until: Time,
    waiting: Option<(Option<Wait>, Time)>,
    idle: bool,
    /// What was seen of its recovery.
    pub(super) seen: Seen,
}

/// When a worker wants its next turn.
pub(super) enum Turn {
    At(Time),
    WhenWoken,
    Never,
}

impl<'a> Seat<'a> {
    pub(super) fn new(worker: Worker<'a, SimLinux>) -> Self {
        Self { worker, turn: 0, busy_until: Time::ZERO, waiting: None, idle: false, seen: Seen::default() }
    }

    /// What it is at.
    pub(super) fn recovering(&self) -> Option<(RecoveryId, PeTarget, Phase)> {
        self.worker.recovering()
    }

    /// Whether it has nothing to do.
    pub(super) const fn is_idle(&self) -> bool {
        self.idle
    }

    /// Its next turn is planned: it is not idle, although it has not had it yet.
    pub(super) fn plan(&mut self) -> u64 {
        self.turn += 1;
        self.idle = false;
        self.turn
    }

    /// The earliest moment at which it can run.
    pub(super) fn free_at(&self, now: Time) -> Time {
        self.busy_until.max(now)
    }

    /// Reads its letters and takes one step. `clock` answers the time after each busy call.
    pub(super) fn step(
        &mut self,
        tree: TreeId,
        linux: &SimLinux,
        now: Time,
        pauses: &mut Vec<Pause>,
    ) -> Turn {
        if let Some((why, from)) = self.waiting.take()
            && now > from
        {
            pauses.push(Pause { tree, why, from, to: now });
        }
        loop {
            match linux.mailboxes().take_letter(tree) {
                Letter::Answer(id, answer) => {
                    // One that is void has changed nothing.
                    let _ = self.worker.answer(id, answer, linux.now());
                }
                Letter::Woken => {}
                Letter::Nothing => break,
            }
        }
        let next = self.worker.step(linux.now());
        let after = linux.now();
        if after > now {
            pauses.push(Pause { tree, why: None, from: now, to: after });
        }
        self.busy_until = after;
        self.idle = matches!(next, Next::Idle);
        match next {
            Next::Again => Turn::At(after),
            Next::Idle => Turn::WhenWoken,
            Next::WaitUntil { at, why } => {
                self.waiting = Some((Some(why), after));
                Turn::At(at.max(after))
            }
            Next::AwaitJob { deadline } => {
                self.waiting = Some((Some(Wait::Helper), after));
                Turn::At(deadline.max(after))
            }
            Next::Exit => Turn::Never,
        }
    }
}
