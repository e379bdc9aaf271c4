// SPDX-License-Identifier: GPL-2.0-or-later
//! Breaking a device, to see whether it recovers. C: `eeh_break_device`

use kernel::ffi::{c_int, c_void};
use kernel::str::CStrExt;

use crate::bindings;
use crate::pci::PciDev;

/// C: `IORESOURCE_IO`
const IO: usize = 0x100;
/// C: `IORESOURCE_UNSET`
const UNSET: usize = 0x2000_0000;
/// The standard BARs and the ROM. C: `PCI_STD_RESOURCE_END`
const BARS: usize = 6;
/// C: `PCI_COMMAND`, `PCI_COMMAND_MEMORY`
const COMMAND: (c_int, u16) = (4, 2);
/// C: `PCI_EXT_CAP_ID_SRIOV`, `PCI_SRIOV_CTRL`, `PCI_SRIOV_CTRL_MSE`
const SRIOV: (c_int, c_int, u16) = (0x10, 0x08, 0x08);
/// C: `-ENXIO`
const ENXIO: isize = -(bindings::ENXIO as isize);

/// The device's first memory BAR.
fn memory(device: &PciDev) -> Option<*mut bindings::resource> {
    (0..BARS).find_map(|index| {
        // SAFETY: a field of a device that is held; no reference is made.
        let resources = unsafe { &raw mut (*device.as_raw()).resource };
        // SAFETY: the device has more resources than BARs.
        let bar = unsafe { resources.cast::<bindings::resource>().add(index) };
        // SAFETY: a resource of a device that is held.
        let flags = unsafe { (*bar).flags };
        // SAFETY: as above.
        let start = unsafe { (*bar).start };
        (flags != 0 && start != 0 && flags & (IO | UNSET) == 0).then_some(bar)
    })
}

/// The function that switches the device's memory off, the register and the bit. A virtual function has
/// none of its own: its physical function's switches all of them off.
fn switch(device: &PciDev) -> Option<(PciDev, c_int, u16)> {
    if !device.is_virtual_function() {
        return Some((device.clone(), COMMAND.0, COMMAND.1));
    }
    let physical = device.physical()?;
    // SAFETY: the device is held.
    let capability = unsafe { bindings::pci_find_ext_capability(physical.as_raw(), SRIOV.0) };
    (capability != 0).then(|| (physical, c_int::from(capability) + SRIOV.1, SRIOV.2))
}

/// A mapped page of a device's memory.
struct Mapped(*mut c_void);

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: mapped by `break_device`, and not used any more.
        unsafe { bindings::iounmap(self.0) };
    }
}

/// Switches the device's memory off, reads it, and switches it on again: the PHB freezes the PE for a read
/// that nobody answers. The read is not checked, so that somebody else finds the freeze.
///
/// # Errors
///
/// A negative error number: the device has no memory to be read.
///
/// # Context
///
/// May sleep.
pub(crate) fn break_device(device: &PciDev) -> Result<(), isize> {
    let raw = device.as_device();
    let Some(bar) = memory(device) else {
        let format = c"Unable to find Memory BAR to cause EEH with\n".as_char_ptr();
        // SAFETY: the format takes no argument, and the device is held.
        unsafe { bindings::_dev_err(raw, format) };
        return Err(ENXIO);
    };
    // SAFETY: the format takes a resource, which the device has.
    unsafe { bindings::_dev_err(raw, c"Going to break: %pR\n".as_char_ptr(), bar) };
    let (function, register, bit) = switch(device).ok_or(ENXIO)?;
    // SAFETY: a resource of the device, which is held.
    let start = unsafe { (*bar).start };
    // SAFETY: the page is the device's own, and is given back by `Mapped`.
    let mapped = unsafe { bindings::ioremap(start, 1 << bindings::PAGE_SHIFT) };
    if mapped.is_null() {
        let format = c"Unable to map MMIO BAR %pR\n".as_char_ptr();
        // SAFETY: the format takes a resource, which the device has.
        unsafe { bindings::_dev_err(raw, format, bar) };
        return Err(ENXIO);
    }
    let mapped = Mapped(mapped);
    let mut old = 0;
    // SAFETY: the device is held, and the output lives until the call returns.
    unsafe { bindings::pci_read_config_word(function.as_raw(), register, &raw mut old) };
    // SAFETY: the device is held.
    unsafe { bindings::pci_write_config_word(function.as_raw(), register, old & !bit) };
    // SAFETY: the page is mapped.
    unsafe { bindings::eeh_glue_in_8(mapped.0) };
    // SAFETY: the device is held.
    unsafe { bindings::pci_write_config_word(function.as_raw(), register, old) };
    Ok(())
}
