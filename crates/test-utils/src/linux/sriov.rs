// SPDX-License-Identifier: GPL-2.0-or-later
//! Virtual functions, as the PCI core adds and removes them. C: drivers/pci/iov.c

use std::sync::Arc;

use eeh_pe::VfInfo;
use eeh_recovery::JobAnswer;

use super::SimLinux;
use super::bind::Died;
use super::device::SimDevice;

impl SimLinux {
    /// Adds one virtual function again. C: `pci_iov_add_virtfn`
    pub(super) async fn add_vf_for_recovery(&self, vf: VfInfo, physfn: &Arc<SimDevice>) -> JobAnswer {
        let lock = self.rescan_lock().lock().await;
        let Some(phb) = physfn.phb().filter(|_| !physfn.is_gone()) else { return JobAnswer::Gone };
        if phb.device(vf.bdf).is_some() {
            return JobAnswer::Done;
        }
        let Some(device) = self.set_up(&phb, vf.bdf) else { return JobAnswer::Gone };
        self.probe_eeh(&phb, &device);
        if self.attach(&device).await == Err(Died) {
            lock.lose();
            return JobAnswer::Died;
        }
        JobAnswer::Done
    }
}
