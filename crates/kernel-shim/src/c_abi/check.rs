// SPDX-License-Identifier: GPL-2.0-or-later
//! Detection, and what C reads of PEs and devices. Any context.

use ::eeh_pe::{Counter, DeviceFlags, PeFlags};
use eeh_recovery::{
    Check, Context, check_failure_at_length, check_failure_at_once, dev_check_failure_named, mark_isolated,
};
use kernel::ffi::{c_int, c_ulong, c_void};

use super::like_c;
use crate::bindings::{self, eeh_dev, eeh_pe};
use crate::env::in_nmi;
use crate::{registry, state, token};

like_c!(
    eeh_check_failure,
    eeh_dev_check_failure,
    eeh_pe_mark_isolated,
    eeh_pe_state_mark,
    eeh_dev_to_pe,
    eeh_dev_mode,
    eeh_pe_state_flags,
    eeh_pe_addr,
);

/// Where this code runs: in an NMI, a crash or a debugger firmware refuses re-entry.
fn context() -> Context {
    let oops = &raw const bindings::oops_in_progress;
    // SAFETY: a static word that says whether a CPU is printing an oops or is in a debugger. C changes it at
    // any time, in one piece.
    let oops = unsafe { oops.read_volatile() };
    if in_nmi() || oops != 0 { Context::Nmi } else { Context::Normal }
}

fn answer(check: Check) -> c_int {
    c_int::from(check.is_failure())
}

/// Whether a read of all ones at this address was a freeze. C: `eeh_check_failure`
///
/// # Safety
///
/// `token` is an address that the caller has just read, so it is mapped.
///
/// # Context
///
/// Any.
#[unsafe(no_mangle)]
#[optimize(speed)]
unsafe extern "C" fn eeh_check_failure(token: *const c_void) -> c_int {
    // First, so that nothing must be kept over the call.
    // SAFETY: the caller's promise.
    let address = unsafe { bindings::eeh_glue_vmap_phys(token.addr() as c_ulong) };
    let Some(eeh) = state::eeh() else { return 0 };
    match check_failure_at_once(&eeh.platform, &eeh.registry, address, context) {
        Some(check) => answer(check),
        None => check_at_length(eeh, address),
    }
}

#[cold]
#[inline(never)]
extern "C" fn check_at_length(eeh: &state::Eeh, address: u64) -> c_int {
    answer(check_failure_at_length(&eeh.platform, &eeh.registry, address, context()))
}

/// Whether a device is frozen. C: `eeh_dev_check_failure`
///
/// # Safety
///
/// None: a token is looked up.
///
/// # Context
///
/// Any.
#[unsafe(no_mangle)]
#[optimize(speed)]
unsafe extern "C" fn eeh_dev_check_failure(edev: *mut eeh_dev) -> c_int {
    let Some(eeh) = state::eeh() else { return 0 };
    match token::device_name(edev) {
        Some(name) => answer(dev_check_failure_named(&eeh.platform, &eeh.registry, name, context)),
        None => {
            eeh.registry.stats().count(Counter::NoDn);
            0
        }
    }
}

/// Sets flags of a PE and all below it. C: `eeh_pe_state_mark`
///
/// # Safety
///
/// None.
///
/// # Context
///
/// Any but NMI.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_pe_state_mark(pe: *mut eeh_pe, state: c_int) {
    let flags = PeFlags::from_bits_truncate(u16::try_from(state).unwrap_or(0)) & PeFlags::LINUX;
    let Some((registry, pe)) = registry().zip(token::pe(pe)) else { return };
    if let Some(tree) = registry.tree(pe.tree()) {
        tree.mark_subtree(pe, flags);
    }
}

/// Isolates a PE, takes its devices and those below it offline, and has it recovered; a slot that was
/// pulled is found to be empty by that. C: `eeh_pe_mark_isolated`
///
/// # Safety
///
/// None.
///
/// # Context
///
/// Any but NMI.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_pe_mark_isolated(pe: *mut eeh_pe) {
    let Some((eeh, pe)) = state::eeh().zip(token::pe(pe)) else { return };
    // Isolated already: whoever did it has queued it.
    let _ = mark_isolated(&eeh.platform, &eeh.registry, pe);
}

/// A device's PE; null of what is gone. C: the same
///
/// # Safety
///
/// None.
///
/// # Context
///
/// Any.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_dev_to_pe(edev: *mut eeh_dev) -> *mut eeh_pe {
    let view = registry().and_then(|registry| registry.peek_device(token::device(edev)?));
    view.map_or(core::ptr::null_mut(), |view| token::of_pe(view.pe))
}

/// C: `edev->mode`
///
/// # Safety
///
/// None.
///
/// # Context
///
/// Any.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_dev_mode(edev: *mut eeh_dev) -> c_int {
    let view = registry().and_then(|registry| registry.peek_device(token::device(edev)?));
    view.map_or(0, |view| (view.flags & DeviceFlags::LINUX).bits().into())
}

/// C: `pe->state`
///
/// # Safety
///
/// None.
///
/// # Context
///
/// Any.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_pe_state_flags(pe: *mut eeh_pe) -> c_int {
    let view = registry().and_then(|registry| registry.peek(token::pe(pe)?));
    view.map_or(0, |view| (view.flags & PeFlags::LINUX).bits().into())
}

/// C: `pe->addr`
///
/// # Safety
///
/// None.
///
/// # Context
///
/// Any.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_pe_addr(pe: *mut eeh_pe) -> c_int {
    let view = registry().and_then(|registry| registry.peek(token::pe(pe)?));
    view.map_or(0, |view| view.number.0.cast_signed())
}
