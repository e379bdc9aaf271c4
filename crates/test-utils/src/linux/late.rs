// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices that come to a PE in the middle of its recovery, as the kernel shim has it: what firmware gave
//! them is set up anew and saved once more, and their drivers, whose probes met a device that is blocked or
//! frozen, get another chance when the PHB has recovered. The threads of a storm do not give that.

use eeh_pe::{DeviceFlags, DeviceId, PeFlags, TreeId};
use eeh_recovery::{DeviceTarget, SlotControl as _, save_config};

use super::SimLinux;
use super::device::SimDevice;

impl SimLinux {
    /// A device was entered; nothing happens unless its PE is being recovered.
    pub(super) fn refresh(&self, device: &SimDevice, target: &DeviceTarget, id: DeviceId) {
        let pe = self.registry().peek_device(id).and_then(|view| self.registry().peek(view.pe));
        let recovering = pe.is_some_and(|pe| pe.flags.contains(PeFlags::RECOVERING));
        if device.identity().physfn.is_some() || !recovering {
            return;
        }
        // One that firmware does not know stays as it is.
        let _ = self.back_end().reinit(target);
        let saved = save_config(self.back_end(), target, device.is_bridge()).unwrap_or([u32::MAX; 16]);
        let Some(tree) = self.registry().tree(id.tree()) else { return };
        {
            let mut guard = tree.lock();
            guard.save_config(id, saved);
            if self.mailboxes().tells() {
                let _ = guard.change_device(id, DeviceFlags::LATE, DeviceFlags::empty());
            }
        }
        self.mailboxes().note_late(id.tree());
    }

    /// The PHB has recovered: each device that came late gets its driver. One whose probe fails again stays
    /// without. A driver that dies takes this task with it.
    pub async fn attach_late(&self, tree: TreeId) {
        for device in self.phb_of(tree).into_iter().flat_map(|phb| phb.devices()) {
            let hold = device.eeh().and_then(|id| self.registry().get_device(id));
            let late = hold.is_some_and(|hold| hold.clear(DeviceFlags::LATE).contains(DeviceFlags::LATE));
            if late && self.attach(&device).await.is_err() {
                return;
            }
        }
    }
}
