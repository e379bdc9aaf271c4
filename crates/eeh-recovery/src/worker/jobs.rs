// SPDX-License-Identifier: GPL-2.0-or-later
//! Jobs of the helper: started, watched, answered, given up.

use eeh_pe::{DeviceFlags, Time};

use super::{Active, Next, Worker};
use crate::machine::{Action, Input};
use crate::observe::{DeviceEvent, Step, What};
use crate::{ChannelState, DriverName, Handler, Helper, Job, JobAnswer, JobId, PciCore, Platform};

/// A job that has not come back yet.
pub(super) struct Running {
    pub(super) id: JobId,
    pub(super) action: Action,
    /// The device it is for; `None` for a bus.
    pub(super) device: Option<super::device::Facts>,
    started: Time,
    /// When it is named next.
    warn: Time,
    /// When it is given up.
    limit: Time,
    /// Its device was brought online, so that its driver's timeouts end what the job waits for.
    online: bool,
}

impl Running {
    fn driver(&self) -> DriverName {
        self.device.and_then(|d| d.driver).map_or(DriverName::EMPTY, |driver| driver.name)
    }
}

impl<'r, P: Platform> Worker<'r, P> {
    pub(super) fn start_helper(
        &mut self,
        active: &mut Active<'r, P>,
        action: Action,
        device: Option<super::device::Facts>,
        job: Job<P::Env>,
        now: Time,
    ) {
        self.jobs = self.jobs.saturating_add(1);
        let id = JobId(self.jobs);
        let params = self.platform.params();
        active.job = Some(Running {
            id,
            action,
            device,
            started: now,
            warn: now.after(params.job_warn_after),
            limit: now.after(params.job_limit),
            online: false,
        });
        self.platform.helper().start(self.phb.tree, id, job);
    }

    /// Names a job that takes long, and gives up one that takes too long.
    pub(super) fn watch_job(&mut self, active: &mut Active<'r, P>, now: Time) -> Next {
        let Some(job) = active.job.as_mut() else { return Next::Again };
        if now < job.warn && now < job.limit {
            return Next::AwaitJob { deadline: job.warn.min(job.limit) };
        }
        if now < job.limit {
            let seconds = now.since(job.started).as_secs();
            job.warn = now.after(self.platform.params().job_warn_every);
            let next = Next::AwaitJob { deadline: job.warn.min(job.limit) };
            let (device, driver, action) = (job.device, job.driver(), job.action);
            match device {
                Some(device) => {
                    self.bring_online(active, &device, action);
                    self.tell_device(active, device.name(), DeviceEvent::Stuck { driver, seconds }, now);
                }
                None => self.tell(active, What::Step(Step::BusStuck { seconds }), now),
            }
            return next;
        }
        if let Some(job) = active.job.take() {
            self.platform.helper().abandon(self.phb.tree, job.id);
            self.lose(active, &job, now);
            let input = match (job.device, job.action) {
                (Some(device), _) => Input::Late(device.id),
                (None, Action::AddVf(vf)) => Input::VfLate(vf),
                (None, _) => Input::BusLate,
            };
            let _ = active.machine.handle(input, now);
        }
        Next::Again
    }

    /// A driver that sees its device offline begins its timeouts anew, since it is going to be told of the error. It is not while
    /// whoever is to tell it waits for the `device_lock`, which the driver has in a handler, its probe or its removal,
    /// and waits for the device. From here on its timeouts count.
    fn bring_online(&self, active: &mut Active<'r, P>, device: &super::device::Facts, action: Action) {
        let view = self.tree.registry().peek_device(device.id);
        let lost = view.is_none_or(|view| view.flags.contains(DeviceFlags::PERM_FAILURE));
        if cfg!(eeh_mutant = "offline_while_awaited")
            || lost
            || !matches!(action, Action::Call(..) | Action::Remove { .. })
        {
            return;
        }
        let Some(platform) = self.platform_device(device.id) else { return };
        self.platform.core().set_channel_state(&platform, ChannelState::Normal);
        if let Some(job) = active.job.as_mut() {
            job.online = true;
        }
    }

    /// The helper is lost with the locks it holds: EEH leaves those devices alone from now on.
    pub(super) fn lose(&mut self, active: &Active<'r, P>, job: &Running, now: Time) {
        let lost = DeviceFlags::LOCK_LOST;
        match job.device {
            Some(device) => {
                if !matches!(job.action, Action::Presence(_) | Action::Attention(_)) {
                    let _ = self.tree.lock().change_device(device.id, lost, DeviceFlags::empty());
                }
                let driver = job.driver();
                self.tell_device(active, device.name(), DeviceEvent::HelperLost { driver }, now);
            }
            None => {
                let root = active.target.pe;
                self.tree.lock().change_subtree_devices(root, lost, DeviceFlags::empty());
                self.tell(active, What::Step(Step::BusHelperLost), now);
            }
        }
    }

    /// A job came back in time.
    pub(super) fn answered(
        &mut self,
        active: &mut Active<'r, P>,
        job: &Running,
        answer: JobAnswer,
        now: Time,
    ) {
        if answer == JobAnswer::Died {
            self.lose(active, job, now);
        }
        let input = match job.device {
            Some(device) => {
                let told =
                    matches!(job.action, Action::Call(_, Handler::ErrorDetected(ChannelState::Frozen)));
                if told
                    && job.online
                    && let Some(platform) = self.platform_device(device.id)
                {
                    self.platform.core().set_channel_state(&platform, ChannelState::Frozen);
                }
                self.device_answered(active, job.action, &device, answer, now);
                Input::Job(device.id, answer)
            }
            None if let Action::AddVf(vf) = job.action => Input::VfJob(vf, answer),
            None => Input::BusJob(answer),
        };
        let _ = active.machine.handle(input, now);
    }
}
