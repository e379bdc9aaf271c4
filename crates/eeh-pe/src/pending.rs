// SPDX-License-Identifier: GPL-2.0-or-later
//! The reports that wait, per PHB, first in, first out.
//!
//! Detectors push onto a lock-free stack; whoever takes a report turns the stack around into a
//! list that the tree's lock guards. A report is the PENDING bit, a link and a reference, so
//! queueing allocates nothing and cannot fail.

use crate::env::{Env, max_holds};
use crate::flags::PeFlags;
use crate::guard::TreeGuard;
use crate::hold::PeHold;
use crate::id::PeId;
use crate::isolate::Detection;
use crate::slot::Slot;
use crate::stats::Counter;
use crate::sync::Relaxed;
use crate::time::Time;
use crate::tree::Tree;
use crate::word::Snapshot;

/// A report taken from the queue.
#[derive(Debug)]
pub struct Reported<'r, E: Env> {
    /// The PE, which may have been removed since; the reference was the queue's.
    pub pe: PeHold<'r, E>,
    /// When and where the freeze was found first.
    pub detection: Detection,
}

/// Takes reports one by one, each with its own hold of the lock; those it does not take stay.
pub struct Pending<'t, 'r, E: Env> {
    tree: &'t Tree<'r, E>,
}

impl<'r, E: Env> Tree<'r, E> {
    /// The reports that wait, the oldest first. Taking one clears PENDING: what is reported from
    /// then on is another report.
    ///
    /// # Context
    ///
    /// Any, except while the caller holds a tree's lock; each step takes the tree's lock.
    #[must_use]
    pub fn take_pending(&self) -> Pending<'_, 'r, E> {
        Pending { tree: self }
    }
}

impl<'r, E: Env> Iterator for Pending<'_, 'r, E> {
    type Item = Reported<'r, E>;

    fn next(&mut self) -> Option<Self::Item> {
        self.tree.lock().take_report()
    }
}

impl<'r, E: Env> TreeGuard<'r, E> {
    /// Takes the oldest report. `None` also while its PE is referenced as often as can be counted.
    #[must_use]
    pub fn take_report(&mut self) -> Option<Reported<'r, E>> {
        self.collect_reports();
        let (index, slot, next) = self.oldest_report()?;
        let id = self.id.pe(self.pe_name(index)?);
        let detection = Detection {
            at: Time::from_nanos(slot.detected_at.load(Relaxed)),
            address: slot.detected_address.load(Relaxed),
        };
        // The queue's reference becomes the caller's. The one that the queue may use is free for
        // the next report then, or this one waits.
        let room = |now: Snapshot| now.count() <= max_holds::<E>();
        slot.word.change_flags(room, |flags| flags & !PeFlags::PENDING.bits())?;
        self.unlink_oldest(next);
        Some(Reported { pe: PeHold::new(self.registry, self.cell, slot, id), detection })
    }

    /// True when a report waits that was linked already.
    #[must_use]
    pub fn has_report(&mut self) -> bool {
        self.collect_reports();
        self.inner.queue.first.is_some()
    }

    /// Drops the reports of all PEs below `root`, whose own recovery covers them, and returns how
    /// many there were. A report of `root` itself stays: it froze again.
    pub fn absorb_below(&mut self, root: PeId) -> u32 {
        self.collect_reports();
        let Some(root) = self.linked_pe(root) else { return 0 };
        let mut absorbed: u32 = 0;
        let mut kept = crate::links::List::default();
        let mut rest = core::mem::take(&mut self.inner.queue).first;
        while let Some(index) = rest {
            let Some(slot) = self.pe_slot(index) else { break };
            rest = slot.queue_link.next();
            if self.is_below(root, index) {
                self.end_report(index, slot);
                if cfg!(eeh_mutant = "absorb_reads_late") {
                    rest = slot.queue_link.next();
                }
                absorbed = absorbed.saturating_add(1);
            } else {
                self.append_report(&mut kept, index, slot);
            }
        }
        self.inner.queue = kept;
        self.registry.stats().add(Counter::Absorbed, u64::from(absorbed));
        absorbed
    }

    /// Drops all reports: the PHB is gone.
    pub(crate) fn cancel_reports(&mut self) {
        self.collect_reports();
        while let Some((index, slot, next)) = self.oldest_report() {
            self.unlink_oldest(next);
            if !cfg!(eeh_mutant = "cancel_keeps_the_reference") {
                self.end_report(index, slot);
            }
        }
    }

    /// Takes the stack, the newest first, and appends it to the list, the oldest first.
    fn collect_reports(&mut self) {
        let mut newest = self.cell.pending.take_all();
        let mut oldest = None;
        while let Some(index) = newest {
            let Some(slot) = self.pe_slot(index) else { break };
            newest = slot.queue_link.next();
            slot.queue_link.set_next(oldest);
            oldest = Some(index);
        }
        let mut list = self.inner.queue;
        while let Some(index) = oldest {
            let Some(slot) = self.pe_slot(index) else { break };
            oldest = slot.queue_link.next();
            self.append_report(&mut list, index, slot);
        }
        self.inner.queue = list;
    }

    fn append_report(&self, list: &mut crate::links::List, index: u16, slot: &Slot) {
        slot.queue_link.set_next(None);
        match list.last.and_then(|last| self.pe_slot(last)) {
            Some(last) => last.queue_link.set_next(Some(index)),
            None => list.first = Some(index),
        }
        list.last = Some(index);
    }

    /// The oldest report, and the one after it.
    fn oldest_report(&self) -> Option<(u16, &'r Slot, Option<u16>)> {
        let index = self.inner.queue.first?;
        let slot = self.pe_slot(index)?;
        if cfg!(eeh_mutant = "report_ends_early") {
            slot.word.change_flags(|_| true, |flags| flags & !PeFlags::PENDING.bits());
        }
        Some((index, slot, slot.queue_link.next()))
    }

    fn unlink_oldest(&mut self, next: Option<u16>) {
        self.inner.queue.first = next;
        if next.is_none() {
            self.inner.queue.last = None;
        }
    }

    /// Clears PENDING, after which the next detector owns link and record, and drops the queue's
    /// reference: both at once, for a full count has no room for the next report's.
    fn end_report(&self, index: u16, slot: &Slot) {
        self.cell.pes.put_and_clear(index, slot, PeFlags::PENDING.bits());
    }
}
