// SPDX-License-Identifier: GPL-2.0-or-later
//! Finding devices on buses, and giving them their addresses. C: drivers/pci/probe.c

use core::cell::Cell;
use std::sync::Arc;

use eeh_pe::Bdf;

use super::SimLinux;
use super::access::{COMMAND, COMMAND_ON};
use super::device::{Buses, Identity, SimDevice};
use super::phb::SimPhb;
use crate::topology::{FunctionSpec, config};

const HEADER_TYPE: u16 = 0x0e;
const MULTIFUNCTION: u32 = 0x80;
const BUS_NUMBERS: u16 = 0x18;

impl SimLinux {
    /// Scans a bus and those below, and enters what Linux does not know yet, bridges before what is
    /// behind them. The devices have their addresses then, but neither EEH nor drivers. Answers too whether
    /// a function asks for more time.
    ///
    /// # Context
    ///
    /// Under the rescan lock (VFs excepted, as in Linux).
    pub(super) fn scan(&self, phb: &Arc<SimPhb>, bus: u8) -> (Vec<Arc<SimDevice>>, bool) {
        let mut found = Vec::new();
        let mut later = false;
        let mut buses = vec![bus];
        let mut at = 0;
        while let Some(bus) = buses.get(at).copied() {
            at += 1;
            let (answering, asks_for_time) = self.answering(phb, bus);
            later |= asks_for_time;
            for bdf in answering {
                if phb.device(bdf).is_none()
                    && let Some(device) = self.set_up(phb, bdf)
                {
                    found.push(device);
                }
                let below = phb.device(bdf).and_then(|d| d.identity().buses);
                buses.extend(below.map(|b| b.secondary).filter(|below| *below > bus));
            }
        }
        (found, later)
    }

    /// The functions that answer on a bus, and whether one says "not yet". C: `pci_scan_slot`
    fn answering(&self, phb: &SimPhb, bus: u8) -> (Vec<Bdf>, bool) {
        let later = Cell::new(false);
        let answers = |bdf: &Bdf| {
            let vendor = self.raw_config_read(phb, *bdf, 0, 4) & 0xffff;
            later.set(later.get() || vendor == 1);
            !matches!(vendor, 0 | 1 | 0xffff)
        };
        let mut found = Vec::new();
        for slot in 0..32 {
            let Some(first) = Bdf::new(bus, slot, 0).filter(answers) else { continue };
            found.push(first);
            if self.raw_config_read(phb, first, HEADER_TYPE, 1) & MULTIFUNCTION != 0 {
                found.extend((1..8).filter_map(|function| Bdf::new(bus, slot, function)).filter(answers));
            }
        }
        (found, later.get())
    }

    /// Whether a function that was found answers still.
    pub(super) fn answers(&self, phb: &SimPhb, device: &SimDevice) -> bool {
        !matches!(self.raw_config_read(phb, device.bdf(), 0, 4) & 0xffff, 0 | 0xffff)
    }

    /// Enters one function that answers.
    pub(super) fn set_up(&self, phb: &Arc<SimPhb>, bdf: Bdf) -> Option<Arc<SimDevice>> {
        let spec = phb.spec().function(bdf)?;
        let id = self.raw_config_read(phb, bdf, 0, 4);
        let class = self.raw_config_read(phb, bdf, 8, 4) >> 8;
        let [vendor, device] = halves(id);
        self.assign(phb, spec);
        let buses = spec.secondary().zip(spec.subordinate());
        let identity = Identity {
            bdf,
            vendor,
            device,
            class,
            buses: buses.map(|(secondary, subordinate)| Buses { secondary, subordinate }),
            bars: spec.bars.clone(),
            named_driver: spec.driver.clone(),
            location: phb.spec().location_of_bus(bdf.bus()).map(str::to_owned),
            physfn: None,
        };
        let device = Arc::new(SimDevice::new(phb, identity));
        phb.insert(&device).then_some(device)
    }

    /// Gives a function that was found what it has lost since. C: `pci_assign_unassigned_root_bus_resources`,
    /// once the whole bus was scanned
    pub(super) fn reassign(&self, phb: &SimPhb, device: &SimDevice) {
        if let Some(spec) = phb.spec().function(device.bdf()) {
            self.assign(phb, spec);
        }
    }

    /// Gives a function the addresses and bus numbers that it has in Linux, where it lost them.
    /// C: `pci_assign_unassigned_bridge_resources`, `pci_scan_bridge`
    fn assign(&self, phb: &SimPhb, spec: &FunctionSpec) {
        let bdf = spec.bdf;
        let bars = if spec.is_bridge() { 2 } else { 6 };
        let mut registers: Vec<u16> = (0..bars).map(|index| 0x10 + 4 * index).collect();
        if spec.is_bridge() {
            registers.extend([BUS_NUMBERS, 0x1c, 0x20, 0x24, 0x28, 0x2c, 0x30]);
        }
        for offset in registers {
            let wanted = config::u32_at(&spec.config, usize::from(offset));
            if wanted != 0 && self.raw_config_read(phb, bdf, offset, 4) != wanted {
                self.raw_config_write(phb, bdf, offset, 4, wanted);
            }
        }
        if spec.is_bridge() {
            let command = self.raw_config_read(phb, bdf, COMMAND, 2);
            self.raw_config_write(phb, bdf, COMMAND, 2, command | COMMAND_ON);
        }
    }
}

fn halves(word: u32) -> [u16; 2] {
    let [a, b, c, d] = word.to_le_bytes();
    [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])]
}
