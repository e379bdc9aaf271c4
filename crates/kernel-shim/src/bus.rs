// SPDX-License-Identifier: GPL-2.0-or-later
//! The buses that a PCI device is on or below.

use core::iter;
use core::marker::PhantomData;

use kernel::ffi::c_int;

use crate::bindings;
use crate::pci::PciDev;

/// A bus that a device is on or below.
///
/// # Invariants
///
/// It points to a bus that stays for `'d`: the device is held as long, and holds its bus, and a bus its bridge,
/// which holds the bus above. A bus that only virtual functions are on has no bridge: the bus above it is their
/// physical function's, which they hold until they are removed.
#[derive(Clone, Copy)]
pub(crate) struct Bus<'d>(*mut bindings::pci_bus, PhantomData<&'d PciDev>);

impl<'d> Bus<'d> {
    /// The bus that a device is on.
    pub(crate) fn of(device: &'d PciDev) -> Self {
        // SAFETY: the device is held for `'d`. Set when it is found, and never changed.
        Self(unsafe { (*device.as_raw()).bus }, PhantomData)
    }

    /// The bus above this one; `None` of a root bus.
    pub(crate) fn parent(self) -> Option<Self> {
        // SAFETY: the bus stays for `'d`. Set when it is made, and never changed.
        let parent = unsafe { (*self.0).parent };
        (!parent.is_null()).then_some(Self(parent, PhantomData))
    }

    /// This bus and those above it.
    pub(crate) fn upwards(self) -> impl Iterator<Item = Self> {
        iter::successors(Some(self), |bus| bus.parent())
    }

    /// Its number on the PHB.
    pub(crate) fn number(self) -> u8 {
        // SAFETY: the bus stays for `'d`. Set when it is made, and never changed.
        unsafe { (*self.0).number }
    }

    /// The bridge that it is behind; null of a root bus, and of one that only virtual functions are on.
    pub(crate) fn bridge(self) -> *mut bindings::pci_dev {
        // SAFETY: the bus stays for `'d`. Set when it is made, and never changed.
        unsafe { (*self.0).self_ }
    }

    /// Its node of the device tree; null where that has none.
    pub(crate) fn node(self) -> *const bindings::device_node {
        // SAFETY: the bus stays for `'d`, and has its node for as long.
        unsafe { (*self.0).dev.of_node }
    }

    /// Linux's number of its PHB, as C has it.
    pub(crate) fn domain(self) -> c_int {
        // SAFETY: the bus stays for `'d`, and its PHB as long as its buses.
        unsafe { bindings::pci_domain_nr(self.0) }
    }

    /// Its PHB, which stays as long as its devices do.
    pub(crate) fn hose(self) -> *mut bindings::pci_controller {
        // SAFETY: the bus stays for `'d`.
        unsafe { bindings::eeh_glue_bus_to_host(self.0) }
    }
}
