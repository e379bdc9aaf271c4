// SPDX-License-Identifier: GPL-2.0-or-later
//! Linux's PCI devices, counted.

use core::ffi::CStr;
use core::ptr::{self, NonNull};

use eeh_pe::{Bdf, DeviceId};
use eeh_recovery::{Driver, DriverName, Handlers};
use kernel::ffi::c_int;
use kernel::sync::rcu;

use crate::{bindings, token};

/// Bit of `priv_flags`: the device has left the device model. C: `PCI_DEV_REMOVED`
const REMOVED: usize = 1 << 3;

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

    /// Takes over a reference; `None` of a null pointer.
    ///
    /// # Safety
    ///
    /// `device` is null or a reference that nobody else gives back.
    pub(crate) unsafe fn from_counted(device: *mut bindings::pci_dev) -> Option<Self> {
        NonNull::new(device).map(Self)
    }

    /// The device that is there now.
    ///
    /// # Context
    ///
    /// May sleep.
    pub(crate) fn find(domain: u32, bdf: Bdf) -> Option<Self> {
        let devfn = u32::from(bdf.0 & 0xff);
        let domain = c_int::try_from(domain).ok()?;
        // SAFETY: a look-up by numbers; what is found is counted.
        unsafe { Self::from_counted(bindings::pci_get_domain_bus_and_slot(domain, bdf.bus().into(), devfn)) }
    }

    /// All devices, one after the other, each held while it is looked at. A device that comes or goes
    /// meanwhile may be seen or not; after one that went the walk begins again.
    ///
    /// # Context
    ///
    /// May sleep.
    pub(crate) const fn all() -> Devices {
        Devices { last: ptr::null_mut() }
    }

    /// The device, for as long as `self` lives.
    pub(crate) const fn as_raw(&self) -> *mut bindings::pci_dev {
        self.0.as_ptr()
    }

    /// Its `struct device`.
    pub(crate) const fn as_device(&self) -> *mut bindings::device {
        // SAFETY: a field of a live object; no reference is made.
        unsafe { &raw mut (*self.as_raw()).dev }
    }

    /// Whether the device tree says something of it.
    pub(crate) fn has_property(&self, name: &CStr) -> bool {
        // SAFETY: the device is held, and has its node for as long; null is allowed.
        let found = unsafe {
            bindings::of_find_property((*self.as_device()).of_node, name.as_ptr().cast(), ptr::null_mut())
        };
        !found.is_null()
    }

    /// EEH's name of it, if EEH knows it. C: `pci_dev_to_eeh_dev`
    pub(crate) fn eeh(&self) -> Option<DeviceId> {
        // SAFETY: the device is held.
        unsafe { token::device_of(self.as_raw()) }
    }

    /// Its place on the PHB.
    pub(crate) fn bdf(&self) -> Bdf {
        // SAFETY: neither changes while the device lives, and it holds its bus.
        let (bus, devfn) = unsafe { ((*(*self.as_raw()).bus).number, (*self.as_raw()).devfn) };
        let [.., devfn] = devfn.to_be_bytes();
        Bdf(u16::from_be_bytes([bus, devfn]))
    }

    /// Linux's number of its PHB.
    pub(crate) fn domain(&self) -> u32 {
        // SAFETY: the device holds its bus.
        let domain = unsafe { bindings::pci_domain_nr((*self.as_raw()).bus) };
        u32::try_from(domain).unwrap_or(u32::MAX)
    }

    /// Whether it has left the device model.
    pub(crate) fn is_gone(&self) -> bool {
        // SAFETY: a word that the PCI core changes by atomic operations.
        let flags = unsafe { (&raw const (*self.as_raw()).priv_flags).read_volatile() };
        flags & REMOVED != 0
    }

    /// Whether it is a PCI-to-PCI bridge.
    pub(crate) fn is_bridge(&self) -> bool {
        // SAFETY: set when the device was found, and never changed.
        unsafe { (*self.as_raw()).hdr_type == 1 }
    }

    /// Whether bus `number` of its PHB is the one it is on, or above that.
    pub(crate) fn is_below(&self, number: u8) -> bool {
        // SAFETY: the device holds its bus, and a bus all those above it.
        let mut bus = unsafe { (*self.as_raw()).bus };
        while !bus.is_null() {
            // SAFETY: as above.
            let (found, parent) = unsafe { ((*bus).number, (*bus).parent) };
            if found == number {
                return true;
            }
            bus = parent;
        }
        false
    }

    /// Whether `other` is a device on one of the buses below this one, a bridge.
    pub(crate) fn has_below(&self, other: &Self) -> bool {
        // SAFETY: `other` holds its bus, and a bus all those above it and their bridges.
        let mut bus = unsafe { (*other.as_raw()).bus };
        while !bus.is_null() {
            // SAFETY: as above.
            let (bridge, parent) = unsafe { ((*bus).self_, (*bus).parent) };
            if ptr::eq(bridge, self.as_raw()) {
                return true;
            }
            bus = parent;
        }
        false
    }

    /// Whether it is a virtual function.
    pub(crate) fn is_virtual_function(&self) -> bool {
        // SAFETY: a bit that is set when the device is found.
        unsafe { (*self.as_raw()).is_virtfn() != 0 }
    }

    /// Whether it is a physical function with virtual ones, or may have some.
    pub(crate) fn is_physical_function(&self) -> bool {
        // SAFETY: a bit that is set when the device is found.
        unsafe { (*self.as_raw()).is_physfn() != 0 }
    }

    /// Of a virtual function: its physical one. `None` of any other function, and of one that is passed
    /// through without its physical function.
    pub(crate) fn physical(&self) -> Option<Self> {
        if !self.is_virtual_function() {
            return None;
        }
        // SAFETY: a virtual function holds its physical one.
        unsafe { Self::get((*self.as_raw()).__bindgen_anon_1.physfn) }
    }

    /// The same, and the function's index there; `None` too while they are being added.
    pub(crate) fn physical_function(&self) -> Option<(Self, c_int)> {
        let physical = self.physical()?;
        let index = physical.index_of(self.bdf())?;
        Some((physical, index))
    }

    /// The index of a virtual function of this physical one, while that is enabled.
    pub(crate) fn index_of(&self, function: Bdf) -> Option<c_int> {
        // SAFETY: the device is held.
        let count = unsafe { bindings::pci_num_vf(self.as_raw()) };
        (0..count).find(|&index| self.function_at(index) == function)
    }

    /// Where the virtual function of an index is.
    fn function_at(&self, index: c_int) -> Bdf {
        // SAFETY: the device is held.
        let bus = unsafe { bindings::pci_iov_virtfn_bus(self.as_raw(), index) };
        // SAFETY: as above.
        let devfn = unsafe { bindings::pci_iov_virtfn_devfn(self.as_raw(), index) };
        let ([.., bus], [.., devfn]) = (bus.to_be_bytes(), devfn.to_be_bytes());
        Bdf(u16::from_be_bytes([bus, devfn]))
    }

    /// Whether its driver's probe has come to its end. C: `device_is_bound`
    pub(crate) fn is_bound(&self) -> bool {
        // SAFETY: the device is held; two loads.
        unsafe { bindings::device_is_bound(self.as_device()) }
    }

    /// Its driver at this moment, as far as others are told of it.
    pub(crate) fn driver(&self) -> Option<Driver> {
        // Unbinding clears the pointer before the driver's module may go, and a module's memory goes
        // after a grace period.
        let _rcu = rcu::read_lock();
        // SAFETY: a pointer that is written at once.
        let driver = unsafe { (&raw const (*self.as_raw()).driver).read_volatile() };
        // SAFETY: null, or a driver that stays while the RCU lock is held.
        let driver = unsafe { driver.as_ref() }?;
        // SAFETY: a text in the driver's module, which stays as the driver does.
        let name = unsafe { text(driver.name) };
        // SAFETY: null, or a table in the driver's module, which stays as the driver does.
        let table = unsafe { driver.err_handler.as_ref() };
        Some(Driver { name: DriverName::new(name), handlers: table.map(handlers) })
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

/// The PCI device of a `struct device` that is one's. C: `to_pci_dev`
pub(crate) const fn of_device(device: *mut bindings::device) -> *mut bindings::pci_dev {
    device.wrapping_byte_sub(core::mem::offset_of!(bindings::pci_dev, dev)).cast()
}

/// C: `PCI_ANY_ID`
const ANY: u32 = u32::MAX;

/// A text of C's; nothing of null or of what is not UTF-8.
///
/// # Safety
///
/// `text` is null or a terminated text that lives as long as `'a`.
unsafe fn text<'a>(text: *const kernel::ffi::c_char) -> &'a str {
    if text.is_null() {
        return "";
    }
    // SAFETY: the caller's promise.
    unsafe { core::ffi::CStr::from_ptr(text.cast()) }.to_str().unwrap_or("")
}

fn handlers(table: &bindings::pci_error_handlers) -> Handlers {
    let mut handlers = Handlers::empty();
    handlers.set(Handlers::ERROR_DETECTED, table.error_detected.is_some());
    handlers.set(Handlers::MMIO_ENABLED, table.mmio_enabled.is_some());
    handlers.set(Handlers::SLOT_RESET, table.slot_reset.is_some());
    handlers.set(Handlers::RESUME, table.resume.is_some());
    handlers
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
