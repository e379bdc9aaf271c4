// SPDX-License-Identifier: GPL-2.0-or-later
//! Pass-through, and resets that somebody asks for: eeh-recovery's entry points, with C's names.

use eeh_recovery::{
    Injection, OwnerReset, PcieReset, Request, SetOption, freeze, inject, owner_state, release,
};
use kernel::ffi::{c_int, c_ulong};

use super::like_c;
use crate::bindings::{self, eeh_pe, pci_dev, pcie_reset_state};
use crate::request::{code, errno, wait};
use crate::state::{Eeh, eeh};
use crate::token;

like_c!(
    eeh_pe_set_option,
    eeh_pe_get_state,
    eeh_unfreeze_pe,
    eeh_dev_open,
    eeh_dev_release,
    eeh_pe_reset,
    eeh_pe_configure,
    eeh_pe_inject_err,
    pcibios_set_pcie_reset_state,
);

const GONE: c_int = errno(bindings::ENODEV);
const INVALID: c_int = errno(bindings::EINVAL);

/// EEH, and the live PE that C names.
fn named(pe: *const eeh_pe) -> Option<(&'static Eeh, ::eeh_pe::PeId)> {
    eeh().zip(token::pe(pe))
}

/// EEH, and its device of one of Linux's.
///
/// # Safety
///
/// `pdev` is null or points to a device that somebody holds during this call.
unsafe fn of(pdev: *const pci_dev) -> Option<(&'static Eeh, ::eeh_pe::DeviceId)> {
    if pdev.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    eeh().zip(unsafe { token::device_of(pdev) })
}

/// C: `eeh_pe_set_option`
///
/// # Safety
///
/// None.
///
/// # Context
///
/// To freeze: any but NMI. The others wait, killably.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_pe_set_option(pe: *mut eeh_pe, option: c_int) -> c_int {
    let Some((eeh, pe)) = named(pe) else { return GONE };
    match SetOption::from_linux(option) {
        None => INVALID,
        // From hard interrupts: not by way of a request.
        Some(SetOption::Freeze) => code(freeze(&eeh.platform, &eeh.registry, pe)),
        Some(option) => wait(Request::set_option(&eeh.platform, &eeh.registry, pe, option)),
    }
}

/// C: `eeh_pe_get_state`
///
/// # Safety
///
/// None.
///
/// # Context
///
/// Any but NMI; never waits.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_pe_get_state(pe: *mut eeh_pe) -> c_int {
    let Some((eeh, pe)) = named(pe) else { return GONE };
    match owner_state(&eeh.platform, &eeh.registry, pe) {
        Ok(state) => state.linux(),
        Err(error) => code(Err(error)),
    }
}

/// C: `eeh_unfreeze_pe`
///
/// # Safety
///
/// None.
///
/// # Context
///
/// Waits, killably.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_unfreeze_pe(pe: *mut eeh_pe) -> c_int {
    let Some((eeh, pe)) = named(pe) else { return GONE };
    wait(Request::unfreeze(&eeh.platform, &eeh.registry, pe))
}

/// C: `eeh_dev_open`
///
/// # Safety
///
/// `pdev` is null or points to a device that the caller holds.
///
/// # Context
///
/// Waits, killably.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_dev_open(pdev: *mut pci_dev) -> c_int {
    // SAFETY: the caller's promise.
    let Some((eeh, device)) = (unsafe { of(pdev) }) else { return GONE };
    wait(Request::open(&eeh.platform, &eeh.registry, device))
}

/// C: `eeh_dev_release`
///
/// # Safety
///
/// `pdev` is null or points to a device that the caller holds.
///
/// # Context
///
/// Any but NMI; never waits.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_dev_release(pdev: *mut pci_dev) {
    // SAFETY: the caller's promise.
    if let Some((eeh, device)) = unsafe { of(pdev) } {
        release(&eeh.platform, &eeh.registry, device);
    }
}

/// C: `eeh_pe_reset`. The only caller asks for what is passed through, whatever C calls its argument.
///
/// # Safety
///
/// None.
///
/// # Context
///
/// Waits, killably.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_pe_reset(pe: *mut eeh_pe, option: c_int, _include_passed: bool) -> c_int {
    let Some((eeh, pe)) = named(pe) else { return GONE };
    let Some(reset) = OwnerReset::from_linux(option) else { return INVALID };
    wait(Request::reset(&eeh.platform, &eeh.registry, pe, reset))
}

/// C: `eeh_pe_configure`
///
/// # Safety
///
/// None.
///
/// # Context
///
/// Waits, killably.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_pe_configure(pe: *mut eeh_pe) -> c_int {
    let Some((eeh, pe)) = named(pe) else { return GONE };
    wait(Request::configure(&eeh.platform, &eeh.registry, pe))
}

/// C: `eeh_pe_inject_err`
///
/// # Safety
///
/// None.
///
/// # Context
///
/// May sleep: firmware's calls may.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_pe_inject_err(
    pe: *mut eeh_pe,
    kind: c_int,
    function: c_int,
    address: c_ulong,
    mask: c_ulong,
) -> c_int {
    let Some((eeh, pe)) = named(pe) else { return GONE };
    let (Ok(kind), Ok(function)) = (u32::try_from(kind), u32::try_from(function)) else { return INVALID };
    let error = Injection { kind, function, address: address as u64, mask: mask as u64 };
    code(inject(&eeh.platform, &eeh.registry, pe, &error))
}

/// C: `pcibios_set_pcie_reset_state`
///
/// # Safety
///
/// `pdev` is null or points to a device that the caller holds.
///
/// # Context
///
/// Waits, killably.
#[unsafe(no_mangle)]
unsafe extern "C" fn pcibios_set_pcie_reset_state(pdev: *mut pci_dev, state: pcie_reset_state) -> c_int {
    // SAFETY: the caller's promise.
    let Some((eeh, device)) = (unsafe { of(pdev) }) else { return INVALID };
    let Some(reset) = PcieReset::from_linux(state) else { return INVALID };
    wait(Request::pcie_reset(&eeh.platform, &eeh.registry, device, reset))
}
