// SPDX-License-Identifier: GPL-2.0-or-later
//! What the worker is asked to do: between recoveries, one thing at a time, so that nothing else
//! happens to a slot that is reset for its owner.

use eeh_pe::{Detection, DeviceFlags, Passed, PeFlags, PeHold, RequestId, Time};

use super::begin::unmark;
use super::{Active, Worker};
use crate::ask::{Ask, By};
use crate::config_space::reg;
use crate::machine::{Input, Recovery};
use crate::observe::Outcome;
use crate::passthrough::Answer;
use crate::targets::{bus_of, pe_target_of_view};
use crate::{
    ChannelState, ConfigSpace, FreezeState, PciCore, PeTarget, Platform, ResetKind, SlotState, Thaw, Width,
};

/// A request that a worker is at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) ask: Ask,
    /// Whom to answer; nobody waits for an errand.
    id: Option<RequestId>,
}

impl Asked {
    /// The strength that is asked for.
    pub(super) const fn kind(self) -> Option<ResetKind> {
        match self.ask {
            Ask::Reset(kind, _) => Some(kind),
            Ask::Thaw(_)
            | Ask::ChangeOwner
            | Ask::Disown
            | Ask::Deassert(_)
            | Ask::ResetAndRecover
            | Ask::Configure => None,
        }
    }
}

/// A request as it is taken from the tree.
type Taken<'r, E> = (PeHold<'r, E>, Option<RequestId>, u32);

/// Cards that come back from a freeze by a reset of their slot only, by vendor and device: Emulex BE
/// and Lancer, Broadcom BCM5719. C: `eeh_reset_ids`
const NEED_RESET: [(u16, u16); 3] = [(0x19a2, 0x0710), (0x10df, 0xe220), (0x14e4, 0x1657)];

impl<'r, P: Platform> Worker<'r, P> {
    /// Begins what somebody asked for, or answers at once.
    pub(super) fn begin_request(&mut self, (root, id, what): Taken<'r, P::Env>, now: Time) {
        let pe = root.id();
        let view = self.tree.registry().peek(pe);
        let Some((view, ask)) = view.zip(Ask::decode(what)) else {
            return self.answer_request(pe, id, Answer::Gone);
        };
        let target = pe_target_of_view(&view);
        let ask = match ask {
            Ask::ChangeOwner => self.change_owner(&target, view.flags),
            Ask::Disown if view.flags.contains(PeFlags::RESET) => Some(Ask::Deassert(By::Owner)),
            Ask::Disown => self.change_owner(&target, view.flags),
            ask @ (Ask::Thaw(_)
            | Ask::Reset(..)
            | Ask::Deassert(_)
            | Ask::ResetAndRecover
            | Ask::Configure) => Some(ask),
        };
        let Some(ask) = ask else { return self.answer_request(pe, id, Answer::Done) };
        let bus = {
            let mut guard = self.tree.lock();
            if !ask.marks().is_empty() {
                guard.mark_subtree(pe, ask.marks());
            }
            guard.pe(pe).and_then(|pe| bus_of(pe, self.root_bus)).unwrap_or(self.root_bus)
        };
        if ask.marks().contains(PeFlags::RECOVERING) {
            // Reports of what the reset puts right are covered by it.
            self.last = Some((pe, self.platform.now()));
        }
        let machine = Recovery::requested(root, bus, ask);
        self.activate(target, machine, Some(Asked { ask, id }), now);
    }

    /// What a PE needs when it changes hands. C: `eeh_pe_change_owner`
    fn change_owner(&self, target: &PeTarget, flags: PeFlags) -> Option<Ask> {
        let state = self.platform.firmware().state(target);
        let frozen = !matches!(state, Err(_) | Ok(FreezeState::Active | FreezeState::NotSupported));
        if frozen && self.needs_reset(target) {
            return Some(Ask::ResetAndRecover);
        }
        // What an owner has thawed may still be marked.
        (frozen || flags.contains(PeFlags::ISOLATED)).then_some(Ask::Thaw(Thaw::All))
    }

    fn needs_reset(&self, target: &PeTarget) -> bool {
        let guard = self.tree.lock();
        guard.pe(target.pe).is_some_and(|pe| {
            pe.devices().any(|device| NEED_RESET.contains(&(device.info().vendor, device.info().device)))
        })
    }

    /// Saves the devices, for a driver that has its slot reset, or for a reset without drivers.
    pub(super) fn save_state(&self, active: &Active<'r, P>, now: Time) -> Input {
        let caller = caller(active);
        let core = self.platform.core();
        self.for_each(active, |hold, device| {
            if Some(hold.bdf()) == caller {
                return;
            }
            // All ones, written back after the reset, would hold what is behind a bridge in reset for ever.
            if !matches!(self.ready(active, hold.id(), now), Input::Vendor(_, 0xffff)) {
                core.save_state(&device);
            }
            if caller.is_some() {
                self.quiesce(active, hold.id(), now);
            }
        });
        Input::Done
    }

    /// Stops a device's DMA and INTx. C: the end of `eeh_disable_and_save_dev_state`
    fn quiesce(&self, active: &Active<'r, P>, device: eeh_pe::DeviceId, now: Time) {
        let Some((target, ..)) = self.look_at(device) else { return };
        let firmware = self.platform.firmware();
        let result = firmware.write(&target, reg::COMMAND, Width::Half, reg::COMMAND_INTX_DISABLE);
        self.tell_failed(active, result, now);
    }

    /// Gives devices back what they were before: saved state, or what their owner had enabled.
    pub(super) fn restore_state(&self, active: &Active<'r, P>) -> Input {
        let core = self.platform.core();
        let ask = active.asked.map(|asked| asked.ask);
        let mut all = true;
        self.for_each(active, |hold, device| match ask {
            Some(Ask::Deassert(By::Owner)) => all &= core.reenable(&device),
            Some(Ask::Deassert(By::Driver(caller))) if hold.bdf() == caller => {}
            _ => core.restore_state(&device),
        });
        Input::State(all.then_some(FreezeState::Active))
    }

    /// A request is over: marks, and the answer.
    pub(super) fn end_request(&mut self, active: &Active<'r, P>, asked: Asked, outcome: Outcome) {
        let pe = active.target.pe;
        let done = outcome == Outcome::Recovered;
        let held = PeFlags::RESET | PeFlags::CFG_BLOCKED;
        let marked = !asked.ask.marks().is_empty();
        let frozen = marked
            && !done
            && !self.platform.firmware().state(&active.target).is_ok_and(FreezeState::is_active);
        let mut abandoned = false;
        {
            let mut guard = self.tree.lock();
            if marked {
                let held = if done && asked.ask.holds() { PeFlags::empty() } else { held };
                unmark(&mut guard, pe, PeFlags::RECOVERING | held);
                // What could not be reset stays what it is; one that must not be touched is blocked again.
                if frozen {
                    guard.mark_subtree(pe, PeFlags::ISOLATED);
                }
                // Its driver went meanwhile, and nobody else ends the reset: who is left is recovered.
                if done && let Ask::Reset(_, By::Driver(bdf)) = asked.ask {
                    abandoned = guard.pe(pe).is_some_and(|pe| pe.devices().all(|d| d.info().bdf != bdf));
                }
            }
            let forgets = cfg!(eeh_mutant = "hazard_5_16_thaw_leaves_the_mark");
            if done && matches!(asked.ask, Ask::Thaw(Thaw::All)) && !forgets {
                guard.clear_subtree(pe, PeFlags::ISOLATED, Passed::Include);
            }
        }
        if abandoned {
            let at = Detection { at: self.platform.now(), address: 0 };
            let _ = self.tree.registry().report_at(pe, at);
        }
        if done && !asked.ask.holds() {
            self.go_online(active.machine.root());
        }
        let answer = match outcome {
            Outcome::Recovered => Answer::Done,
            Outcome::Failed => Answer::Failed,
            Outcome::Fenced => Answer::Busy,
            Outcome::Gone | Outcome::Cancelled => Answer::Gone,
        };
        self.answer_request(pe, asked.id, answer);
    }

    /// Who isolated the PE has taken its devices offline, and those below; now they may be used again.
    pub(super) fn go_online(&self, root: &PeHold<'r, P::Env>) {
        let isolated =
            |pe| self.tree.registry().peek(pe).is_some_and(|pe| pe.flags.contains(PeFlags::ISOLATED));
        let core = self.platform.core();
        self.for_each_below(root, &mut |hold, device| {
            let lost = hold.flags().intersects(DeviceFlags::PERM_FAILURE | DeviceFlags::LOCK_LOST);
            if !lost && !hold.pe().is_some_and(isolated) {
                core.set_channel_state(&device, ChannelState::Normal);
            }
        });
    }

    fn answer_request(&self, pe: eeh_pe::PeId, id: Option<RequestId>, answer: Answer) {
        if let Some(id) = id {
            self.tree.lock().answer_request(pe, id, answer.encode());
        }
    }
}

/// The device whose driver asked.
fn caller<P: Platform>(active: &Active<'_, P>) -> Option<eeh_pe::Bdf> {
    match active.asked?.ask {
        Ask::Reset(_, By::Driver(bdf)) | Ask::Deassert(By::Driver(bdf)) => Some(bdf),
        Ask::Reset(_, By::Owner)
        | Ask::Deassert(By::Owner)
        | Ask::Thaw(_)
        | Ask::ChangeOwner
        | Ask::Disown
        | Ask::ResetAndRecover
        | Ask::Configure => None,
    }
}
