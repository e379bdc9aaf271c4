// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices that somebody else adds to a PE in the middle of its recovery: their drivers' probes meet
//! configuration space that is blocked, or a PE that is frozen, and fail. They get another chance when the
//! PHB has recovered. C: whoever adds one waits for the recovery, with the rescan lock

use eeh_pe::TreeId;

use crate::bindings;
use crate::mailbox;
use crate::pci::PciDev;
use crate::thread;

/// How many devices of a PHB are remembered; more are whoever's added them.
const PLACES: usize = 8;

/// Those of one PHB.
pub(crate) struct Late {
    devices: [Option<PciDev>; PLACES],
    /// Some came since a thread was made for them.
    new: bool,
}

impl Late {
    pub(crate) const EMPTY: Self = Self { devices: [const { None }; PLACES], new: false };

    /// Remembers a device, which is given back when there is no place.
    pub(crate) fn put(&mut self, device: PciDev) -> Option<PciDev> {
        let Some(place) = self.devices.iter_mut().find(|place| place.is_none()) else { return Some(device) };
        *place = Some(device);
        self.new = true;
        None
    }

    /// Whether some came since this was asked last.
    pub(crate) fn are_new(&mut self) -> bool {
        core::mem::take(&mut self.new)
    }

    /// One of them.
    pub(crate) fn take(&mut self) -> Option<PciDev> {
        self.devices.iter_mut().find_map(Option::take)
    }
}

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
    while let Some(device) = mailbox::take_late(tree) {
        // SAFETY: the device is held; one that is gone or has a driver stays as it is.
        let _ = unsafe { bindings::device_attach(device.as_device()) };
    }
}
