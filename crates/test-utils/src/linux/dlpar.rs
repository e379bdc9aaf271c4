// SPDX-License-Identifier: GPL-2.0-or-later
//! Slots leave a partition and join it (DLPAR). C: drivers/pci/hotplug/rpadlpar_core.c

use std::sync::Arc;

use eeh_pe::Bdf;

use super::SimLinux;
use super::bind::Died;
use super::device::SimDevice;
use super::hotplug::HotplugError;

impl SimLinux {
    /// An administrator gives a slot back: Linux lets go of the devices in it and behind it, then firmware
    /// takes it from the partition. C: `dlpar_remove_pci_slot`
    ///
    /// # Errors
    ///
    /// No such PHB or slot, no partition, or a driver died.
    pub async fn remove_slot(&self, phb: u32, bdf: Bdf) -> Result<(), HotplugError> {
        let rtas = self.rtas().ok_or(HotplugError::NoSlot(phb, bdf))?.honest();
        let lock = self.rescan_lock().lock().await;
        let there = self.phb(phb).ok_or(HotplugError::NoPhb(phb))?;
        let beside = |d: &Arc<SimDevice>| d.bdf().device() == bdf.device() && d.identity().physfn.is_none();
        let slot: Vec<_> = there.on_bus(bdf.bus()).into_iter().filter(beside).collect();
        for device in slot {
            if self.stop_and_remove(&device).await == Err(Died) {
                lock.lose();
                return Err(HotplugError::Died);
            }
        }
        if rtas.remove_slot(phb, bdf) == 0 { Ok(()) } else { Err(HotplugError::NoSlot(phb, bdf)) }
    }

    /// An administrator gets a slot: firmware powers it and gives it to the partition, and Linux looks what is
    /// in it. C: `dlpar_add_pci_slot`
    ///
    /// # Errors
    ///
    /// No such PHB or slot, the partition has it already, or a driver died.
    pub async fn add_slot(&self, phb: u32, bdf: Bdf) -> Result<usize, HotplugError> {
        let rtas = self.rtas().ok_or(HotplugError::NoSlot(phb, bdf))?.honest();
        if rtas.add_slot(phb, bdf) != 0 {
            return Err(HotplugError::NoSlot(phb, bdf));
        }
        if let Some(timing) = self.hardware(phb).and_then(|hardware| hardware.timing(bdf)) {
            self.pace().sleep(timing.ready_after).await;
        }
        self.rescan(phb).await
    }
}
