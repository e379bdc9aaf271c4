// SPDX-License-Identifier: GPL-2.0-or-later
//! EEH starts: once, from an arch_initcall, when memory is there and the PHBs are known but no device is.
//! C: `eeh_init`

use core::cell::UnsafeCell;
use core::time::Duration;

use eeh_pe::{Registry, RegistryLimits, RegistryStorage};
use kernel::ffi::{c_int, c_ulong, c_void};

use crate::bindings::{self, notifier_block};
use crate::firmware::Firmware;
use crate::pci::{PciDev, of_device};
use crate::printk::pr_warn;
use crate::state::{Eeh, MAX_PHBS};
use crate::{KernelPlatform, history, mailbox, phb, platform, probe, registry, reporting, state, worker};

/// PEs of a PHB; PHB5 has the most, 1024.
const PES: usize = 4096;
/// Devices of a PHB, virtual functions included.
const DEVICES: usize = 8192;
/// How long recoveries get to leave the slots usable when the system goes down.
const QUIESCE: Duration = Duration::from_secs(5);

/// A notifier, which C links into a list.
#[repr(transparent)]
struct Notifier(UnsafeCell<notifier_block>);

// SAFETY: only the list's owner in C touches it once it is registered.
unsafe impl Sync for Notifier {}

impl Notifier {
    const fn new(call: unsafe extern "C" fn(*mut notifier_block, c_ulong, *mut c_void) -> c_int) -> Self {
        Self(UnsafeCell::new(notifier_block {
            notifier_call: Some(call),
            next: core::ptr::null_mut(),
            priority: 0,
        }))
    }
}

static REBOOT: Notifier = Notifier::new(rebooting);
static DEVICES_NOTIFIER: Notifier = Notifier::new(device_event);

const DONE: c_int = bindings::NOTIFY_DONE.cast_signed();

/// The system goes down: nothing more is detected, and what is being recovered is left usable.
/// C: `eeh_reboot_notifier`
extern "C" fn rebooting(_: *mut notifier_block, _action: c_ulong, _: *mut c_void) -> c_int {
    state::clear_flag(bindings::EEH_ENABLED);
    worker::quiesce(QUIESCE);
    DONE
}

/// Something happened to a PCI device. C: `eeh_device_notifier`
///
/// # Safety
///
/// `data` is the `struct device` of a PCI device that the caller holds.
unsafe extern "C" fn device_event(_: *mut notifier_block, action: c_ulong, data: *mut c_void) -> c_int {
    // SAFETY: the caller's promise; it is the `dev` of a `pci_dev`.
    let Some(device) = (unsafe { PciDev::get(of_device(data.cast())) }) else { return DONE };
    match u32::try_from(action) {
        Ok(bindings::bus_notifier_event_BUS_NOTIFY_DEL_DEVICE) => probe::leave(&device),
        // Sent under the `device_lock`.
        Ok(bindings::bus_notifier_event_BUS_NOTIFY_BOUND_DRIVER) => {
            if let (Some(id), Some(registry)) = (device.eeh(), registry()) {
                eeh_recovery::driver_bound(registry, id);
            }
        }
        Ok(_) | Err(_) => {}
    }
    DONE
}

/// Makes registry and platform. `None`: no memory.
fn make(firmware: Firmware) -> Option<Eeh> {
    // SAFETY: boot: nobody adds or removes a PHB.
    let phbs = unsafe { phb::hoses() }.count();
    // Those that DLPAR adds, and dead ones that somebody still holds.
    let phbs = phbs.saturating_mul(2).saturating_add(16).min(MAX_PHBS);
    let cpus = &raw const bindings::nr_cpu_ids;
    // SAFETY: a static word that is set before any initcall.
    let cpus = unsafe { cpus.read() } as usize;
    history::init();
    reporting::init();
    if !mailbox::init(phbs) {
        return None;
    }
    let limits = RegistryLimits { phbs, pes: PES, devices: DEVICES, cpus };
    let registry = Registry::new(RegistryStorage::reserve(limits)?);
    Some(Eeh { registry, platform: KernelPlatform { firmware } })
}

/// Starts EEH over this firmware: 0, or an error number. C: `eeh_init`
///
/// # Context
///
/// Boot, an arch_initcall; may sleep.
pub(crate) fn start(firmware: Firmware) -> c_int {
    let nomem = -bindings::ENOMEM.cast_signed();
    if platform().is_some() {
        return -bindings::EEXIST.cast_signed();
    }
    let Some(eeh) = make(firmware) else { return nomem };
    if !state::publish(eeh) {
        return nomem;
    }
    // SAFETY: the notifier is static.
    let error = unsafe { bindings::register_reboot_notifier(REBOOT.0.get()) };
    if error != 0 {
        pr_warn!("eeh_init: Failed to register reboot notifier ({error})");
        return error;
    }
    // SAFETY: bus and notifier are static.
    let error = unsafe {
        bindings::bus_register_notifier(&raw const bindings::pci_bus_type, DEVICES_NOTIFIER.0.get())
    };
    if error != 0 {
        pr_warn!("eeh_init: Failed to register bus notifier ({error})");
        return error;
    }
    // SAFETY: boot: nobody adds or removes a PHB.
    for hose in unsafe { phb::hoses() } {
        // SAFETY: whoever removes it with DLPAR tells.
        unsafe { phb::add(hose) };
    }
    0
}

/// A function that the kernel calls at boot.
type Initcall = extern "C" fn() -> c_int;

#[used(linker)]
#[unsafe(
    // SAFETY: the section holds functions of this type, which are called once at boot.
    link_section = ".initcall3.init"
)]
static ARCH_INITCALL: Initcall = arch_initcall;

/// C: `eeh_powernv_init` and `eeh_pseries_init`
extern "C" fn arch_initcall() -> c_int {
    if state::is_powernv() {
        crate::powernv::init()
    } else if state::is_pseries() {
        crate::pseries::init()
    } else {
        0
    }
}
