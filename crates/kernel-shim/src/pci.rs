// SPDX-License-Identifier: GPL-2.0-or-later
//! Linux's PCI devices, counted.

use core::ffi::CStr;
use core::ptr::{self, NonNull};

use eeh_pe::{Bdf, DeviceId};
use eeh_recovery::{Driver, DriverName, Handlers};
use kernel::ffi::c_int;
use kernel::str::CStrExt;
use kernel::sync::rcu;

use crate::bus::Bus;
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
        // SAFETY: a look-up by numbers.
        let found = unsafe { bindings::pci_get_domain_bus_and_slot(domain, bdf.bus().into(), devfn) };
        // SAFETY: null, or what was found, counted for us.
        unsafe { Self::from_counted(found) }
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

    /// Its node of the device tree; null where that has none.
    pub(crate) fn node(&self) -> *mut bindings::device_node {
        // SAFETY: the device is held, and has its node for as long.
        unsafe { (*self.as_device()).of_node }
    }

    /// Whether the device tree says something of it.
    pub(crate) fn has_property(&self, name: &CStr) -> bool {
        // SAFETY: the device is held, and its node with it; null is allowed.
        let found = unsafe { bindings::of_find_property(self.node(), name.as_char_ptr(), ptr::null_mut()) };
        !found.is_null()
    }

    /// C: `pci_dev.vendor`
    pub(crate) fn vendor_id(&self) -> u16 {
        // SAFETY: the device is held. Set when it is found, and never changed.
        unsafe { (*self.as_raw()).vendor }
    }

    /// C: `pci_dev.device`
    pub(crate) fn device_id(&self) -> u16 {
        // SAFETY: as above.
        unsafe { (*self.as_raw()).device }
    }

    /// Its class, with the programming interface. C: `pci_dev.class`
    pub(crate) fn class(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.as_raw()).class }
    }

    /// EEH's name of it, if EEH knows it. C: `pci_dev_to_eeh_dev`
    pub(crate) fn eeh(&self) -> Option<DeviceId> {
        // SAFETY: the device is held.
        unsafe { token::device_of(self.as_raw()) }
    }

    /// Its place on the PHB.
    pub(crate) fn bdf(&self) -> Bdf {
        // SAFETY: the device is held. Set when it is found, and never changed.
        let devfn = unsafe { (*self.as_raw()).devfn };
        let [.., devfn] = devfn.to_be_bytes();
        Bdf(u16::from_be_bytes([Bus::of(self).number(), devfn]))
    }

    /// Linux's number of its PHB.
    pub(crate) fn domain(&self) -> u32 {
        u32::try_from(Bus::of(self).domain()).unwrap_or(u32::MAX)
    }

    /// Whether it has left the device model.
    pub(crate) fn is_gone(&self) -> bool {
        // SAFETY: a field of a device that is held; no reference is made.
        let flags = unsafe { &raw const (*self.as_raw()).priv_flags };
        // SAFETY: as above; a word that the PCI core changes by atomic operations.
        let flags = unsafe { flags.read_volatile() };
        flags & REMOVED != 0
    }

    /// Where C has its channel state. C and we read and write it at any time, without a lock, in one piece.
    pub(crate) const fn error_state(&self) -> *mut bindings::pci_channel_state_t {
        // SAFETY: a field of a device that is held; no reference is made.
        unsafe { &raw mut (*self.as_raw()).error_state }
    }

    /// Whether it is a PCI-to-PCI bridge.
    pub(crate) fn is_bridge(&self) -> bool {
        // SAFETY: set when the device was found, and never changed.
        unsafe { (*self.as_raw()).hdr_type == 1 }
    }

    /// Whether bus `number` of its PHB is the one it is on, or above that.
    pub(crate) fn is_below(&self, number: u8) -> bool {
        Bus::of(self).upwards().any(|bus| bus.number() == number)
    }

    /// Whether `other` is a device on one of the buses below this one, a bridge.
    pub(crate) fn has_below(&self, other: &Self) -> bool {
        Bus::of(other).upwards().any(|bus| ptr::eq(bus.bridge(), self.as_raw()))
    }

    /// Whether it is a virtual function.
    pub(crate) fn is_virtual_function(&self) -> bool {
        // SAFETY: the device is held. A bit that is set when it is found; others beside it change: no
        // reference is made.
        unsafe { bindings::pci_dev::is_virtfn_raw(self.as_raw()) != 0 }
    }

    /// Whether it is a physical function with virtual ones, or may have some.
    pub(crate) fn is_physical_function(&self) -> bool {
        // SAFETY: as above.
        unsafe { bindings::pci_dev::is_physfn_raw(self.as_raw()) != 0 }
    }

    /// Of a virtual function: its physical one. `None` of any other function, and of one that is passed
    /// through without its physical function.
    pub(crate) fn physical(&self) -> Option<Self> {
        if !self.is_virtual_function() {
            return None;
        }
        // SAFETY: the device is held. Set when it is found, and never changed.
        let field = unsafe { (*self.as_raw()).__bindgen_anon_1 };
        // SAFETY: of a virtual function it is its physical one.
        let physical = unsafe { field.physfn };
        // SAFETY: null, or the physical function, which a virtual one holds until it is removed. That both go in
        // between is a window that C's `pci_physfn` has too.
        unsafe { Self::get(physical) }
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
        // SAFETY: a field of a device that is held; no reference is made.
        let driver = unsafe { &raw const (*self.as_raw()).driver };
        // SAFETY: as above; a pointer that is written at once.
        let driver = unsafe { driver.read_volatile() };
        if driver.is_null() {
            return None;
        }
        // SAFETY: a driver that stays while the RCU lock is held; set before it is registered, and never
        // changed.
        let name = unsafe { (*driver).name };
        // SAFETY: a text in the driver's module, which stays as the driver does.
        let name = unsafe { text(name) };
        // SAFETY: as above.
        let table = unsafe { (*driver).err_handler };
        // SAFETY: null, or a table in the driver's module, which stays as the driver does and is not written.
        let table = unsafe { table.as_ref() };
        Some(Driver { name: DriverName::new(name), handlers: table.map(handlers) })
    }
}

/// The PCI device of a `struct device` that is one's. C: `to_pci_dev`
pub(crate) const fn of_device(device: *mut bindings::device) -> *mut bindings::pci_dev {
    device.wrapping_byte_sub(core::mem::offset_of!(bindings::pci_dev, dev)).cast()
}

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
    unsafe { CStr::from_char_ptr(text) }.to_str().unwrap_or("")
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
