// SPDX-License-Identifier: GPL-2.0-or-later
//! PHBs, devices of the device tree, and the start.

use core::ptr::{self, NonNull};

use kernel::ffi::c_int;

use super::like_c;
use crate::bindings::{self, device_node, eeh_dev, pci_controller, pci_dn};
use crate::pci::PciDev;
use crate::printk::pr_info;
use crate::state::{Eeh, eeh};
use crate::{debugfs_phb, early, interrupt, phb, pseries, registry, state, token};

like_c!(
    eeh_show_enabled,
    eeh_phb_pe_create,
    eeh_phb_pe_remove,
    eeh_pe_tree_remove,
    eeh_pe_parent_node,
    pseries_eeh_init_edev_recursive,
    pnv_eeh_post_init,
    pnv_eeh_phb_reset,
);

const EINVAL: c_int = -bindings::EINVAL.cast_signed();
const ENODEV: c_int = -bindings::ENODEV.cast_signed();

/// Says whether EEH is there. C: `eeh_show_enabled`
///
/// # Safety
///
/// None.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_show_enabled() {
    if state::has_flag(bindings::EEH_FORCE_DISABLED) {
        pr_info!("EEH: Recovery disabled by kernel parameter.");
    } else if state::has_flag(bindings::EEH_ENABLED) {
        pr_info!("EEH: Capable adapter found: recovery enabled.");
    } else {
        pr_info!("EEH: No capable adapters found: recovery disabled.");
    }
}

/// Makes a PHB known. C: `eeh_phb_pe_create`
///
/// # Safety
///
/// `hose` is null or stays until [`eeh_phb_pe_remove`] is called of it.
///
/// # Context
///
/// May sleep.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_phb_pe_create(hose: *mut pci_controller) -> c_int {
    let Some(hose) = NonNull::new(hose) else { return EINVAL };
    // SAFETY: the caller's promise.
    unsafe { phb::add(hose) };
    0
}

/// Forgets a PHB.
///
/// # Safety
///
/// `hose` is null or stays during the call.
///
/// # Context
///
/// May sleep.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_phb_pe_remove(hose: *mut pci_controller) {
    if let Some(hose) = NonNull::new(hose) {
        // SAFETY: the caller's promise.
        unsafe { phb::remove(hose) };
    }
}

/// Enables EEH for what DLPAR adds. C: `pseries_eeh_init_edev_recursive`
///
/// # Safety
///
/// `pdn` is null or stays during the call, with what is below it.
///
/// # Context
///
/// May sleep.
#[unsafe(no_mangle)]
unsafe extern "C" fn pseries_eeh_init_edev_recursive(pdn: *mut pci_dn) {
    if let Some(pdn) = NonNull::new(pdn) {
        // SAFETY: the caller's promise.
        unsafe { pseries::enable(pdn) };
    }
}

/// Forgets a virtual function whose `pci_dev` is gone. C: `eeh_pe_tree_remove`
///
/// # Safety
///
/// None.
///
/// # Context
///
/// May sleep.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_pe_tree_remove(edev: *mut eeh_dev) -> c_int {
    let Some((Eeh { platform, registry }, id)) = eeh().zip(token::device(edev)) else { return ENODEV };
    // The platform's device is put here, outside the lock.
    match eeh_recovery::remove_device(platform, registry, id) {
        Some(removed) => drop(removed),
        None => return ENODEV,
    }
    0
}

/// The node above that of the first device of a device's PE, counted. C: the middle of `find_pe_dn`
///
/// # Safety
///
/// None.
///
/// # Context
///
/// May sleep.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_pe_parent_node(edev: *mut eeh_dev) -> *mut device_node {
    let first = || {
        let registry = registry()?;
        let tree = registry.tree(token::device(edev)?.tree())?;
        let pe = registry.peek_device(token::device(edev)?)?.pe;
        let guard = tree.lock();
        let first: Option<PciDev> = guard.pe(pe)?.devices().next()?.platform();
        first
    };
    let Some(first) = first() else { return ptr::null_mut() };
    // SAFETY: the device is held until the call has returned, and its node with it; null is allowed.
    unsafe { bindings::of_get_parent(first.node()) }
}

/// PowerNV's devices are known: EEH is told of and armed. C: `pnv_eeh_post_init`
///
/// # Safety
///
/// None.
///
/// # Context
///
/// Boot.
#[unsafe(no_mangle)]
unsafe extern "C" fn pnv_eeh_post_init() -> c_int {
    // SAFETY: nothing is asked for.
    unsafe { eeh_show_enabled() };
    let error = interrupt::request();
    if error < 0 {
        return error;
    }
    phb::tell_powernv();
    // SAFETY: PowerNV's list of PHBs does not change after the start.
    for hose in unsafe { phb::hoses() } {
        // SAFETY: PHBs of PowerNV are never freed.
        unsafe { debugfs_phb::add_phb(hose) };
    }
    0
}

/// Resets a PHB, also before the system runs. C: `pnv_eeh_phb_reset`
///
/// # Safety
///
/// `hose` is a PHB of PowerNV that stays during the call.
///
/// # Context
///
/// Boot.
#[unsafe(no_mangle)]
unsafe extern "C" fn pnv_eeh_phb_reset(hose: *mut pci_controller, option: c_int) -> c_int {
    // SAFETY: the caller's promise.
    let phb = NonNull::new(hose).and_then(|hose| unsafe { phb::powernv(hose) });
    let Some(phb) = phb else { return EINVAL };
    // SAFETY: as above.
    let id = unsafe { phb.as_ref().opal_id };
    match option.cast_unsigned() {
        bindings::EEH_RESET_HOT | bindings::EEH_RESET_FUNDAMENTAL => early::phb_reset(id, true),
        bindings::EEH_RESET_DEACTIVATE => early::phb_reset(id, false),
        _ => EINVAL,
    }
}
