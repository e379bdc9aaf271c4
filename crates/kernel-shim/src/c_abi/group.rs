// SPDX-License-Identifier: GPL-2.0-or-later
//! From an IOMMU group to a PE, for VFIO.

use core::ptr;

use kernel::ffi::{c_int, c_void};

use super::like_c;
use crate::{bindings, pci, registry, token};

like_c!(eeh_iommu_group_to_pe);

/// Leaves the token of the first device's PE where `data` says. C: `dev_has_iommu_table`
///
/// # Safety
///
/// `device` is a PCI device of a group that holds it during the call; `data` is the variable of
/// [`eeh_iommu_group_to_pe`].
unsafe extern "C" fn first_pe(device: *mut bindings::device, data: *mut c_void) -> c_int {
    let Some(registry) = registry() else { return 0 };
    // SAFETY: the caller's promise.
    let id = unsafe { token::device_of(pci::of_device(device)) };
    let Some(view) = id.and_then(|id| registry.peek_device(id)) else { return 0 };
    // SAFETY: the caller's promise.
    unsafe { data.cast::<*mut bindings::eeh_pe>().write(token::of_pe(view.pe)) };
    1
}

/// C: `eeh_iommu_group_to_pe`
///
/// # Safety
///
/// `group` is null or a group that the caller holds.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_iommu_group_to_pe(group: *mut bindings::iommu_group) -> *mut bindings::eeh_pe {
    let mut pe: *mut bindings::eeh_pe = ptr::null_mut();
    if !group.is_null() {
        // SAFETY: the caller's promise; devices of a PHB's group are PCI devices, and the variable lives until
        // the call returns.
        unsafe { bindings::iommu_group_for_each_dev(group, (&raw mut pe).cast(), Some(first_pe)) };
    }
    pe
}
