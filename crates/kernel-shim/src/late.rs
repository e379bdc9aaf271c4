// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices that somebody else adds to a PE in the middle of its recovery: their drivers' probes meet
//! configuration space that is blocked, or a PE that is frozen, and fail. They get another chance when the
//! PHB has recovered. C: whoever adds one waits for the recovery, with the rescan lock

use eeh_pe::{DeviceFlags, TreeId};

use crate::pci::PciDev;
use crate::{bindings, registry, thread};

/// The PHB has recovered: a thread of its own, in which drivers may hang, gives them their drivers. Without
/// memory for one they stay without until somebody binds them.
///
/// # Context
///
/// May sleep.
pub(crate) fn attach(tree: TreeId, number: u32) {
    if let Some(task) = thread::create(c"eeha/%x", number, run, tree) {
        task.wake_up();
    }
}

/// The thread.
fn run(tree: TreeId) {
    let Some(registry) = registry() else { return };
    let of_tree = |device: &PciDev| device.eeh().filter(|id| id.tree() == tree);
    for device in PciDev::all() {
        let Some(hold) = of_tree(&device).and_then(|id| registry.get_device(id)) else { continue };
        // Each once: one whose probe fails again stays without.
        let late = hold.clear(DeviceFlags::LATE).contains(DeviceFlags::LATE);
        drop(hold);
        if late {
            // SAFETY: the device is held; one that is gone or has a driver stays as it is.
            let _ = unsafe { bindings::device_attach(device.as_device()) };
        }
    }
}
