// SPDX-License-Identifier: GPL-2.0-or-later
//! Virtual functions on pSeries: firmware is told which it may unfreeze. C: `pseries_notify_resume`

use eeh_pseries::{MAX_PES, PSeries};
use eeh_recovery::FirmwareError;
use kernel::alloc::KVec;
use kernel::alloc::flags::GFP_KERNEL;
use kernel::ffi::c_int;

use crate::pci::PciDev;
use crate::rtas::KernelRtas;
use crate::{bindings, platform};

const NO_MEMORY: FirmwareError = FirmwareError::Missing { call: "memory for PE numbers" };

/// A device's driver has resumed.
///
/// # Errors
///
/// Firmware's own, which also `last_allow_rc` of the functions shows.
///
/// # Context
///
/// The worker.
pub(crate) fn notify_resume(device: &PciDev) -> Result<(), FirmwareError> {
    let Some(back) = platform().and_then(|platform| platform.firmware.pseries()) else { return Ok(()) };
    if let Some((physical, index)) = device.physical_function() {
        return allow(back, &physical, index..index.saturating_add(1), |function| {
            function.bdf() == device.bdf()
        });
    }
    if !device.is_physical_function() {
        return Ok(());
    }
    // SAFETY: the device is held.
    let count = unsafe { bindings::pci_num_vf(device.as_raw()) };
    allow(back, device, 0..count, |_| true)
}

/// Tells firmware of some functions of `physical`; those that `concerns` says show what it answered.
fn allow(
    back: &PSeries<KernelRtas>,
    physical: &PciDev,
    indices: core::ops::Range<c_int>,
    concerns: impl Fn(&PciDev) -> bool,
) -> Result<(), FirmwareError> {
    // SAFETY: the device is held, and has its node for as long.
    let node = unsafe { bindings::pci_get_pdn(physical.as_raw()) };
    if node.is_null() {
        return Ok(());
    }
    // SAFETY: the node of a device that is held, read as C reads it, without a lock.
    let map = unsafe { (*node).pe_num_map };
    // SAFETY: as above. Set when the node is made, and never changed.
    let hose = unsafe { (*node).phb };
    // SAFETY: a PHB stays as long as its devices; set before anybody knows it.
    let buid = unsafe { (*hose).buid };
    if map.is_null() || indices.is_empty() {
        return Ok(());
    }
    let mut pes = KVec::new();
    for index in indices.take(MAX_PES) {
        let index = usize::try_from(index).unwrap_or(0);
        // SAFETY: the map has a number for each function that was there just now. C frees it when they are disabled,
        // and has no lock that closes this window, which is its own too.
        let pe = unsafe { map.add(index) };
        // SAFETY: as above.
        let pe = unsafe { pe.read() };
        pes.push(u16::try_from(pe).unwrap_or(u16::MAX), GFP_KERNEL).map_err(|_| NO_MEMORY)?;
    }
    let result = back.allow_unfreeze(buid as u64, physical.bdf(), &pes);
    let code = match result {
        Ok(()) => 0,
        Err(FirmwareError::Failed { code, .. } | FirmwareError::Garbage { code, .. }) => {
            c_int::try_from(code).unwrap_or(-1)
        }
        Err(FirmwareError::Missing { .. } | FirmwareError::Unfinished { .. }) => -1,
    };
    for function in PciDev::all().filter(|function| is_of(function, physical) && concerns(function)) {
        // SAFETY: the device is held.
        let node = unsafe { bindings::pci_get_pdn(function.as_raw()) };
        if !node.is_null() {
            // SAFETY: a field of the node of a device that is held; no reference is made.
            let answer = unsafe { &raw mut (*node).last_allow_rc };
            // SAFETY: as above; a word that sysfs shows, which C too writes without a lock.
            unsafe { answer.write_volatile(code) };
        }
    }
    result
}

/// Whether a function is `physical` or one of its virtual ones.
fn is_of(function: &PciDev, physical: &PciDev) -> bool {
    let of = function.physical().map_or(function.as_raw(), |physical| physical.as_raw());
    core::ptr::eq(of, physical.as_raw())
}
