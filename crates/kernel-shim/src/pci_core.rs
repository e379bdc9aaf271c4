// SPDX-License-Identifier: GPL-2.0-or-later
//! The PCI core, where it needs no driver's code and no lock shared between PHBs.

use eeh_recovery::{ChannelState, Driver, ErsResult, FirmwareError, Location, PciCore, PhbTarget};
use kernel::str::CStrExt;

use crate::bindings;
use crate::bus::Bus;
use crate::env::KernelEnv;
use crate::mailbox;
use crate::pci::PciDev;
use crate::sriov;

/// Linux's PCI core.
#[derive(Debug)]
pub(crate) struct KernelCore;

/// C: `pci_channel_state_t`
pub(crate) const fn channel_state(state: ChannelState) -> bindings::pci_channel_state_t {
    match state {
        ChannelState::Normal => bindings::pci_channel_io_normal,
        ChannelState::Frozen => bindings::pci_channel_io_frozen,
        ChannelState::PermFailure => bindings::pci_channel_io_perm_failure,
    }
}

/// C: `pci_ers_result_t`
const fn ers_result(result: ErsResult) -> bindings::pci_ers_result {
    match result {
        ErsResult::None => bindings::pci_ers_result_PCI_ERS_RESULT_NONE,
        ErsResult::CanRecover => bindings::pci_ers_result_PCI_ERS_RESULT_CAN_RECOVER,
        ErsResult::NeedReset => bindings::pci_ers_result_PCI_ERS_RESULT_NEED_RESET,
        ErsResult::Disconnect => bindings::pci_ers_result_PCI_ERS_RESULT_DISCONNECT,
        ErsResult::Recovered => bindings::pci_ers_result_PCI_ERS_RESULT_RECOVERED,
        ErsResult::NoAerDriver => bindings::pci_ers_result_PCI_ERS_RESULT_NO_AER_DRIVER,
    }
}

/// C: `PCI_D0`
const D0: bindings::pci_power_t = 0;

/// A property of a device tree node that holds a location code.
///
/// # Safety
///
/// `node` is null or a node that stays during the call.
unsafe fn location_of(node: *const bindings::device_node, property: &core::ffi::CStr) -> Option<Location> {
    let mut len = 0;
    // SAFETY: the caller's promise; null is allowed.
    let found = unsafe { bindings::of_get_property(node, property.as_char_ptr(), &raw mut len) };
    let len = usize::try_from(len).ok().filter(|_| !found.is_null())?;
    // SAFETY: a property of so many bytes, which stays as its node does.
    let bytes = unsafe { core::slice::from_raw_parts(found.cast::<u8>(), len) };
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or(&[]);
    Some(Location::new(core::str::from_utf8(text).unwrap_or("N/A")))
}

/// Location code of a PHB. C: `eeh_pe_loc_get_bus` of a root bus
///
/// # Safety
///
/// `node` is null or a node that stays during the call.
pub(crate) unsafe fn phb_location(node: *const bindings::device_node) -> Location {
    // SAFETY: the caller's promise.
    unsafe { location_of(node, c"ibm,io-base-loc-code") }.unwrap_or(Location::new("N/A"))
}

impl PciCore<KernelEnv> for KernelCore {
    fn set_channel_state(&self, device: &PciDev, state: ChannelState) {
        // A driver in its probe is told of no error, and has the device's lock. It must come back by its own
        // timeouts: nvme begins them anew for as long as the device is offline.
        if state == ChannelState::Frozen && !device.is_bound() {
            return;
        }
        // SAFETY: the device is held. A word that C too writes at any time, without a lock.
        unsafe { device.error_state().write_volatile(channel_state(state)) };
    }

    fn disable_irq(&self, device: &PciDev) -> bool {
        let raw = device.as_raw();
        // SAFETY: the device is held. A bit that its driver changes, as those beside it: no reference is made,
        // and an old value is as good as a check that came before the change.
        let msi = unsafe { bindings::pci_dev::msi_enabled_raw(raw) } != 0;
        // SAFETY: as above.
        let msi = msi || unsafe { bindings::pci_dev::msix_enabled_raw(raw) } != 0;
        // SAFETY: a number that changes only with the device's driver.
        let irq = unsafe { (*raw).irq };
        // SAFETY: any number may be asked for.
        if msi || !unsafe { bindings::irq_has_action(irq) } {
            return false;
        }
        // SAFETY: the interrupt has a handler, so it exists.
        unsafe { bindings::disable_irq_nosync(irq) };
        true
    }

    /// Not when a driver that released and requested its interrupt meanwhile has enabled it: the
    /// balance of `disable_irq` is the interrupt's, and a new handler begins with a new one.
    fn enable_irq(&self, device: &PciDev) {
        // SAFETY: a number that changes only with the device's driver.
        let irq = unsafe { (*device.as_raw()).irq };
        // SAFETY: any number may be asked for.
        let data = unsafe { bindings::irq_get_irq_data(irq) };
        // SAFETY: not null, and an interrupt's data stay.
        if !data.is_null() && unsafe { bindings::eeh_glue_irq_disabled(data) } {
            // SAFETY: a task, without any lock.
            unsafe { bindings::enable_irq(irq) };
        }
    }

    fn driver(&self, device: &PciDev) -> Option<Driver> {
        device.driver()
    }

    fn needs_fundamental(&self, device: &PciDev) -> bool {
        // SAFETY: the device is held. A bit that a quirk or its driver sets, as those beside it: no reference is
        // made.
        unsafe { bindings::pci_dev::needs_freset_raw(device.as_raw()) != 0 }
    }

    fn location(&self, device: &PciDev) -> Location {
        let mut next = Some(Bus::of(device));
        while let Some(bus) = next {
            next = bus.parent();
            let property = if next.is_none() { c"ibm,io-base-loc-code" } else { c"ibm,slot-location-code" };
            // SAFETY: null, or the node of a bus, which stays as the bus does: as long as the device is held.
            if let Some(found) = unsafe { location_of(bus.node(), property) } {
                return found;
            }
        }
        Location::new("N/A")
    }

    fn phb_location(&self, phb: &PhbTarget) -> Location {
        mailbox::location(phb.tree)
    }

    fn uevent(&self, device: &PciDev, result: ErsResult) {
        // SAFETY: the device is held, and the worker may sleep.
        unsafe { bindings::pci_uevent_ers(device.as_raw(), ers_result(result)) };
    }

    fn save_state(&self, device: &PciDev) {
        // SAFETY: the device is held, and the worker may sleep. A device that does not wake up is saved as
        // it is.
        unsafe { bindings::pci_set_power_state(device.as_raw(), D0) };
        // SAFETY: as above.
        unsafe { bindings::pci_save_state(device.as_raw()) };
    }

    fn restore_state(&self, device: &PciDev) {
        // SAFETY: the device is held, and the worker may sleep.
        unsafe { bindings::pci_restore_state(device.as_raw()) };
    }

    fn reenable(&self, device: &PciDev) -> bool {
        // SAFETY: the device is held, and the worker may sleep.
        unsafe { bindings::pci_reenable_device(device.as_raw()) == 0 }
    }

    fn notify_resume(&self, device: &PciDev) -> Result<(), FirmwareError> {
        sriov::notify_resume(device)
    }
}
