// SPDX-License-Identifier: GPL-2.0-or-later
//! The helper of a PHB's worker: runs what may take for ever.

use eeh_pe::{DeviceId, TreeId};
use eeh_recovery::{ErsResult, Handler, Job, JobAnswer, PciCore, may_call};

use crate::bindings;
use crate::env::KernelEnv;
use crate::mailbox::{self, Next};
use crate::pci::PciDev;
use crate::pci_core::{KernelCore, channel_state};
use crate::time::Nap;
use crate::{hotplug, presence, registry};

/// The thread: jobs, until it is given up or its PHB goes.
pub(crate) fn run(tree: TreeId) {
    loop {
        let nap = Nap::new();
        match mailbox::take_job(tree) {
            Next::Job(id, job) => {
                drop(nap);
                if !mailbox::answer(tree, id, perform(job)) {
                    return;
                }
            }
            Next::Wait => nap.until(None),
            Next::End => return,
        }
    }
}

/// Does a job. What it holds of a device goes here, where sleeping is allowed.
fn perform(job: Job<KernelEnv>) -> JobAnswer {
    match job {
        Job::Presence { device, .. } => presence::check(&device),
        Job::Attention { device, .. } => presence::clear_attention(&device),
        Job::Call { id, device, handler } => call(id, &device, handler),
        Job::Remove { device, .. } => hotplug::remove(&device),
        Job::AddVf { vf, device } => hotplug::add_function(&device, vf.bdf),
        Job::RemoveBus(bus) => hotplug::remove_bus(&bus),
        Job::AddBus(bus) => hotplug::add_bus(&bus),
    }
}

/// A device's lock, held. C: `device_lock`
struct DeviceLock<'d>(&'d PciDev);

impl<'d> DeviceLock<'d> {
    fn new(device: &'d PciDev) -> Self {
        // SAFETY: the device is held; this thread holds no lock.
        unsafe { bindings::eeh_glue_device_lock(device.as_device()) };
        Self(device)
    }
}

impl Drop for DeviceLock<'_> {
    fn drop(&mut self) {
        // SAFETY: `new` took it.
        unsafe { bindings::eeh_glue_device_unlock(self.0.as_device()) };
    }
}

/// A reference to a driver's module. C: `eeh_pcid_get`, `eeh_pcid_put`
struct Module(*mut bindings::module);

impl Module {
    /// `None`: the module is being unloaded.
    fn get(module: *mut bindings::module) -> Option<Self> {
        // Made only then: one that is dropped puts.
        // SAFETY: null, or the module of a driver that is bound to a device whose lock is held.
        unsafe { bindings::try_module_get(module) }.then(|| Self(module))
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: `get` took it.
        unsafe { bindings::module_put(self.0) };
    }
}

/// Calls an error handler under the device's lock, with a reference to the driver's module.
/// C: `eeh_pe_report_edev`
fn call(id: DeviceId, device: &PciDev, handler: Handler) -> JobAnswer {
    let lock = DeviceLock::new(device);
    if device.is_gone() {
        return JobAnswer::Gone;
    }
    // SAFETY: the device is held. Written under its lock, which is held until `lock` is dropped.
    let driver = unsafe { (*device.as_raw()).driver };
    if driver.is_null() {
        return JobAnswer::NoDriver;
    }
    // SAFETY: the driver stays bound, and so there, while the device's lock is held; set before it is
    // registered, and never changed.
    let owner = unsafe { (*driver).driver.owner };
    let Some(_module) = Module::get(owner) else { return JobAnswer::NoDriver };
    // SAFETY: as above.
    let table = unsafe { (*driver).err_handler };
    // SAFETY: null, or a table in the driver's module, which is held, that nobody writes.
    let Some(table) = (unsafe { table.as_ref() }) else { return JobAnswer::NotAware };
    if !registry().is_some_and(|registry| may_call(registry, id, handler)) {
        return JobAnswer::TooLate;
    }
    if let Handler::ErrorDetected(state) = handler {
        // The worker may have brought it online while the lock was waited for.
        KernelCore.set_channel_state(device, state);
    }
    let answer = invoke(table, device, handler);
    drop(lock);
    answer
}

/// Calls the handler, if the driver has it.
///
/// # Context
///
/// Under the device's lock.
fn invoke(table: &bindings::pci_error_handlers, device: &PciDev, handler: Handler) -> JobAnswer {
    let raw = device.as_raw();
    let result = match handler {
        Handler::ErrorDetected(state) => match table.error_detected {
            // SAFETY: the device is bound to this driver, and its lock is held.
            Some(call) => unsafe { call(raw, channel_state(state)) },
            None => return JobAnswer::NoHandler,
        },
        Handler::MmioEnabled => match table.mmio_enabled {
            // SAFETY: as above.
            Some(call) => unsafe { call(raw) },
            None => return JobAnswer::NoHandler,
        },
        Handler::SlotReset => match table.slot_reset {
            // SAFETY: as above.
            Some(call) => unsafe { call(raw) },
            None => return JobAnswer::NoHandler,
        },
        Handler::Resume => {
            let Some(call) = table.resume else { return JobAnswer::NoHandler };
            // SAFETY: as above.
            unsafe { call(raw) };
            return JobAnswer::Reported(ErsResult::None);
        }
    };
    JobAnswer::Reported(ers_result(result))
}

/// What a driver answered; what Linux does not know counts as nothing.
fn ers_result(result: bindings::pci_ers_result_t) -> ErsResult {
    match result {
        bindings::pci_ers_result_PCI_ERS_RESULT_CAN_RECOVER => ErsResult::CanRecover,
        bindings::pci_ers_result_PCI_ERS_RESULT_NEED_RESET => ErsResult::NeedReset,
        bindings::pci_ers_result_PCI_ERS_RESULT_DISCONNECT => ErsResult::Disconnect,
        bindings::pci_ers_result_PCI_ERS_RESULT_RECOVERED => ErsResult::Recovered,
        bindings::pci_ers_result_PCI_ERS_RESULT_NO_AER_DRIVER => ErsResult::NoAerDriver,
        _ => ErsResult::None,
    }
}
