// SPDX-License-Identifier: GPL-2.0-or-later
//! Making devices known to EEH and forgotten by it. C: `pnv_eeh_probe`, `eeh_remove_device`

use std::sync::Arc;

use eeh_pe::{
    BridgeInfo, DeviceId, DeviceInfo, Inserted, PeFlags, PeId, PeNumber, PeSpec, PeType, TreeGuard, TreeId,
    Window, WindowKind,
};
use eeh_powernv::quirks::restricts_config;
use eeh_recovery::{DeviceTarget, capabilities, save_config};

use super::device::SimDevice;
use super::env::SimEnv;
use super::phb::SimPhb;
use super::{SimLinux, firmware};

const CLASS_PCI_BRIDGE: u32 = 0x0604;
const CLASS_ISA_BRIDGE: u32 = 0x0601;

impl SimLinux {
    /// Makes a device known to EEH. It works without EEH if that cannot be, and the log says so.
    pub(super) fn probe_eeh(&self, phb: &Arc<SimPhb>, device: &Arc<SimDevice>) {
        if phb.tree() == TreeId::NONE {
            // That was said of its PHB.
            return;
        }
        let identity = device.identity();
        let spec = phb.spec().function(identity.bdf);
        // ISA bridges have no PE, nor have functions that firmware gave none.
        if identity.class >> 8 == CLASS_ISA_BRIDGE {
            return;
        }
        // A virtual function's is given out when it is switched on.
        let given = || identity.physfn.and_then(|_| self.hardware(device.phb_number())?.pe_of(identity.bdf));
        let wired = spec.and_then(|f| f.pe).or_else(given);
        let number = match firmware::probe(self.back_end(), phb.firmware(), identity.bdf, wired) {
            Ok(Some(number)) => number,
            Ok(None) => return,
            Err(error) => {
                let text = format_args!("EEH: {device} works without EEH: {error}");
                return self.console().kernel(self.now(), &text);
            }
        };
        let number = match (self.rtas(), identity.physfn) {
            (Some(rtas), Some(pf)) => {
                // C: `pseries_pci_sriov_enable`, `pseries_pcibios_bus_add_device`
                if let Some(pe) = self.hardware(phb.number().0).and_then(|hw| hw.pe_of(identity.bdf)) {
                    let _ = rtas.honest().map_pe_number(phb.number().0, pf, pe);
                }
                eeh_pseries::pe_of_vf(identity.bdf)
            }
            _ => number,
        };
        let target = DeviceTarget::bare(*phb.target(), identity.bdf);
        let info = self.device_info(&target, device, spec.is_some_and(|f| f.reset_by_firmware));
        // As C has it: ones, when nobody answers.
        let saved = save_config(self.back_end(), &target, device.is_bridge()).unwrap_or([u32::MAX; 16]);
        match self.enter(phb, device, info, number, saved) {
            Ok(id) => {
                self.refresh(device, &target, id);
                self.calls().note_came(self.now(), device);
                self.map_addresses(phb, device, id);
            }
            Err(error) => {
                let text = format_args!("EEH: {device} works without EEH: {error}");
                self.console().kernel(self.now(), &text);
            }
        }
    }

    fn device_info(&self, target: &DeviceTarget, device: &SimDevice, reset_by_firmware: bool) -> DeviceInfo {
        let identity = device.identity();
        let found = capabilities(self.back_end(), target, identity.class >> 8 == CLASS_PCI_BRIDGE);
        DeviceInfo {
            bdf: identity.bdf,
            vendor: identity.vendor,
            device: identity.device,
            class: identity.class,
            pcie_cap: found.pcie,
            aer_cap: found.aer,
            af_cap: found.af,
            pcix_cap: found.pcix,
            flags: found.flags,
            bridge: identity.buses.map(|b| BridgeInfo { secondary: b.secondary, subordinate: b.subordinate }),
            reset_by_firmware,
            link_active_reporting: found.link_active_reporting,
            conventional: found.pcie == 0,
            physfn: identity.physfn,
        }
    }

    /// Enters a device into the tree: its PE, and the PE of the bridge above as that one's parent.
    fn enter(
        &self,
        phb: &SimPhb,
        device: &Arc<SimDevice>,
        info: DeviceInfo,
        number: PeNumber,
        saved: [u32; 16],
    ) -> Result<DeviceId, String> {
        let tree = self.registry().tree(phb.tree()).ok_or("its PHB is gone")?;
        // The PE of a virtual function is below that of its physical function.
        let above = match info.physfn {
            Some(physfn) => phb.device(physfn),
            None => phb.bridge_to(info.bdf.bus()),
        };
        let above = above.and_then(|device| device.eeh());
        let parent = above.and_then(|id| self.registry().peek_device(id)).map(|view| view.pe);
        let kind = if info.physfn.is_some() { PeType::VF } else { PeType::DEVICE };
        let pe = PeSpec { number, kind };
        let pseries = self.rtas().is_some();
        // In the same critical section: whoever sees the device sees all of it.
        let complete = |guard: &mut TreeGuard<'_, SimEnv>, inserted: &Inserted| {
            guard.save_config(inserted.device, saved);
            if !pseries {
                mark_pe(guard, inserted.pe, &info);
            }
        };
        let inserted = tree
            .insert_device_with(info, device.clone(), pe, parent, complete)
            .map_err(|(error, _)| error.to_string())?;
        device.set_eeh(Some(inserted.device));
        Ok(inserted.device)
    }

    /// Enters a device's resources into the address map. C: `eeh_addr_cache_insert_dev`
    fn map_addresses(&self, phb: &SimPhb, device: &SimDevice, id: DeviceId) {
        let Some(tree) = self.registry().tree(phb.tree()) else { return };
        if device.is_bridge() {
            return;
        }
        for bar in &device.identity().bars {
            let kind = if bar.io { WindowKind::Io } else { WindowKind::Mem };
            let range = Window { start: bar.start, end_inclusive: bar.last(), kind };
            if let Err(error) = tree.map().insert(range, id) {
                let text = format_args!("EEH: {device} BAR {}: {error}", bar.index);
                self.console().kernel(self.now(), &text);
            }
        }
    }

    /// Makes EEH forget a device. C: `eeh_remove_device`, called by the bus notifier
    pub(super) fn remove_eeh(&self, device: &SimDevice) {
        let Some(id) = device.set_eeh(None) else { return };
        // The platform's device is dropped here, outside the lock.
        drop(eeh_recovery::remove_device(self, self.registry(), id));
    }

    /// The PHB of a tree that Linux still has.
    #[must_use]
    pub fn phb_of(&self, tree: TreeId) -> Option<Arc<SimPhb>> {
        self.phbs().into_iter().find(|phb| phb.tree() == tree)
    }
}

/// What the PE of a new device is known to be. C: `pnv_eeh_probe`
fn mark_pe(guard: &TreeGuard<'_, SimEnv>, pe: PeId, info: &DeviceInfo) {
    let Some(hold) = guard.pe(pe).and_then(|pe| pe.hold()) else { return };
    hold.set(PeFlags::PRI_BUS);
    if restricts_config(info.vendor, info.device) {
        hold.set(PeFlags::CFG_RESTRICTED);
    }
}
