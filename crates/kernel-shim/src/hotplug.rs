// SPDX-License-Identifier: GPL-2.0-or-later
//! Removing and adding devices for a recovery.
//!
//! A driver is unbound before the rescan lock is taken: whoever holds a `device_lock` and wants the
//! rescan lock (`sriov_numvfs`) gets it. Under the rescan lock nothing of ours waits; `.probe` and
//! `.remove` of drivers may, which is the PCI core's.

use eeh_pe::{Bdf, DeviceFlags};
use eeh_recovery::{BusTarget, JobAnswer};
use kernel::ffi::c_int;

use crate::pci::PciDev;
use crate::{bindings, registry};

/// The PCI core's lock around adding and removing, held. C: `pci_lock_rescan_remove`
struct Rescan(());

impl Rescan {
    /// Waits for the lock, without any other.
    fn lock() -> Self {
        // SAFETY: a helper, which may sleep and holds no lock.
        unsafe { bindings::pci_lock_rescan_remove() };
        Self(())
    }

    /// Removes a device and all below it. Nothing happens to one that is gone.
    fn remove(&self, device: &PciDev) {
        // SAFETY: the device is held, and so is the lock.
        unsafe { bindings::pci_stop_and_remove_bus_device(device.as_raw()) };
    }

    /// The bus of a number; it stays while the lock is held.
    fn bus(&self, target: &BusTarget) -> Option<*mut bindings::pci_bus> {
        let domain = c_int::try_from(target.phb.number.0).ok()?;
        // SAFETY: a look-up by numbers; buses come and go under the lock only.
        let bus = unsafe { bindings::pci_find_bus(domain, target.bus.into()) };
        (!bus.is_null()).then_some(bus)
    }
}

impl Drop for Rescan {
    fn drop(&mut self) {
        // SAFETY: `lock` took it.
        unsafe { bindings::pci_unlock_rescan_remove() };
    }
}

/// Unbinds a device's driver. C: `device_release_driver`
///
/// # Context
///
/// Without any lock.
fn unbind(device: &PciDev) {
    // SAFETY: the device is held.
    unsafe { bindings::device_release_driver(device.as_device()) };
}

/// Whether a device has a driver again, as one that a scan found, or somebody bound, while the rescan lock was waited for. It
/// too is unbound without the lock: or a writer of its `sriov_numvfs` waits for the lock with the `device_lock` held.
fn is_bound_again(device: &PciDev) -> bool {
    device.driver().is_some()
}

/// Whether EEH leaves a device alone: its lock is lost.
fn is_lost(device: &PciDev) -> bool {
    let view = device.eeh().and_then(|id| registry()?.peek_device(id));
    view.is_some_and(|view| view.flags.contains(DeviceFlags::LOCK_LOST))
}

/// Whether a recovery may remove a device: its lock is not lost, nor that of one below it.
fn is_removable(device: &PciDev) -> bool {
    if is_lost(device) {
        return false;
    }
    let domain = device.domain();
    let lost_below = |other: &PciDev| other.domain() == domain && device.has_below(other) && is_lost(other);
    !device.is_bridge() || !PciDev::all().any(|other| lost_below(&other))
}

/// Removes one device. C: `eeh_rmv_device`
pub(crate) fn remove(device: &PciDev) -> JobAnswer {
    if device.is_gone() {
        return JobAnswer::Gone;
    }
    let rescan = loop {
        unbind(device);
        let rescan = Rescan::lock();
        if device.is_gone() {
            return JobAnswer::Gone;
        }
        if !is_bound_again(device) {
            break rescan;
        }
    };
    match device.physical_function() {
        Some((pf, index)) => {
            // SAFETY: both functions are held, and so is the lock.
            unsafe { bindings::pci_iov_remove_virtfn(pf.as_raw(), index) };
        }
        None => rescan.remove(device),
    }
    JobAnswer::Done
}

/// Adds a virtual function of `physical` that is there no more. C: `eeh_add_virt_device`
pub(crate) fn add_function(physical: &PciDev, function: Bdf) -> JobAnswer {
    let _rescan = Rescan::lock();
    let Some(index) = physical.index_of(function).filter(|_| !physical.is_gone()) else {
        return JobAnswer::Gone;
    };
    if PciDev::find(physical.domain(), function).is_none() {
        // SAFETY: the physical function is held, and so is the lock. A refusal leaves the function away,
        // which its recovery finds.
        unsafe { bindings::pci_iov_add_virtfn(physical.as_raw(), index) };
    }
    JobAnswer::Done
}

/// The devices of a bus and below it, not its bridge.
fn below(target: &BusTarget) -> impl Iterator<Item = PciDev> {
    let (domain, bus) = (target.phb.number.0, target.bus);
    PciDev::all().filter(move |device| device.domain() == domain && device.is_below(bus))
}

/// Removes all devices of a bus. C: `pci_hp_remove_devices`
pub(crate) fn remove_bus(target: &BusTarget) -> JobAnswer {
    let ours = |device: &PciDev| !device.is_bridge() && !is_lost(device);
    let rescan = loop {
        below(target).filter(ours).for_each(|device| unbind(&device));
        let rescan = Rescan::lock();
        if rescan.bus(target).is_none() {
            return JobAnswer::Gone;
        }
        if !below(target).filter(ours).any(|device| is_bound_again(&device)) {
            break rescan;
        }
    };
    // What is removed leaves the walk, which begins again: it ends.
    for device in below(target) {
        if !device.is_gone() && is_removable(&device) {
            rescan.remove(&device);
        }
    }
    JobAnswer::Done
}

/// Scans a bus and adds what is there. C: `pci_hp_add_devices`
pub(crate) fn add_bus(target: &BusTarget) -> JobAnswer {
    let rescan = Rescan::lock();
    let Some(bus) = rescan.bus(target) else { return JobAnswer::Gone };
    // SAFETY: the lock that keeps the bus is held.
    unsafe { bindings::pci_hp_add_devices(bus) };
    JobAnswer::Done
}
