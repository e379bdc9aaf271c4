// SPDX-License-Identifier: GPL-2.0-or-later
//! Resets, links, readiness and restore of one device; and how hardware is left.

use eeh_pe::{DeviceFlags, DeviceId, PeFlags, PeType, Time};

use super::act::is_saved;
use super::begin::unmark;
use super::request::Asked;
use super::{Active, Worker};
use crate::config_space::{reg, restore};
use crate::machine::{Input, Link};
use crate::observe::{ResetEvent, Step, What};
use crate::targets::{bridge_above, device_target, pe_target, reset_point};
use crate::{
    ConfigSpace, FirmwareError, FreezeState, PciCore, Platform, ResetKind, ResetPoint, ResetPoll,
    SlotControl, SlotState, Thaw, Width,
};

/// The PE is gone.
const NO_PE: FirmwareError = FirmwareError::Missing { call: "PE to reset" };

impl<'r, P: Platform> Worker<'r, P> {
    pub(super) fn begin_reset(&mut self, active: &mut Active<'r, P>, attempt: u32, now: Time) -> Input {
        let core = self.platform.core();
        let mut fundamental = false;
        self.for_each(active, |_, device| fundamental |= core.needs_fundamental(&device));
        let needed = if fundamental { ResetKind::Fundamental } else { ResetKind::Hot };
        let kind = active.asked.and_then(Asked::kind).unwrap_or(needed);
        self.tell(active, What::Reset(ResetEvent::Begins { kind, attempt }), now);
        self.before_change(&active.target, now);
        let firmware = self.platform.firmware();
        if !active.target.kind.contains(PeType::PHB) {
            // Accesses during the reset are dropped. A freeze that is there already is no failure.
            let result = firmware.freeze(&active.target);
            self.tell_failed(active, result, now);
        }
        let point = {
            let guard = self.tree.lock();
            let bus = active.machine.bus();
            guard.pe(active.target.pe).and_then(|pe| reset_point(&guard, self.phb, pe, bus, self.root_bus))
        };
        let Some(point) = point else {
            return Input::Reset(ResetPoll::Failed(NO_PE));
        };
        if matches!(point, ResetPoint::Unknown) && active.machine.is_empty() && firmware.needs_point() {
            return Input::Unreachable;
        }
        active.reset = Some(firmware.begin_reset(&active.target, &point, kind));
        self.poll_reset(active, now)
    }

    pub(super) fn poll_reset(&mut self, active: &mut Active<'r, P>, now: Time) -> Input {
        let Some(reset) = active.reset.as_mut() else {
            return Input::Reset(ResetPoll::Failed(NO_PE));
        };
        let poll = self.platform.firmware().poll_reset(reset, now);
        match poll {
            ResetPoll::Wait { .. } => {}
            ResetPoll::Done => {
                active.reset = None;
                self.refreeze_passed(active, now);
            }
            ResetPoll::Failed(error) => {
                active.reset = None;
                self.tell_call(Some(active.id), error, now);
                if matches!(self.query(active, &active.target, now), Input::Fenced) {
                    return Input::Fenced;
                }
            }
        }
        Input::Reset(poll)
    }

    /// The link of the port above a bus.
    pub(super) fn link(&self, active: &Active<'r, P>, bus: u8, now: Time) -> Input {
        let port = {
            let guard = self.tree.lock();
            bridge_above(&guard, bus).map(|bridge| device_target(self.phb, bridge))
        };
        let Some(port) = port.filter(|port| port.link_active_reporting && port.pcie_cap != 0) else {
            return Input::Link(Link::Unknown);
        };
        let offset = port.pcie_cap.saturating_add(reg::LINK_STATUS);
        let up = match self.platform.firmware().read(&port, offset, Width::Half) {
            Ok(status) => status & 0xffff != 0xffff && status & reg::LINK_ACTIVE != 0,
            Err(error) => {
                self.tell_nonsense(active, error, now);
                false
            }
        };
        Input::Link(if up { Link::Up } else { Link::Down })
    }

    pub(super) fn ready(&self, active: &Active<'r, P>, device: DeviceId, now: Time) -> Input {
        let Some((target, ..)) = self.look_at(device) else { return Input::Gone(device) };
        let firmware = self.platform.firmware();
        if self.is_virtual(device) {
            // It has no vendor ID of its own (SR-IOV 1.1 3.4.1.1): any register tells.
            let there = firmware.read(&target, reg::COMMAND, Width::Word).is_ok_and(|word| word != u32::MAX);
            return Input::Vendor(device, if there { 0 } else { u16::MAX });
        }
        let vendor = firmware.read(&target, reg::ID, Width::Half).unwrap_or_else(|error| {
            self.tell_nonsense(active, error, now);
            0xffff
        });
        Input::Vendor(device, u16::try_from(vendor & 0xffff).unwrap_or(u16::MAX))
    }

    /// A configuration cycle while a device comes back: it may fail, but not make no sense.
    fn tell_nonsense(&self, active: &Active<'r, P>, error: FirmwareError, now: Time) {
        if matches!(error, FirmwareError::Garbage { .. }) {
            self.tell_call(Some(active.id), error, now);
        }
    }

    fn is_virtual(&self, device: DeviceId) -> bool {
        self.tree.lock().device(device).is_some_and(|device| device.info().physfn.is_some())
    }

    pub(super) fn restore(&self, active: &Active<'r, P>, device: DeviceId, now: Time) -> Input {
        let Some((target, saved, _)) = self.look_at(device) else { return Input::Gone(device) };
        let firmware = self.platform.firmware();
        let bridge = target.flags.contains(DeviceFlags::BRIDGE);
        if is_saved(&saved) {
            let result = restore(firmware, &target, bridge, &saved);
            self.tell_failed(active, result, now);
        }
        // Firmware does not know virtual functions. C: `pnv_eeh_restore_config`
        if !self.is_virtual(device) {
            let result = firmware.reinit(&target);
            self.tell_failed(active, result, now);
        }
        Input::Restored(device)
    }

    /// Leaves hardware as whoever comes next needs it: no reset, no freeze, no blocked configuration
    /// space. A PE that was inserted meanwhile is handed over healthy, or as a new event.
    pub(super) fn release(&mut self, active: &mut Active<'r, P>, now: Time) -> Input {
        let firmware = self.platform.firmware();
        // Firmware that is left alone in the middle of a reset holds the line for whoever comes next.
        if let Some(mut reset) = active.reset.take() {
            match firmware.poll_reset(&mut reset, now) {
                ResetPoll::Wait { until, why } if !active.dead => {
                    active.reset = Some(reset);
                    return Input::Later { until, why };
                }
                ResetPoll::Wait { .. } => firmware.abandon_reset(&mut reset),
                ResetPoll::Done | ResetPoll::Failed(_) => {}
            }
        }
        let root = active.target.pe;
        let marks = PeFlags::RECOVERING
            | PeFlags::CFG_BLOCKED
            | PeFlags::RESET
            | PeFlags::KEEP
            | PeFlags::REMOVED
            | PeFlags::ISOLATED;
        if active.dead {
            let mut guard = self.tree.lock();
            unmark(&mut guard, root, marks.difference(PeFlags::ISOLATED));
            return Input::Done;
        }
        self.before_change(&active.target, now);
        let result = firmware.thaw(&active.target, Thaw::All);
        self.tell_failed(active, result, now);
        // A fence that no reset has cleared stays known: reported again, it would fail again. A PHB that
        // breaks while it is recovered is no better.
        let state = firmware.state(&active.target);
        let phb = active.target.kind.contains(PeType::PHB);
        let lost =
            matches!(state, Ok(FreezeState::PhbFenced)) || (phb && !state.is_ok_and(FreezeState::is_active));
        let successor = {
            let mut guard = self.tree.lock();
            // Nor does a PE come back while a device stays in it whose driver nobody can stop: freezes that
            // this one makes would be recovered without end, for the failure ended their budget.
            let left = guard
                .pe(root)
                .is_some_and(|pe| pe.subtree_devices().any(|d| d.flags().contains(DeviceFlags::LOCK_LOST)));
            let marks = if lost || left { marks.difference(PeFlags::ISOLATED) } else { marks };
            if cfg!(not(eeh_mutant = "hazard_5_2_marks_stay")) {
                unmark(&mut guard, root, marks);
            }
            guard.successor_of(root).and_then(|id| guard.pe(id)).map(|pe| pe_target(self.phb, pe))
        };
        if let Some(successor) = successor {
            let healthy = firmware.state(&successor).is_ok_and(FreezeState::is_active);
            self.tell(active, What::Step(Step::Successor { healthy }), now);
            if !healthy {
                let at = eeh_pe::Detection { at: now, address: 0 };
                let _ = self.tree.registry().isolate_at(successor.pe, at);
            }
        }
        Input::Done
    }
}
