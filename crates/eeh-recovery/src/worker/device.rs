// SPDX-License-Identifier: GPL-2.0-or-later
//! What is done with one device through the helper, and what comes of it.

use eeh_pe::{Bdf, DeviceFlags, DeviceId, Env, PeNumber, Time, VfInfo};

use super::{Active, Worker};
use crate::machine::{Action, Input};
use crate::observe::DeviceEvent;
use crate::{
    BusTarget, ChannelState, Driver, DriverKind, ErsResult, Handler, Job, JobAnswer, PciCore, Platform,
};

/// A device as it was when its job was prepared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) id: DeviceId,
    bdf: Bdf,
    pe: PeNumber,
    flags: DeviceFlags,
    pub(super) driver: Option<Driver>,
}

impl Facts {
    pub(super) const fn name(&self) -> (Bdf, PeNumber) {
        (self.bdf, self.pe)
    }
}

impl<'r, P: Platform> Worker<'r, P> {
    /// Starts the job of an action, or answers for it when there is nothing to call.
    pub(super) fn start_job(&mut self, active: &mut Active<'r, P>, action: Action, now: Time) {
        if let Action::AddVf(vf) = action {
            return self.start_vf(active, vf, now);
        }
        let Some(id) = action.device() else {
            let bus = BusTarget { pe: active.target.pe, phb: self.phb, bus: active.machine.bus() };
            let job = if matches!(action, Action::AddBus) { Job::AddBus(bus) } else { Job::RemoveBus(bus) };
            return self.start_helper(active, action, None, job, now);
        };
        let Some((facts, device)) = self.facts(id) else {
            let _ = active.machine.handle(Input::Gone(id), now);
            return;
        };
        let answer = self.answer_without_job(active, action, &facts, now);
        if let Some(answer) = answer {
            let _ = active.machine.handle(Input::Job(id, answer), now);
            return;
        }
        let job = if let Action::Call(_, handler) = action {
            if let Some(driver) = facts.driver {
                self.tell_device(active, facts.name(), DeviceEvent::Invoking(driver.name, handler), now);
            }
            Job::Call { id, device, handler }
        } else if let Action::Remove { unaware, .. } = action {
            if unaware {
                self.tell_device(active, facts.name(), DeviceEvent::Removing, now);
            }
            let set = DeviceFlags::DISCONNECTED;
            let _ = self.tree.lock().change_device(id, set, DeviceFlags::empty());
            Job::Remove { id, device }
        } else if let Action::Attention(_) = action {
            Job::Attention { id, device }
        } else {
            Job::Presence { id, device }
        };
        self.start_helper(active, action, Some(facts), job, now);
    }

    /// Starts adding a virtual function, unless its physical function is gone.
    fn start_vf(&mut self, active: &mut Active<'r, P>, vf: VfInfo, now: Time) {
        let device = {
            let guard = self.tree.lock();
            guard.find_device(vf.physfn).and_then(|physfn| physfn.platform())
        };
        match device {
            Some(device) => {
                self.start_helper(active, Action::AddVf(vf), None, Job::AddVf { vf, device }, now);
            }
            None => {
                let _ = active.machine.handle(Input::VfJob(vf, JobAnswer::Gone), now);
            }
        }
    }

    /// The answer to a device's action where there is nobody to call.
    fn answer_without_job(
        &self,
        active: &Active<'r, P>,
        action: Action,
        facts: &Facts,
        now: Time,
    ) -> Option<JobAnswer> {
        if let Action::Call(_, handler) = action {
            return self.call_without_driver(active, facts, handler, now);
        }
        // A driver that was bound too late is as good as unaware.
        let aware = kind(facts) == DriverKind::Aware && !facts.flags.contains(DeviceFlags::NO_HANDLER);
        let unbound = facts.driver.is_none() && facts.flags.contains(DeviceFlags::NO_HANDLER);
        let stays = matches!(action, Action::Remove { unaware: true, .. }) && (aware || unbound);
        stays.then_some(JobAnswer::Absent)
    }

    /// The platform's reference to a live device.
    pub(super) fn platform_device(&self, id: DeviceId) -> Option<<P::Env as Env>::Device> {
        self.tree.lock().device(id)?.platform()
    }

    /// A live device, the platform's reference to it, and its driver at this moment.
    fn facts(&self, id: DeviceId) -> Option<(Facts, <P::Env as Env>::Device)> {
        let (mut facts, device) = {
            let guard = self.tree.lock();
            let device = guard.device(id)?;
            let pe = device.pe()?.number();
            let facts = Facts { id, bdf: device.info().bdf, pe, flags: device.flags(), driver: None };
            (facts, device.platform()?)
        };
        facts.driver = self.platform.core().driver(&device);
        Some((facts, device))
    }

    /// The answer where no handler is to be called. C: the cases of `eeh_pe_report_edev` and of the
    /// functions that it is given
    fn call_without_driver(
        &self,
        active: &Active<'r, P>,
        facts: &Facts,
        handler: Handler,
        now: Time,
    ) -> Option<JobAnswer> {
        let (event, answer) = match facts.driver {
            None => (DeviceEvent::NoDriver, JobAnswer::NoDriver),
            Some(Driver { handlers: None, .. }) => (DeviceEvent::NotAware, JobAnswer::NotAware),
            Some(_) if is_late(facts.flags, handler) => (DeviceEvent::TooLate, JobAnswer::TooLate),
            Some(driver) if !driver.has(handler) || !may_hear(facts.flags, handler) => {
                (DeviceEvent::Reports(driver.name, ErsResult::None), JobAnswer::NoHandler)
            }
            Some(_) => return None,
        };
        self.tell_device(active, facts.name(), event, now);
        Some(answer)
    }

    /// What a job's answer changes of the device, and what is told of it.
    pub(super) fn device_answered(
        &self,
        active: &Active<'r, P>,
        action: Action,
        facts: &Facts,
        answer: JobAnswer,
        now: Time,
    ) {
        let Action::Call(_, handler) = action else { return };
        let name = facts.driver.map_or(crate::DriverName::EMPTY, |driver| driver.name);
        let event = match answer {
            JobAnswer::Reported(result) => {
                self.heard(active, facts.id, handler, result, now);
                DeviceEvent::Reports(name, result)
            }
            JobAnswer::NoHandler => DeviceEvent::Reports(name, ErsResult::None),
            JobAnswer::NoDriver => DeviceEvent::NoDriver,
            JobAnswer::NotAware => DeviceEvent::NotAware,
            JobAnswer::TooLate => DeviceEvent::TooLate,
            JobAnswer::Gone => DeviceEvent::NoDevice,
            JobAnswer::Present | JobAnswer::Absent | JobAnswer::Done | JobAnswer::Died => return,
        };
        self.tell_device(active, facts.name(), event, now);
    }

    /// A handler was called: remembers that it was, and whether its driver is through with the device, sends
    /// the uevent, and tells firmware of a driver that goes on.
    fn heard(&self, active: &Active<'r, P>, id: DeviceId, handler: Handler, result: ErsResult, now: Time) {
        let told = match handler {
            Handler::ErrorDetected(ChannelState::PermFailure) => Some(ErsResult::Disconnect),
            Handler::ErrorDetected(ChannelState::Frozen | ChannelState::Normal) => Some(result),
            Handler::Resume => Some(ErsResult::Recovered),
            Handler::MmioEnabled | Handler::SlotReset => None,
        };
        let mut set = DeviceFlags::empty();
        set.set(DeviceFlags::IN_ERROR, matches!(handler, Handler::ErrorDetected(ChannelState::Frozen)));
        set.set(DeviceFlags::NO_HANDLER, active.machine.replaces(id, handler, result));
        let device = {
            let mut guard = self.tree.lock();
            let _ = guard.change_device(id, set, DeviceFlags::empty());
            guard.device(id).and_then(|device| device.platform())
        };
        let Some(device) = device else { return };
        if let Some(result) = told {
            self.platform.core().uevent(&device, result);
        }
        if handler == Handler::Resume {
            let result = self.platform.core().notify_resume(&device);
            self.tell_failed(active, result, now);
        }
    }
}

fn kind(facts: &Facts) -> DriverKind {
    facts.driver.map_or(DriverKind::None, |driver| driver.kind())
}

/// Whether a driver is not to be called: bound since `error_detected`, or through with its device; then it still hears
/// of the end.
pub(crate) fn is_late(flags: DeviceFlags, handler: Handler) -> bool {
    let fails = matches!(handler, Handler::ErrorDetected(ChannelState::PermFailure));
    flags.contains(DeviceFlags::NO_HANDLER) && !(fails && flags.contains(DeviceFlags::IN_ERROR))
}

/// Whether a driver may hear of a reset or resume: only when it heard of the error.
/// C: `edev->in_error`
pub(crate) fn may_hear(flags: DeviceFlags, handler: Handler) -> bool {
    match handler {
        Handler::SlotReset | Handler::Resume => flags.contains(DeviceFlags::IN_ERROR),
        Handler::ErrorDetected(_) | Handler::MmioEnabled => true,
    }
}
