// SPDX-License-Identifier: GPL-2.0-or-later
//! What a worker's helper does.

use std::sync::Arc;

use eeh_pe::{Bdf, DeviceId};
use eeh_recovery::{BusTarget, Handler, Job, JobAnswer, PciCore, may_call};

use super::SimLinux;
use super::access::Io;
use super::bind::Died;
use super::device::SimDevice;
use super::env::SimEnv;
use super::mailbox::Started;
use super::phb::SimPhb;
use crate::discipline;
use crate::drivers::{Driver, Step};

impl SimLinux {
    /// Does a job and answers it. Answers whether the worker still wanted to know: a helper that was
    /// given up meanwhile must end.
    pub async fn help(&self, started: Started) -> bool {
        let dies = self.mailboxes().take_death(started.tree);
        let answer = if dies { JobAnswer::Died } else { self.job(started.job).await };
        self.mailboxes().answer(started.tree, started.id, answer)
    }

    async fn job(&self, job: Job<SimEnv>) -> JobAnswer {
        match job {
            Job::Presence { device, .. } => self.presence(&device),
            Job::Attention { device, .. } => attention(&device, false),
            Job::Call { id, device, handler } => self.call(id, &device, handler).await,
            Job::Remove { device, .. } => self.remove_for_recovery(&device).await,
            Job::RemoveBus(bus) => self.remove_bus_for_recovery(&bus).await,
            Job::AddBus(bus) => self.add_bus_for_recovery(&bus).await,
            Job::AddVf { vf, device } => self.add_vf_for_recovery(vf, &device).await,
        }
    }

    fn presence(&self, device: &SimDevice) -> JobAnswer {
        if attention(device, true) == JobAnswer::Gone {
            return JobAnswer::Gone;
        }
        let hardware = self.hardware(device.phb_number());
        if hardware.is_some_and(|phb| phb.is_present(device.bdf())) {
            JobAnswer::Present
        } else {
            JobAnswer::Absent
        }
    }

    pub(crate) async fn call(&self, id: DeviceId, device: &Arc<SimDevice>, handler: Handler) -> JobAnswer {
        discipline::outside_rescan(self.rescan_lock().is_held_by_caller(), "an error handler");
        let guard = device.device_lock().lock().await;
        if device.is_gone() {
            return JobAnswer::Gone;
        }
        let Some(driver) = device.driver() else { return JobAnswer::NoDriver };
        if !driver.aware() {
            return JobAnswer::NotAware;
        }
        if !may_call(self.registry(), id, handler) {
            return JobAnswer::TooLate;
        }
        if let Handler::ErrorDetected(state) = handler {
            // The worker may have brought it online meanwhile.
            self.set_channel_state(device, state);
        }
        let step = Step::from(handler);
        if self.run(device, &driver, step).await == Err(Died) {
            guard.lose();
            return JobAnswer::Died;
        }
        if step == Step::SlotReset {
            self.restore_vfs(device);
        }
        self.meddle(device, &driver, step).await;
        let kept = driver.kept();
        let answer = driver.handle(step, &Io::new(self, device));
        if driver.kept() > kept {
            self.calls().note_kept(self.now(), device);
        }
        JobAnswer::Reported(answer)
    }

    /// A driver that adds or removes functions in its callback, as SR-IOV drivers do: under its
    /// `device_lock`, without the rescan lock.
    async fn meddle(&self, device: &Arc<SimDevice>, driver: &Driver, step: Step) {
        let temper = driver.temper();
        let Some(phb) = device.phb() else { return };
        let Some(hardware) = self.hardware(device.phb_number()) else { return };
        if temper.vfs.has(step) {
            // A driver that dies in its probe or remove takes the caller down in Linux.
            let _ = self.toggle_vfs(device).await;
        }
        if temper.removes == Some(step)
            && let Some(sibling) = self.sibling(&phb, device)
        {
            // A driver that dies in its remove takes the caller down in Linux; here it stays bound.
            let _ = self.stop_and_take(&phb, core::slice::from_ref(&sibling)).await;
            hardware.pull(sibling.bdf());
        }
        if temper.adds == Some(step)
            && let Some(bdf) = spare_of(&phb, device)
            && hardware.push(bdf)
        {
            let ready = hardware.timing(bdf).unwrap_or_default().ready_after;
            self.pace().sleep(ready).await;
            if let Some(added) = self.set_up(&phb, bdf) {
                self.probe_eeh(&phb, &added);
                let _ = self.attach(&added).await;
            }
        }
    }

    /// Another function of the device's slot.
    fn sibling(&self, phb: &SimPhb, device: &SimDevice) -> Option<Arc<SimDevice>> {
        let same_slot = |other: &Arc<SimDevice>| {
            other.bdf() != device.bdf() && other.bdf().device() == device.bdf().device()
        };
        phb.on_bus(device.bdf().bus()).into_iter().rev().find(same_slot)
    }

    async fn remove_for_recovery(&self, device: &Arc<SimDevice>) -> JobAnswer {
        if device.is_gone() {
            return JobAnswer::Gone;
        }
        let lock = loop {
            if self.detach_first(device).await == Err(Died) {
                return JobAnswer::Died;
            }
            let lock = self.rescan_lock().lock().await;
            if !is_bound_again(device) {
                break lock;
            }
        };
        if self.stop_and_remove(device).await == Err(Died) {
            lock.lose();
            return JobAnswer::Died;
        }
        JobAnswer::Done
    }

    /// Unbinds outside the rescan lock, so that whoever holds `device_lock` and wants the rescan lock
    /// gets it (hazard 5.6).
    async fn detach_first(&self, device: &Arc<SimDevice>) -> Result<(), Died> {
        if cfg!(eeh_mutant = "hazard_5_6_unbind_under_rescan_lock") {
            return Ok(());
        }
        discipline::outside_rescan(self.rescan_lock().is_held_by_caller(), "an unbinding ahead of a removal");
        self.detach(device).await
    }

    async fn remove_bus_for_recovery(&self, target: &BusTarget) -> JobAnswer {
        let Some(phb) = self.phb_of(target.phb.tree).filter(|phb| phb.has_bus(target.bus)) else {
            return JobAnswer::Gone;
        };
        let (lock, doomed) = loop {
            for device in self.removable(phb.below(target.bus)).iter().rev() {
                if self.detach_first(device).await == Err(Died) {
                    return JobAnswer::Died;
                }
            }
            let lock = self.rescan_lock().lock().await;
            if !phb.has_bus(target.bus) {
                return JobAnswer::Gone;
            }
            let doomed = self.removable(phb.below(target.bus));
            if !doomed.iter().any(is_bound_again) {
                break (lock, doomed);
            }
        };
        if self.stop_and_take(&phb, &doomed).await == Err(Died) {
            lock.lose();
            return JobAnswer::Died;
        }
        JobAnswer::Done
    }

    async fn add_bus_for_recovery(&self, target: &BusTarget) -> JobAnswer {
        let lock = self.rescan_lock().lock().await;
        let Some(phb) = self.phb_of(target.phb.tree).filter(|phb| phb.has_bus(target.bus)) else {
            return JobAnswer::Gone;
        };
        if self.add_bus(&phb, target.bus).await == Err(Died) {
            lock.lose();
            return JobAnswer::Died;
        }
        JobAnswer::Done
    }
}

/// Whether somebody has bound a driver while the rescan lock was waited for, as a scan does that has found the
/// device at that moment: it is unbound without the lock too, or a writer of its `sriov_numvfs` waits for the lock
/// with the `device_lock` held.
fn is_bound_again(device: &Arc<SimDevice>) -> bool {
    !cfg!(eeh_mutant = "hazard_5_6_unbind_under_rescan_lock")
        && !device.is_gone()
        && device.driver().is_some()
}

/// Switches the attention indicator of the device's slot.
fn attention(device: &SimDevice, on: bool) -> JobAnswer {
    if device.is_gone() {
        return JobAnswer::Gone;
    }
    if let Some(phb) = device.phb() {
        phb.set_attention(device.bdf().bus(), on);
    }
    JobAnswer::Done
}

/// The first function of the device's slot that the machine has and Linux does not.
fn spare_of(phb: &SimPhb, device: &SimDevice) -> Option<Bdf> {
    let bdf = device.bdf();
    let spare = |f: &Bdf| phb.spec().function(*f).is_some() && phb.device(*f).is_none();
    (1..8).filter_map(|function| Bdf::new(bdf.bus(), bdf.device(), function)).find(spare)
}
