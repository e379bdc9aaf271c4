// SPDX-License-Identifier: GPL-2.0-or-later
//! Pass-through, and resets that somebody asks for.

use kernel::ffi::{c_int, c_ulong};

use super::like_c;
use crate::bindings::{self, eeh_pe, pci_dev, pcie_reset_state};

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

const EOPNOTSUPP: c_int = -bindings::EOPNOTSUPP.cast_signed();

/// C: `eeh_pe_set_option`
///
/// # Safety
///
/// None.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_pe_set_option(_pe: *mut eeh_pe, _option: c_int) -> c_int {
    EOPNOTSUPP
}

/// C: `eeh_pe_get_state`
///
/// # Safety
///
/// None.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_pe_get_state(_pe: *mut eeh_pe) -> c_int {
    EOPNOTSUPP
}

/// C: `eeh_unfreeze_pe`
///
/// # Safety
///
/// None.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_unfreeze_pe(_pe: *mut eeh_pe) -> c_int {
    EOPNOTSUPP
}

/// C: `eeh_dev_open`
///
/// # Safety
///
/// None.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_dev_open(_pdev: *mut pci_dev) -> c_int {
    EOPNOTSUPP
}

/// C: `eeh_dev_release`
///
/// # Safety
///
/// None.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_dev_release(_pdev: *mut pci_dev) {}

/// C: `eeh_pe_reset`
///
/// # Safety
///
/// None.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_pe_reset(_pe: *mut eeh_pe, _option: c_int, _passed: bool) -> c_int {
    EOPNOTSUPP
}

/// C: `eeh_pe_configure`
///
/// # Safety
///
/// None.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_pe_configure(_pe: *mut eeh_pe) -> c_int {
    EOPNOTSUPP
}

/// C: `eeh_pe_inject_err`
///
/// # Safety
///
/// None.
#[unsafe(no_mangle)]
unsafe extern "C" fn eeh_pe_inject_err(
    _pe: *mut eeh_pe,
    _kind: c_int,
    _func: c_int,
    _addr: c_ulong,
    _mask: c_ulong,
) -> c_int {
    EOPNOTSUPP
}

/// C: `pcibios_set_pcie_reset_state`
///
/// # Safety
///
/// None.
#[unsafe(no_mangle)]
unsafe extern "C" fn pcibios_set_pcie_reset_state(_pdev: *mut pci_dev, _state: pcie_reset_state) -> c_int {
    EOPNOTSUPP
}
