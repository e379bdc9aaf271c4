// SPDX-License-Identifier: GPL-2.0-or-later
//! From a report to a recovery, and from a recovery to its end.

use eeh_pe::{
    Counter, Detection, DeviceFlags, Env, Passed, PeFlags, PeId, PeType, PeView, Reported, Time, TreeGuard,
};

use super::request::Asked;
use super::{Active, Worker, subject};
use crate::machine::Recovery;
use crate::observe::{Outcome, Progress, QueueEvent, RecoveryId, What};
use crate::targets::{bus_of, pe_target, pe_target_of_view};
use crate::{ChannelState, FreezeState, PeTarget, Platform, SlotControl, SlotState, Thaw};

/// The marks that only a running recovery may have, and KEEP, which it may leave to the next one. What else it sets is cleared on the way, because
/// by now ISOLATED and CFG_BLOCKED may be those of another freeze.
const MARKS: PeFlags = PeFlags::RECOVERING.union(PeFlags::KEEP).union(PeFlags::RESET).union(PeFlags::REMOVED);

impl<'r, P: Platform> Worker<'r, P> {
    /// A report was taken from the queue.
    pub(super) fn begin(&mut self, reported: Reported<'r, P::Env>, now: Time) {
        let registry = self.tree.registry();
        let Some(view) = registry.peek(reported.pe.id()) else {
            self.tell_queue(&reported, QueueEvent::Stale, now);
            return self.clear_removed(&reported, now);
        };
        if self.is_covered(&view, reported.detection.at) {
            registry.stats().count(Counter::Absorbed);
            return self.tell_absorbed(pe_target_of_view(&view), 1, now);
        }
        if self.came_late(&view, reported.detection.at) {
            self.tree.lock().clear_subtree(view.id, PeFlags::ISOLATED, Passed::Skip);
            self.go_online(&reported.pe);
            registry.stats().count(Counter::Absorbed);
            return self.tell_absorbed(pe_target_of_view(&view), 1, now);
        }
        if view.flags.contains(PeFlags::PASSED) {
            return self.tell_queue(&reported, QueueEvent::Stale, now);
        }
        if !self.platform.params().recovery {
            return self.tell_queue(&reported, QueueEvent::Dropped, now);
        }
        let isolated = view.flags.contains(PeFlags::ISOLATED);
        let target = self.highest_frozen(pe_target_of_view(&view));
        if target.pe != view.id {
            let what = QueueEvent::HandledAtParent { child: view.number };
            self.tell_of(None, subject(target), What::Queue(what), now);
        }
        if !self.start(target, isolated.then_some(reported.detection.at), now) {
            self.tell_queue(&reported, QueueEvent::Stale, now);
            self.clear_removed(&reported, now);
        }
    }

    /// Whether the recovery that ended last was for this report too: it was made before the PE was
    /// marked, and has not been frozen since.
    fn is_covered(&self, view: &PeView, found: Time) -> bool {
        let last = self.last.filter(|(pe, _)| *pe == view.id);
        if cfg!(eeh_mutant = "hazard_5_5_lost_event") {
            return last.is_some();
        }
        last.is_some_and(|(_, marked)| found <= marked) && !view.flags.contains(PeFlags::ISOLATED)
    }

    /// Whether a detector saw the PE frozen before the last recovery ended and marked it only after:
    /// the freeze is over. If another came meanwhile, firmware says so. One that was left to the next recovery is not.
    fn came_late(&self, view: &PeView, found: Time) -> bool {
        let held = PeFlags::RECOVERING | PeFlags::PASSED | PeFlags::RESET;
        let marks = view.flags & (PeFlags::ISOLATED | held);
        marks == PeFlags::ISOLATED
            && !self.is_kept(view.id)
            && self.ended.is_some_and(|ended| found <= ended)
            && self.platform.firmware().state(&pe_target_of_view(view)).is_ok_and(FreezeState::is_active)
    }

    /// Whether an earlier recovery has left something of it, or of one below it, to the next.
    fn is_kept(&self, pe: PeId) -> bool {
        let guard = self.tree.lock();
        guard.pe(pe).is_some_and(|pe| pe.subtree().any(|pe| pe.flags().contains(PeFlags::KEEP)))
    }

    /// The PE was removed or emptied before its recovery began: clears the freeze for whoever comes next. Who is
    /// there already is frozen with it, and reported.
    fn clear_removed(&mut self, reported: &Reported<'r, P::Env>, now: Time) {
        let (number, kind) = (reported.pe.number(), reported.pe.kind());
        if kind.contains(PeType::PHB) {
            return;
        }
        let firmware = self.platform.firmware();
        let there = {
            let guard = self.tree.lock();
            let pe = guard.find(number).filter(|pe| pe.subtree_devices().next().is_some());
            pe.map(|pe| pe_target(self.phb, pe))
        };
        match there {
            Some(target) => {
                if !firmware.state(&target).is_ok_and(FreezeState::is_active) {
                    let at = Detection { at: now, address: 0 };
                    let _ = self.tree.registry().isolate_at(target.pe, at);
                }
            }
            None => {
                let target = PeTarget { pe: reported.pe.id(), phb: self.phb, number, kind };
                // It may be kept for a recovery that is still to come.
                let marks = PeFlags::ISOLATED | PeFlags::RESET | PeFlags::CFG_BLOCKED;
                self.tree.lock().clear_subtree(target.pe, marks, Passed::Skip);
                self.before_change(&target, now);
                if let Err(error) = firmware.thaw(&target, Thaw::All) {
                    self.tell_call(None, error, now);
                    let _ = self.fenced_instead(now);
                }
            }
        }
    }

    fn tell_queue(&self, reported: &Reported<'r, P::Env>, what: QueueEvent, now: Time) {
        let number = reported.pe.number();
        let phb = reported.pe.kind().contains(PeType::PHB);
        let subject = if phb { crate::Subject::Phb } else { crate::Subject::Pe(number) };
        self.tell_of(None, subject, What::Queue(what), now);
    }

    /// The highest frozen PE at or above `pe`; the PHB's own only when the PHB is fenced.
    /// C: the loop over parents in `eeh_dev_check_failure`
    fn highest_frozen(&self, pe: PeTarget) -> PeTarget {
        if pe.kind.contains(PeType::PHB) {
            return pe;
        }
        let registry = self.tree.registry();
        let firmware = self.platform.firmware();
        let mut highest = pe;
        let mut at = pe;
        loop {
            let state = firmware.state(&at);
            let frozen =
                matches!(state, Ok(FreezeState::Frozen | FreezeState::MmioFrozen | FreezeState::DmaFrozen));
            if frozen {
                highest = at;
            }
            let parent = registry.peek(at.pe).and_then(|view| registry.peek(view.parent?));
            let Some(parent) = parent.map(|view| pe_target_of_view(&view)) else { return highest };
            if matches!(state, Ok(FreezeState::PhbFenced)) {
                return self.phb_pe().unwrap_or(highest);
            }
            if parent.kind.contains(PeType::PHB) {
                return highest;
            }
            at = parent;
        }
    }

    /// The PHB's own PE.
    pub(super) fn phb_pe(&self) -> Option<PeTarget> {
        let guard = self.tree.lock();
        guard.root().map(|root| pe_target(self.phb, root))
    }

    /// Marks the PE and all below it, absorbs their reports, and begins. `found` is when the freeze
    /// was found, `None` for a recovery on request. `false`: the PE has just been
    /// removed, or nothing is in it.
    fn start(&mut self, target: PeTarget, found: Option<Time>, now: Time) -> bool {
        let (root, bus, removed, absorbed) = {
            let mut guard = self.tree.lock();
            let Some(pe) = guard.pe(target.pe) else { return false };
            let removed = pe.subtree().any(|pe| pe.flags().contains(PeFlags::KEEP));
            // Of a PE that is only kept, all there is to do is to thaw it.
            let Some(bus) = bus_of(pe, self.root_bus) else { return false };
            let kept = pe.flags().contains(PeFlags::RESET);
            let Some(root) = pe.hold() else { return false };
            // Whom it was kept in reset for has gone.
            if kept {
                guard.clear_subtree(target.pe, PeFlags::RESET | PeFlags::CFG_BLOCKED, Passed::Skip);
            }
            guard.mark_subtree(target.pe, PeFlags::ISOLATED | PeFlags::RECOVERING);
            (root, bus, removed, guard.absorb_below(target.pe))
        };
        // By the clock of detectors: `now` is from before the step, and a report made since is covered.
        self.last = Some((target.pe, self.platform.now()));
        self.tell_absorbed(target, absorbed, now);
        let pause = self.platform.params().add_back_pause;
        let machine = Recovery::new(root, bus, pause, removed);
        if let Some(found) = found {
            self.fetch_diag(&target, found, now);
        }
        self.activate(target, machine, None, now);
        if let Some(active) = self.active.take() {
            self.set_channel(&active, Some(ChannelState::Frozen));
            self.active = Some(active);
        }
        true
    }

    /// The PHB is dead: its devices fail for good. C: the other half of `eeh_handle_special_event`
    pub(super) fn start_dead(&mut self, now: Time) {
        let Some(target) = self.phb_pe() else { return };
        let Some(root) = self.tree.registry().get(target.pe) else { return };
        let absorbed = {
            let mut guard = self.tree.lock();
            guard.mark_subtree(target.pe, PeFlags::ISOLATED | PeFlags::RECOVERING);
            guard.absorb_below(target.pe)
        };
        self.last = Some((target.pe, self.platform.now()));
        self.tell_absorbed(target, absorbed, now);
        let machine = Recovery::dead(root, self.root_bus);
        self.activate(target, machine, None, now);
        if let Some(active) = self.active.as_mut() {
            active.dead = true;
        }
    }

    fn tell_absorbed(&self, target: PeTarget, count: u32, now: Time) {
        if count != 0 {
            let what = QueueEvent::Absorbed { count };
            self.tell_of(None, subject(target), What::Queue(what), now);
        }
    }

    /// The name of the recovery that begins next.
    pub(super) fn next_id(&self) -> RecoveryId {
        RecoveryId { tree: self.phb.tree, serial: self.serial.saturating_add(1) }
    }

    pub(super) fn activate(
        &mut self,
        target: PeTarget,
        machine: Recovery<'r, P::Env>,
        asked: Option<Asked>,
        now: Time,
    ) {
        let id = self.next_id();
        self.serial = id.serial;
        let active = Active {
            id,
            target,
            machine,
            reset: None,
            configure: None,
            job: None,
            dead: false,
            asked,
            told: None,
        };
        let begins = asked.map_or(Progress::Began, |asked| Progress::Asked(asked.ask));
        self.tell(&active, What::Progress(begins), now);
        self.active = Some(active);
    }

    /// A recovery is over: takes its marks away. A freeze since then has its own.
    pub(super) fn end(&mut self, mut active: Active<'r, P>, outcome: Outcome, now: Time) {
        if let Some(reset) = active.reset.as_mut() {
            self.platform.firmware().abandon_reset(reset);
        }
        let root: PeId = active.target.pe;
        if let Some(asked) = active.asked {
            self.end_request(&active, asked, outcome);
            self.ended = Some(self.platform.now());
            return self.tell(&active, What::Progress(Progress::Answered(outcome)), now);
        }
        let marks = match outcome {
            Outcome::Recovered | Outcome::Failed | Outcome::Gone | Outcome::Cancelled => MARKS,
            // What was removed is added back by the recovery that takes over.
            Outcome::Fenced => MARKS.difference(PeFlags::KEEP),
        };
        {
            let mut guard = self.tree.lock();
            if cfg!(eeh_mutant = "hazard_5_8_cleanup_while_kept") {
                guard.remove_empty(root, now);
            }
            if cfg!(not(eeh_mutant = "hazard_5_2_marks_stay")) || outcome == Outcome::Recovered {
                unmark(&mut guard, root, marks);
            }
            if cfg!(not(eeh_mutant = "hazard_5_8_cleanup_while_kept")) {
                guard.remove_empty(root, now);
            }
        }
        self.ended = Some(self.platform.now());
        self.tell(&active, What::Progress(Progress::Ended(outcome)), now);
    }
}

/// What ran is over: takes its marks away. A driver that was bound since was late for nothing.
pub(super) fn unmark<E: Env>(guard: &mut TreeGuard<'_, E>, root: PeId, marks: PeFlags) {
    guard.clear_subtree_devices(root, DeviceFlags::NO_HANDLER);
    guard.clear_subtree(root, marks, Passed::Include);
}
