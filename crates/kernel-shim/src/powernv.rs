// SPDX-License-Identifier: GPL-2.0-or-later
//! PowerNV's part of the start, and its probe. C: eeh-powernv.c

use core::ptr::NonNull;

use eeh_pe::PeNumber;
use kernel::ffi::c_int;

use crate::firmware;
use crate::pci::PciDev;
use crate::printk::{pr_info, pr_warn};
use crate::probe::{self, Place};
use crate::{bindings, interrupt, phb, start, state, sysfs};

/// Starts EEH over OPAL. C: `eeh_powernv_init`
///
/// # Context
///
/// Boot, an arch_initcall.
pub(crate) fn init() -> c_int {
    // SAFETY: looks at what firmware said at boot.
    if !unsafe { bindings::eeh_glue_has_opal() } {
        pr_warn!("eeh_powernv_init: OPAL is required !");
        return -bindings::EINVAL.cast_signed();
    }
    state::add_flag(bindings::EEH_PROBE_MODE_DEV);
    // SAFETY: boot: nobody calls it yet.
    unsafe { bindings::ppc_md.pcibios_bus_add_device = Some(bus_add_device) };
    let error = start::start(firmware::opal());
    if error == 0 {
        pr_info!("EEH: PowerNV platform initialized");
    } else {
        pr_info!("EEH: Failed to initialize PowerNV platform ({error})");
    }
    error
}

/// Linux adds a device. C: `pnv_pcibios_bus_add_device`
///
/// # Safety
///
/// The caller holds the device.
unsafe extern "C" fn bus_add_device(device: *mut bindings::pci_dev) {
    // SAFETY: the caller's promise.
    let Some(device) = (unsafe { PciDev::get(device) }) else { return };
    if probe::enter(&device, place).is_none() {
        return;
    }
    if !state::has_flag(bindings::EEH_ENABLED) {
        state::add_flag(bindings::EEH_ENABLED);
        phb::tell_powernv();
        interrupt::resume();
    }
    sysfs::add_device(&device);
}

/// Which PE a device is in. C: `edev->pe_config_addr = phb->ioda.pe_rmap[config_addr]`
fn place(device: &PciDev) -> Option<Place> {
    // SAFETY: a PHB stays as long as its devices.
    let phb: NonNull<bindings::pnv_phb> = unsafe { phb::powernv(probe::hose(device)?) }?;
    // SAFETY: PHBs of PowerNV are never freed. The element is set before the device is added.
    let map = unsafe { &raw const (*phb.as_ptr()).ioda.pe_rmap };
    // SAFETY: a device's number has 16 bits, and the array 65536 elements.
    let number = unsafe { map.cast::<u32>().add(usize::from(device.bdf().0)) };
    // SAFETY: an element of the array, which is never freed, as above.
    let number = unsafe { number.read_volatile() };
    (number != bindings::IODA_INVALID_PE)
        .then(|| Place { number: PeNumber(number), parent: probe::parent(device) })
}
