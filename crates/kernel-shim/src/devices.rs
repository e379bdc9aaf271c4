// SPDX-License-Identifier: GPL-2.0-or-later
//! The PCI devices that there are.

use core::ptr;

use crate::bindings;
use crate::pci::PciDev;

/// C: `PCI_ANY_ID`
const ANY: u32 = u32::MAX;

impl PciDev {
    /// All devices, one after the other, each held while it is looked at. A device that comes or goes
    /// meanwhile may be seen or not; after one that went the walk begins again.
    ///
    /// # Context
    ///
    /// May sleep.
    pub(crate) const fn all() -> Devices {
        Devices { last: ptr::null_mut() }
    }
}

/// See [`PciDev::all`].
pub(crate) struct Devices {
    /// The device that was seen last, counted.
    last: *mut bindings::pci_dev,
}

impl Iterator for Devices {
    type Item = PciDev;

    fn next(&mut self) -> Option<PciDev> {
        // SAFETY: `last` is null or a reference of ours, which the call gives back; what it answers is
        // counted, and is the next call's `last`.
        self.last = unsafe { bindings::pci_get_device(ANY, ANY, self.last) };
        // SAFETY: the device is held by `last` until the next call.
        unsafe { PciDev::get(self.last) }
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        // SAFETY: null, or a reference of ours.
        unsafe { bindings::pci_dev_put(self.last) };
    }
}
