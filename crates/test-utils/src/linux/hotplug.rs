// SPDX-License-Identifier: GPL-2.0-or-later
//! Adding and removing devices. C: drivers/pci/{remove,probe}.c, arch/powerpc/kernel/pci-hotplug.c
//!
//! Order of locks, as in Linux: the rescan lock, then a device's lock. EEH never asks for the first
//! while it holds the second.

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use eeh_pe::{Bdf, DeviceFlags};

use super::SimLinux;
use super::bind::Died;
use super::device::SimDevice;
use super::phb::SimPhb;

/// How long a hotplug driver waits for a card: one that needs longer is not found.
const READY_LIMIT: Duration = Duration::from_secs(1);

/// How long the PCI core waits for a function that asks for more time.
const RETRY_LIMIT: Duration = Duration::from_secs(60);

/// Why something administrative was not done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HotplugError {
    /// Linux has no such PHB.
    #[error("there is no PHB {0:04x}")]
    NoPhb(u32),
    /// Linux has no such device.
    #[error("there is no device {0:04x}:{1}")]
    NoDevice(u32, Bdf),
    /// There is no such slot to be had or given back.
    #[error("there is no slot {0:04x}:{1} for DLPAR")]
    NoSlot(u32, Bdf),
    /// The PHB exists already, or the machine has no place for it.
    #[error("PHB {0:04x} cannot be added")]
    CannotAdd(u32),
    /// EEH has no room for the PHB yet: what was there before is still referenced.
    #[error("PHB {0:04x}: EEH has no room yet")]
    NoRoom(u32),
    /// A driver's code oopsed: its locks are lost, the rescan lock among them.
    #[error("a driver died while it was bound or unbound")]
    Died,
}

impl From<Died> for HotplugError {
    fn from(_: Died) -> Self {
        Self::Died
    }
}

impl SimLinux {
    /// Looks a device up.
    ///
    /// # Errors
    ///
    /// No such PHB or device.
    pub fn device(&self, phb: u32, bdf: Bdf) -> Result<Arc<SimDevice>, HotplugError> {
        let found = self.phb(phb).ok_or(HotplugError::NoPhb(phb))?.device(bdf);
        found.ok_or(HotplugError::NoDevice(phb, bdf))
    }

    /// Removes a device and all below it, as `echo 1 > remove` in sysfs.
    ///
    /// # Errors
    ///
    /// No such device, or a driver died.
    pub async fn remove(&self, phb: u32, bdf: Bdf) -> Result<(), HotplugError> {
        let lock = self.rescan_lock().lock().await;
        let device = self.device(phb, bdf)?;
        if self.stop_and_remove(&device).await == Err(Died) {
            lock.lose();
            return Err(HotplugError::Died);
        }
        Ok(())
    }

    /// Scans a whole PHB and adds what is new, as `echo 1 > rescan`.
    ///
    /// # Errors
    ///
    /// No such PHB, or a driver died.
    pub async fn rescan(&self, phb: u32) -> Result<usize, HotplugError> {
        if self.power_cycle_lost(phb) {
            self.pace().sleep(READY_LIMIT).await;
        }
        let lock = self.rescan_lock().lock().await;
        let phb = self.phb(phb).ok_or(HotplugError::NoPhb(phb))?;
        let added = self.add_bus(&phb, phb.root_bus()).await;
        if added == Err(Died) {
            lock.lose();
        }
        Ok(added?)
    }

    /// A partition finds nothing behind a PE that is stopped or given up: its administrator has the slot's
    /// power cycled first, where Linux has no device. C: `rpaphp_enable_slot`
    fn power_cycle_lost(&self, number: u32) -> bool {
        let (Some(rtas), Some(phb), Some(hardware)) = (self.rtas(), self.phb(number), self.hardware(number))
        else {
            return false;
        };
        let members = |pe: u32| phb.devices().iter().any(|d| hardware.pe_of(d.bdf()) == Some(pe));
        let mut cycled = false;
        for bdf in hardware.homes() {
            let Some(pe) = hardware.pe_of(bdf).filter(|&pe| !members(pe)) else { continue };
            if hardware.stopped(pe).any() || rtas.honest().has_given_up(number, pe) {
                cycled |= hardware.pull(bdf) && hardware.push(bdf);
            }
        }
        cycled
    }

    /// Unbinds the driver of a device, as `echo > unbind`.
    ///
    /// # Errors
    ///
    /// No such device, or the driver died.
    pub async fn unbind(&self, phb: u32, bdf: Bdf) -> Result<(), HotplugError> {
        Ok(self.detach(&self.device(phb, bdf)?).await?)
    }

    /// Binds a driver to a device, as `echo > bind`.
    ///
    /// # Errors
    ///
    /// No such device, or the driver died.
    pub async fn bind(&self, phb: u32, bdf: Bdf) -> Result<(), HotplugError> {
        Ok(self.attach(&self.device(phb, bdf)?).await?)
    }

    /// A card is pulled without warning: the hardware is gone at once, Linux notices when its
    /// hotplug driver removes the device.
    ///
    /// # Errors
    ///
    /// No such device, or a driver died.
    pub async fn pull(&self, phb: u32, bdf: Bdf) -> Result<(), HotplugError> {
        if let Some(hardware) = self.hardware(phb) {
            hardware.pull(bdf);
        }
        self.remove(phb, bdf).await
    }

    /// A card is pushed in, gets the time that it needs, and is found.
    ///
    /// # Errors
    ///
    /// No such PHB, or a driver died.
    pub async fn push(&self, phb: u32, bdf: Bdf) -> Result<usize, HotplugError> {
        if let Some(hardware) = self.hardware(phb)
            && hardware.push(bdf)
        {
            // As a hotplug driver does: no scan before the card can answer it.
            let ready = hardware.timing(bdf).unwrap_or_default().ready_after;
            if ready <= READY_LIMIT {
                self.pace().sleep(ready).await;
            }
        }
        self.rescan(phb).await
    }

    /// Scans a bus until no function on it asks for more time, for 60 s at most.
    /// C: `pci_bus_wait_rrs`
    async fn scan_patiently(&self, phb: &Arc<SimPhb>, bus: u8) -> Vec<Arc<SimDevice>> {
        let mut all = Vec::new();
        let mut wait = Duration::from_millis(1);
        loop {
            let (found, later) = self.scan(phb, bus);
            all.extend(found);
            if !later || wait > RETRY_LIMIT {
                return all;
            }
            self.pace().sleep(wait).await;
            wait *= 2;
        }
    }

    /// Scans a bus, and adds and binds what is new.
    ///
    /// # Context
    ///
    /// Under the rescan lock.
    pub(super) async fn add_bus(&self, phb: &Arc<SimPhb>, bus: u8) -> Result<usize, Died> {
        let found = self.scan_patiently(phb, bus).await;
        // A reset since has taken the addresses of what EEH does not know yet, and a bridge's bus numbers; what
        // is behind that was found through them.
        for device in &found {
            self.reassign(phb, device);
        }
        // What a fence, or whoever pulled it, has silenced since would be entered with registers that nobody
        // could read: it is left for the next scan.
        let (found, lost): (Vec<_>, Vec<_>) = found.into_iter().partition(|device| self.answers(phb, device));
        for device in lost.iter().rev() {
            if device.mark_gone() {
                phb.take(device);
            }
        }
        for device in &found {
            self.probe_eeh(phb, device);
        }
        for device in &found {
            self.attach(device).await?;
        }
        Ok(found.len())
    }

    /// Stops a device and all below, then takes them away. C: `pci_stop_and_remove_bus_device`
    ///
    /// # Context
    ///
    /// Under the rescan lock.
    pub(super) async fn stop_and_remove(&self, device: &Arc<SimDevice>) -> Result<(), Died> {
        let Some(phb) = device.phb() else { return Ok(()) };
        let mut doomed = vec![device.clone()];
        doomed.extend(device.identity().buses.into_iter().flat_map(|buses| phb.below(buses.secondary)));
        self.stop_and_take(&phb, &doomed).await
    }

    /// Unbinds the drivers of `doomed`, the deepest (last) first, then takes the devices away.
    pub(super) async fn stop_and_take(
        &self,
        phb: &Arc<SimPhb>,
        doomed: &[Arc<SimDevice>],
    ) -> Result<(), Died> {
        let mut doomed = doomed.to_vec();
        let mut stopped = 0;
        // What a driver adds below while it is being stopped goes too: Linux looks at its lists again.
        while stopped < doomed.len() {
            for device in doomed.iter().skip(stopped).rev() {
                self.detach(device).await?;
            }
            stopped = doomed.len();
            let below = doomed.iter().filter_map(|d| d.identity().buses).flat_map(|b| phb.below(b.secondary));
            let new: Vec<_> = below.filter(|d| !doomed.iter().any(|known| Arc::ptr_eq(known, d))).collect();
            doomed.extend(new);
        }
        for device in doomed.iter().rev() {
            // A driver bound meanwhile goes with its device: nobody finds that any more.
            if device.mark_gone() {
                self.remove_eeh(device);
                phb.take(device);
                device.set_driver(None);
            }
        }
        Ok(())
    }

    /// What a recovery may remove of `devices` (deepest last): not one whose `device_lock` is lost,
    /// nor a bridge above such a one.
    pub(super) fn removable(&self, devices: Vec<Arc<SimDevice>>) -> Vec<Arc<SimDevice>> {
        let mut kept_buses = BTreeSet::new();
        let mut removable = Vec::new();
        for device in devices.into_iter().rev() {
            let above = device.identity().buses.is_some_and(|b| kept_buses.contains(&b.secondary));
            if above || self.has_lost_lock(&device) {
                kept_buses.insert(device.bdf().bus());
            } else {
                removable.push(device);
            }
        }
        removable.reverse();
        removable
    }

    fn has_lost_lock(&self, device: &SimDevice) -> bool {
        let view = device.eeh().and_then(|id| self.registry().peek_device(id));
        view.is_some_and(|view| view.flags.contains(DeviceFlags::LOCK_LOST))
    }
}
