// SPDX-License-Identifier: GPL-2.0-or-later
//! Making devices known to EEH and forgotten by it. C: `pnv_eeh_probe`, `eeh_remove_device`

use std::sync::Arc;

use eeh_pe::{
    Bdf, BridgeInfo, DeviceFlags, DeviceId, DeviceInfo, Inserted, PeFlags, PeId, PeNumber, PeSpec, PeType,
    TreeGuard, TreeId, Window, WindowKind,
};
use eeh_powernv::quirks::restricts_config;

use super::SimLinux;
use super::access::COMMAND;
use super::device::SimDevice;
use super::env::SimEnv;
use super::phb::SimPhb;

const CAP_PCIX: u32 = 0x07;
const CAP_EXPRESS: u32 = 0x10;
const CAP_AF: u32 = 0x13;
const EXT_CAP_AER: u32 = 1;
const CLASS_PCI_BRIDGE: u32 = 0x0604;
const CLASS_ISA_BRIDGE: u32 = 0x0601;
/// Bus mastering: a bridge needs it before anything behind it works.
const MASTER: u32 = 4;

/// Configuration space of one function, read as EEH's probe reads it.
pub(super) struct Config<'a> {
    pub(super) linux: &'a SimLinux,
    pub(super) phb: &'a SimPhb,
    pub(super) bdf: Bdf,
}

impl Config<'_> {
    pub(super) fn read(&self, offset: u16, size: u8) -> u32 {
        self.linux.raw_config_read(self.phb, self.bdf, offset, size)
    }

    fn byte(&self, offset: u16) -> u16 {
        u16::from(self.read(offset, 1).to_le_bytes()[0])
    }

    /// C: `pnv_eeh_find_cap`
    fn capability(&self, id: u32) -> u16 {
        if self.read(6, 2) & 0x10 == 0 {
            return 0;
        }
        let mut at = self.byte(0x34) & !3;
        for _ in 0..48 {
            match self.read(at, 1) {
                _ if at < 0x40 => return 0,
                0xff => return 0,
                found if found == id => return at,
                _ => at = self.byte(at + 1) & !3,
            }
        }
        0
    }

    /// C: `pnv_eeh_find_ecap`
    pub(super) fn extended(&self, id: u32) -> u16 {
        let mut at = 0x100;
        for _ in 0..480 {
            let header = self.read(at, 4);
            if header == 0 || header == u32::MAX {
                return 0;
            }
            if header & 0xffff == id {
                return at;
            }
            at = u16::try_from(header >> 20).unwrap_or(0) & !3;
            if at < 0x100 {
                return 0;
            }
        }
        0
    }
}

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
        let number = match self.back_end().probe(phb.firmware(), identity.bdf, wired) {
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
        let config = Config { linux: self, phb, bdf: identity.bdf };
        let info = device_info(&config, device, spec.is_some_and(|f| f.reset_by_firmware));
        match self.enter(phb, device, info, number, saved(&config, device.is_bridge())) {
            Ok(id) => self.map_addresses(phb, device, id),
            Err(error) => {
                let text = format_args!("EEH: {device} works without EEH: {error}");
                self.console().kernel(self.now(), &text);
            }
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

fn device_info(config: &Config<'_>, device: &SimDevice, reset_by_firmware: bool) -> DeviceInfo {
    let identity = device.identity();
    let pcie_cap = config.capability(CAP_EXPRESS);
    let mut flags = DeviceFlags::empty();
    let mut link_active_reporting = false;
    if identity.class >> 8 == CLASS_PCI_BRIDGE {
        flags |= DeviceFlags::BRIDGE;
        if pcie_cap != 0 {
            flags |= match (config.read(pcie_cap + 2, 2) >> 4) & 0xf {
                4 => DeviceFlags::ROOT_PORT,
                6 => DeviceFlags::DS_PORT,
                _ => DeviceFlags::empty(),
            };
            link_active_reporting = config.read(pcie_cap + 0x0c, 4) & 1 << 20 != 0;
        }
    }
    DeviceInfo {
        bdf: identity.bdf,
        vendor: identity.vendor,
        device: identity.device,
        class: identity.class,
        pcie_cap,
        aer_cap: if pcie_cap == 0 { 0 } else { config.extended(EXT_CAP_AER) },
        af_cap: config.capability(CAP_AF),
        pcix_cap: config.capability(CAP_PCIX),
        flags,
        bridge: identity.buses.map(|b| BridgeInfo { secondary: b.secondary, subordinate: b.subordinate }),
        reset_by_firmware,
        link_active_reporting,
        conventional: pcie_cap == 0,
        physfn: identity.physfn,
    }
}

/// The first 16 words of configuration space. C: `eeh_save_bars`
fn saved(config: &Config<'_>, bridge: bool) -> [u32; 16] {
    let mut words = [0; 16];
    for (word, offset) in words.iter_mut().zip((0..).step_by(4)) {
        *word = config.read(offset, 4);
        if bridge && offset == COMMAND {
            *word |= MASTER;
        }
    }
    words
}
