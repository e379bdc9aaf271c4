// SPDX-License-Identifier: GPL-2.0-or-later
//! pSeries' part of the start, and its probe. C: eeh_pseries.c

use core::ptr::{self, NonNull};

use eeh_pe::Bdf;
use eeh_pseries::pe_of_vf;
use eeh_recovery::ResetPoll;
use kernel::ffi::c_int;

use crate::bindings::{self, pci_dn};
use crate::firmware::{self, Firmware};
use crate::pci::PciDev;
use crate::printk::pr_info;
use crate::probe::{self, Place};
use crate::{phb, platform, start, state, sysfs, time};

/// Base class and subclass of a PCI-ISA bridge, which is in no PE.
const CLASS_ISA_BRIDGE: u32 = 0x0601;

/// Starts EEH over RTAS. C: `eeh_pseries_init`
///
/// # Context
///
/// Boot, an arch_initcall; may sleep.
pub(crate) fn init() -> c_int {
    let Ok(firmware) = firmware::rtas() else {
        pr_info!("EEH functionality not supported");
        return -bindings::EINVAL.cast_signed();
    };
    state::add_flag(bindings::EEH_PROBE_MODE_DEVTREE | bindings::EEH_ENABLE_IO_FOR_LOG);
    // SAFETY: boot: nobody calls it yet.
    unsafe { bindings::ppc_md.pcibios_bus_add_device = Some(bus_add_device) };
    let asked = &raw const bindings::reset_devices;
    // SAFETY: looks at what was set before any initcall.
    let is_kdump = unsafe { bindings::eeh_glue_is_kdump() };
    // SAFETY: a static word that is set before any initcall.
    if is_kdump || unsafe { asked.read() } != 0 {
        pr_info!("Issue PHB reset ...");
        reset_all(&firmware);
    }
    let error = start::start(firmware);
    if error == 0 {
        pr_info!("EEH: pSeries platform initialized");
    } else {
        pr_info!("EEH: pSeries platform initialization failure ({error})");
    }
    error
}

/// What another kernel left running is stopped. C: the loop in `eeh_pseries_init`
fn reset_all(firmware: &Firmware) {
    let Some(rtas) = firmware.pseries() else { return };
    // SAFETY: boot: nobody adds or removes a PHB.
    for hose in unsafe { phb::hoses() } {
        // SAFETY: PHBs stay during boot, and their device tree nodes' descriptions.
        let Some((buid, first)) = (unsafe { first_device(hose) }) else { continue };
        let Ok(Some(mut reset)) = rtas.begin_start_reset(buid, first) else { continue };
        loop {
            match rtas.poll_start_reset(&mut reset, time::now()) {
                ResetPoll::Wait { until, .. } => time::sleep_until(until),
                ResetPoll::Done => break,
                ResetPoll::Failed(error) => {
                    pr_info!("EEH: PHB with BUID {buid:x} was not reset: {error}");
                    break;
                }
            }
        }
    }
}

/// A PHB's firmware name, and the first device that the device tree knows there.
///
/// # Safety
///
/// `hose` and what is below its node stay during the call.
unsafe fn first_device(hose: NonNull<bindings::pci_controller>) -> Option<(u64, Bdf)> {
    // SAFETY: the caller's promise; set before anybody knows the PHB.
    let buid = unsafe { (*hose.as_ptr()).buid };
    // SAFETY: as above.
    let description = unsafe { (*hose.as_ptr()).pci_data };
    // SAFETY: as above.
    let first = unsafe { children(NonNull::new(description)?) }.next()?;
    // SAFETY: as above.
    Some((buid as u64, unsafe { bdf_of(first) }))
}

/// What the device tree knows right below a bus or device.
///
/// # Safety
///
/// Nobody changes that during the walk: boot, or DLPAR's lock.
unsafe fn children(of: NonNull<pci_dn>) -> impl Iterator<Item = NonNull<pci_dn>> {
    // SAFETY: the caller's promise.
    let head = unsafe { &raw mut (*of.as_ptr()).child_list };
    // SAFETY: as above.
    let mut at = unsafe { (*head).next };
    core::iter::from_fn(move || {
        if ptr::eq(at, head) {
            return None;
        }
        // SAFETY: an element that is not the head is the `list` of another.
        let child = unsafe { kernel::container_of!(at, pci_dn, list) };
        // SAFETY: the caller's promise: the element stays.
        at = unsafe { (*at).next };
        NonNull::new(child)
    })
}

/// A device's number on its PHB.
///
/// # Safety
///
/// `of` stays during the call.
unsafe fn bdf_of(of: NonNull<pci_dn>) -> Bdf {
    // SAFETY: the caller's promise.
    let bus = unsafe { (*of.as_ptr()).busno };
    // SAFETY: as above.
    let devfn = unsafe { (*of.as_ptr()).devfn };
    let ([.., bus], [.., devfn]) = (bus.to_be_bytes(), devfn.to_be_bytes());
    Bdf(u16::from_be_bytes([bus, devfn]))
}

/// Linux adds a device. C: `pseries_pcibios_bus_add_device`
///
/// # Safety
///
/// The caller holds the device.
unsafe extern "C" fn bus_add_device(device: *mut bindings::pci_dev) {
    // SAFETY: the caller's promise.
    let Some(device) = (unsafe { PciDev::get(device) }) else { return };
    if state::has_flag(bindings::EEH_FORCE_DISABLED) {
        return;
    }
    if device.physical_function().is_some() {
        describe_vf(&device);
    }
    if probe::enter(&device, place).is_some() {
        state::add_flag(bindings::EEH_ENABLED);
        sysfs::add_device(&device);
    }
}

/// Tells C of a virtual function what the device tree does not.
fn describe_vf(device: &PciDev) {
    let Some(description) = probe::description(device) else { return };
    let to = description.as_ptr();
    // SAFETY: it stays as the device does, and nobody else reads this before the device is added.
    unsafe { (*to).device_id = device.device_id().into() };
    // SAFETY: as above.
    unsafe { (*to).vendor_id = device.vendor_id().into() };
    // SAFETY: as above.
    unsafe { (*to).class_code = device.class().cast_signed() };
    // SAFETY: as above.
    unsafe { (*to).last_allow_rc = 0 };
}

/// Which PE a device is in, with EEH enabled there.
fn place(device: &PciDev) -> Option<Place> {
    let parent = probe::parent(device);
    if device.physical_function().is_some() {
        return Some(Place { number: pe_of_vf(device.bdf()), parent });
    }
    let rtas = platform()?.firmware.pseries()?;
    // SAFETY: a PHB stays as long as its devices.
    let buid = unsafe { (*probe::hose(device)?.as_ptr()).buid } as u64;
    let number = rtas.probe(buid, device.bdf()).ok().flatten()?;
    Some(Place { number, parent })
}

/// Enables EEH for a device that DLPAR adds and for what is below it, before Linux looks at their
/// registers. C: `pseries_eeh_init_edev_recursive`
///
/// # Safety
///
/// `description` and what is below it stay during the call.
///
/// # Context
///
/// May sleep.
pub(crate) unsafe fn enable(description: NonNull<pci_dn>) {
    // SAFETY: the caller's promise.
    for child in unsafe { children(description) } {
        // SAFETY: as above. As deep as bridges are behind bridges.
        unsafe { enable(child) };
    }
    let this = description.as_ptr();
    // SAFETY: the caller's promise; set when the description was made.
    let hose = unsafe { (*this).phb };
    // SAFETY: as above.
    let vendor = unsafe { (*this).vendor_id };
    // SAFETY: as above.
    let device = unsafe { (*this).device_id };
    // SAFETY: as above.
    let class = unsafe { (*this).class_code }.cast_unsigned();
    let described = vendor != 0 && device != 0 && class != 0;
    let Some(hose) = NonNull::new(hose).filter(|_| described && class >> 8 != CLASS_ISA_BRIDGE) else {
        return;
    };
    let Some(rtas) = platform().and_then(|platform| platform.firmware.pseries()) else { return };
    // SAFETY: a PHB stays as long as its devices.
    let buid = unsafe { (*hose.as_ptr()).buid } as u64;
    // SAFETY: the caller's promise.
    if let Ok(Some(_)) = rtas.probe(buid, unsafe { bdf_of(description) }) {
        state::add_flag(bindings::EEH_ENABLED);
    }
}
