// SPDX-License-Identifier: GPL-2.0-or-later
//! Linux's PCI devices, counted, and its PCI core.

use core::ptr::NonNull;

use crate::bindings;

/// A counted reference to a `struct pci_dev`. Cloning is allowed in any context, dropping where
/// sleeping is.
#[derive(Debug)]
pub(crate) struct PciDev(NonNull<bindings::pci_dev>);

// SAFETY: a `pci_dev` is shared between CPUs by design, and its count is atomic.
unsafe impl Send for PciDev {}
// SAFETY: as above.
unsafe impl Sync for PciDev {}

impl PciDev {
    /// Takes a reference; `None` of a null pointer.
    ///
    /// # Safety
    ///
    /// `device` is null or points to a device that somebody holds during this call.
    pub(crate) unsafe fn get(device: *mut bindings::pci_dev) -> Option<Self> {
        // SAFETY: the caller's promise; null is allowed.
        NonNull::new(unsafe { bindings::pci_dev_get(device) }).map(Self)
    }

    /// The device, for as long as `self` lives.
    pub(crate) const fn as_raw(&self) -> *mut bindings::pci_dev {
        self.0.as_ptr()
    }
}

impl Clone for PciDev {
    fn clone(&self) -> Self {
        // SAFETY: `self` holds the device.
        unsafe { bindings::pci_dev_get(self.as_raw()) };
        Self(self.0)
    }
}

impl Drop for PciDev {
    fn drop(&mut self) {
        // SAFETY: `self` is the reference that is given back.
        unsafe { bindings::pci_dev_put(self.as_raw()) };
    }
}
