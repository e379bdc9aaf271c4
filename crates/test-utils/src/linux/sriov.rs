// SPDX-License-Identifier: GPL-2.0-or-later
//! Virtual functions, as the PCI core adds and removes them. C: drivers/pci/iov.c

use core::time::Duration;
use std::sync::Arc;

use eeh_pe::{Bdf, VfInfo};
use eeh_recovery::{DeviceTarget, JobAnswer, extended_capability};

use super::SimLinux;
use super::bind::Died;
use super::device::{Identity, SimDevice};
use super::hotplug::HotplugError;
use super::phb::SimPhb;

const EXT_CAP_SRIOV: u16 = 0x10;
const CONTROL: u16 = 0x08;
const TOTAL: u16 = 0x0e;
const NUM: u16 = 0x10;
const OFFSET: u16 = 0x14;
const STRIDE: u16 = 0x16;
const VF_DEVICE: u16 = 0x1a;
/// VF Enable, and VF Memory Space Enable.
const ENABLE: u32 = 1 | 8;

/// How many virtual functions a driver or an administrator switches on.
const WANTED: u16 = 2;

/// What a driver's `sriov_configure` takes.
const CONFIGURES: Duration = Duration::from_millis(100);

/// A physical function's capability.
struct Sriov<'a> {
    linux: &'a SimLinux,
    phb: &'a SimPhb,
    bdf: Bdf,
    at: u16,
}

impl Sriov<'_> {
    fn half(&self, offset: u16) -> u16 {
        let value = self.linux.raw_config_read(self.phb, self.bdf, self.at + offset, 2);
        let [low, high, ..] = value.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    fn write(&self, offset: u16, value: u32) {
        self.linux.raw_config_write(self.phb, self.bdf, self.at + offset, 2, value);
    }

    fn set(&self, count: u16) {
        self.write(CONTROL, 0);
        self.write(NUM, u32::from(count));
        self.write(CONTROL, if count == 0 { 0 } else { ENABLE });
    }

    /// Where function `n` is.
    fn vf_at(&self, n: u16) -> Bdf {
        let first = self.bdf.0.wrapping_add(self.half(OFFSET));
        Bdf(first.wrapping_add(n.wrapping_mul(self.half(STRIDE))))
    }
}

impl SimLinux {
    /// EEH's number of the PE of a virtual function: the hardware's, or the partition's own.
    #[must_use]
    pub fn pe_of_vf(&self, phb: u32, vf: Bdf) -> Option<u32> {
        let wired = self.hardware(phb)?.pe_of(vf);
        if self.rtas().is_some() { Some(eeh_pseries::pe_of_vf(vf).0) } else { wired }
    }

    fn sriov<'a>(&'a self, phb: &'a SimPhb, device: &SimDevice) -> Option<Sriov<'a>> {
        let target = DeviceTarget::bare(*phb.target(), device.bdf());
        let at = extended_capability(self.back_end(), &target, EXT_CAP_SRIOV);
        let found = at != 0 && device.identity().physfn.is_none();
        found.then_some(Sriov { linux: self, phb, bdf: target.bdf, at })
    }

    /// `echo N > sriov_numvfs`: the driver configures its functions under its `device_lock`, and within
    /// that the PCI core adds or removes them under the rescan lock. A device that has some loses them,
    /// one that has none gets some. Answers whether there was a driver to ask. C: `sriov_numvfs_store`
    ///
    /// # Errors
    ///
    /// No such device.
    pub async fn write_numvfs(&self, phb: u32, bdf: Bdf) -> Result<bool, HotplugError> {
        let device = self.device(phb, bdf)?;
        let lock = device.device_lock().lock().await;
        if device.is_gone() || device.driver().is_none() {
            return Ok(false);
        }
        self.pace().sleep(CONFIGURES).await;
        let rescan = self.rescan_lock().lock().await;
        let toggled = self.toggle_vfs(&device).await;
        if toggled == Err(Died) {
            rescan.lose();
            lock.lose();
            return Err(HotplugError::Died);
        }
        Ok(true)
    }

    /// Switches virtual functions on, or off. C: `pci_enable_sriov`, `pci_disable_sriov`
    ///
    /// # Context
    ///
    /// Under the device's `device_lock`; a driver that does it in a callback has no rescan lock.
    pub(super) async fn toggle_vfs(&self, device: &Arc<SimDevice>) -> Result<(), Died> {
        if device.vfs() > 0 { self.disable_vfs(device).await } else { self.enable_vfs(device).await }
    }

    async fn enable_vfs(&self, device: &Arc<SimDevice>) -> Result<(), Died> {
        let Some(phb) = device.phb() else { return Ok(()) };
        let Some(count) = self.sriov(&phb, device).map(|sriov| {
            let count = WANTED.min(sriov.half(TOTAL));
            sriov.set(count);
            count
        }) else {
            return Ok(());
        };
        device.set_vfs(count);
        // The functions need this long (SR-IOV 1.1 3.3.3.1).
        self.pace().sleep(Duration::from_millis(100)).await;
        for n in 0..count {
            let Some(bdf) = self.sriov(&phb, device).map(|sriov| sriov.vf_at(n)) else {
                // It does not answer any more: what was switched on is switched off again.
                return self.disable_vfs(device).await;
            };
            self.add_vf(&phb, device, bdf).await?;
        }
        Ok(())
    }

    /// Takes a device's virtual functions away; nothing when it has none.
    pub(super) async fn disable_vfs(&self, device: &Arc<SimDevice>) -> Result<(), Died> {
        if device.vfs() == 0 {
            return Ok(());
        }
        device.set_vfs(0);
        let Some(phb) = device.phb() else { return Ok(()) };
        let own = |vf: &Arc<SimDevice>| vf.identity().physfn == Some(device.bdf());
        let vfs: Vec<_> = phb.devices().into_iter().filter(own).collect();
        // A virtual function has none of its own: this ends.
        Box::pin(self.stop_and_take(&phb, &vfs)).await?;
        if let Some(sriov) = self.sriov(&phb, device) {
            sriov.set(0);
        }
        Ok(())
    }

    /// A driver that restores its device after a reset has its functions back. C: `pci_restore_iov_state`
    pub(super) fn restore_vfs(&self, device: &SimDevice) {
        if device.vfs() > 0
            && let Some(phb) = device.phb()
            && let Some(sriov) = self.sriov(&phb, device)
        {
            sriov.set(device.vfs());
        }
    }

    /// Adds one virtual function, and binds its driver. C: `pci_iov_add_virtfn`
    async fn add_vf(&self, phb: &Arc<SimPhb>, physfn: &SimDevice, bdf: Bdf) -> Result<(), Died> {
        let Some(id) = self.sriov(phb, physfn).map(|sriov| sriov.half(VF_DEVICE)) else { return Ok(()) };
        let identity = Identity {
            bdf,
            device: id,
            buses: None,
            bars: Vec::new(),
            named_driver: None,
            physfn: Some(physfn.bdf()),
            ..physfn.identity().clone()
        };
        let vf = Arc::new(SimDevice::new(phb, identity));
        if phb.insert(&vf) {
            self.probe_eeh(phb, &vf);
            Box::pin(self.attach(&vf)).await?;
        }
        Ok(())
    }

    /// Adds one virtual function again, if its physical function has it still: its driver may have
    /// switched it off, and its number may be another's (hazard 5.10).
    pub(super) async fn add_vf_for_recovery(&self, vf: VfInfo, physfn: &Arc<SimDevice>) -> JobAnswer {
        let lock = self.rescan_lock().lock().await;
        let Some(phb) = physfn.phb().filter(|_| !physfn.is_gone()) else { return JobAnswer::Gone };
        let has = |sriov: Sriov<'_>| (0..physfn.vfs()).any(|n| sriov.vf_at(n) == vf.bdf);
        let listed = cfg!(eeh_mutant = "hazard_5_10_vf_from_a_list");
        if !listed && !self.sriov(&phb, physfn).is_some_and(has) {
            return JobAnswer::Gone;
        }
        if self.add_vf(&phb, physfn, vf.bdf).await == Err(Died) {
            lock.lose();
            return JobAnswer::Died;
        }
        JobAnswer::Done
    }
}
