// SPDX-License-Identifier: GPL-2.0-or-later
//! A detector's transitions: one exchange marks a PE and decides who reports it.

use crate::env::{Env, max_count};
use crate::flags::PeFlags;
use crate::id::PeId;
use crate::mutant::mutant;
use crate::registry::Registry;
use crate::slot::Slot;
use crate::sync::Relaxed;
use crate::time::Time;
use crate::word::Snapshot;

/// What became of an attempt to isolate a PE.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[must_use]
pub enum Isolate {
    /// The PE was not isolated: the caller is the one who found it, and its report waits in the
    /// queue.
    Won,
    /// The PE was isolated already: frozen, and reported by someone else.
    AlreadyIsolated,
    /// The PE is gone: no failure.
    Stale,
}

/// What became of an attempt to report a PE.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[must_use]
pub enum Report {
    /// The report waits in the queue.
    Queued,
    /// One waits there already.
    AlreadyPending,
    /// The PE is gone.
    Stale,
}

/// When and where a freeze was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Detection {
    /// When.
    pub at: Time,
    /// The address that read all ones; 0 when it was not found by reading.
    pub address: u64,
}

impl<E: Env> Registry<E> {
    /// Isolates a PE and queues its report, unless it is isolated already.
    ///
    /// A PE whose configuration space must not be touched while frozen is blocked in the same
    /// exchange. C: `eeh_pe_mark_isolated`, `__eeh_send_failure_event`
    ///
    /// # Context
    ///
    /// Any but NMI: takes no lock.
    pub fn isolate(&self, id: PeId) -> Isolate {
        self.isolate_at(id, Detection::default())
    }

    /// As [`isolate`](Self::isolate), with a record that the report carries.
    ///
    /// # Context
    ///
    /// Any but NMI: takes no lock.
    pub fn isolate_at(&self, id: PeId, detection: Detection) -> Isolate {
        let Some((cell, slot)) = self.pe_slot(id) else { return Isolate::Stale };
        let changed = slot.word.update(|now| {
            let there = mutant!(eeh_mutant = "isolate_any_generation", now.is(id.name), now.is_live());
            if !there {
                return Err(Isolate::Stale);
            }
            let flags = PeFlags::from_bits_retain(now.flags());
            if mutant!(eeh_mutant = "isolate_ignores_winner", flags.contains(PeFlags::ISOLATED), false) {
                return Err(Isolate::AlreadyIsolated);
            }
            let mut new = flags | PeFlags::ISOLATED;
            new.set(PeFlags::CFG_BLOCKED, flags.intersects(PeFlags::CFG_BLOCKED | PeFlags::CFG_RESTRICTED));
            Ok(with_report::<E>(now, new))
        });
        match changed {
            Err(answer) => answer,
            Ok((before, after)) => {
                if is_new_report(before, after) {
                    queue(cell, id, slot, detection);
                }
                Isolate::Won
            }
        }
    }

    /// Queues a report of a PE without isolating it: a freeze during its recovery, or a recovery
    /// on request. C: `eeh_send_failure_event`
    ///
    /// # Context
    ///
    /// Any but NMI: takes no lock.
    pub fn report(&self, id: PeId) -> Report {
        self.report_at(id, Detection::default())
    }

    /// As [`report`](Self::report), with a record that the report carries.
    ///
    /// # Context
    ///
    /// Any but NMI: takes no lock.
    pub fn report_at(&self, id: PeId, detection: Detection) -> Report {
        let Some((cell, slot)) = self.pe_slot(id) else { return Report::Stale };
        let changed = slot.word.update(|now| {
            if !now.is(id.name) {
                return Err(Report::Stale);
            }
            let flags = PeFlags::from_bits_retain(now.flags());
            if flags.contains(PeFlags::PENDING) {
                return Err(Report::AlreadyPending);
            }
            Ok(with_report::<E>(now, flags))
        });
        match changed {
            Err(answer) => answer,
            Ok(_) => {
                queue(cell, id, slot, detection);
                Report::Queued
            }
        }
    }
}

/// `flags` with PENDING, and the queue's reference where PENDING is new: it is never refused,
/// because holders leave one count free.
fn with_report<E: Env>(now: Snapshot, flags: PeFlags) -> Snapshot {
    let was_pending = now.flags() & PeFlags::PENDING.bits() != 0;
    let new = now.with_flags((flags | PeFlags::PENDING).bits());
    if was_pending || cfg!(eeh_mutant = "queue_takes_no_reference") {
        new
    } else {
        new.plus_one(max_count::<E>()).unwrap_or(new)
    }
}

fn is_new_report(before: Snapshot, after: Snapshot) -> bool {
    (after.flags() & !before.flags()) & PeFlags::PENDING.bits() != 0
}

/// Links a PE into the queue. Only by whoever set PENDING, so the record and the link are its own.
fn queue<E: Env>(cell: &crate::cell::TreeCell<E>, id: PeId, slot: &Slot, detection: Detection) {
    slot.detected_at.store(detection.at.as_nanos(), Relaxed);
    slot.detected_address.store(detection.address, Relaxed);
    cell.pending.push(id.index(), &slot.queue_link);
}
