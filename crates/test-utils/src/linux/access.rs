// SPDX-License-Identifier: GPL-2.0-or-later
//! How Linux and its drivers reach devices: configuration space and registers.

use std::sync::Arc;

use eeh_pe::{Bdf, PeFlags};

use super::device::SimDevice;
use super::phb::SimPhb;
use super::{SimLinux, firmware};
use crate::discipline::ByDriver;
use crate::drivers::{ALL_ONES, DeviceIo};
use crate::hw::Phb;
use crate::topology::BarSpec;

/// All ones of a width.
const fn ones(size: u8) -> u32 {
    match size {
        1 => 0xff,
        2 => 0xffff,
        _ => u32::MAX,
    }
}

/// Offset of the command register, and its bits: I/O and memory decoding, bus mastering.
pub(super) const COMMAND: u16 = 4;
pub(super) const COMMAND_ON: u32 = 7;

impl SimLinux {
    /// The hardware of a PHB, while it is there.
    #[must_use]
    pub fn hardware(&self, phb: u32) -> Option<Arc<Phb>> {
        self.machine().phb(phb)
    }

    /// A configuration read that nobody checks; all ones without an answer.
    #[must_use]
    pub fn raw_config_read(&self, phb: &SimPhb, bdf: Bdf, offset: u16, size: u8) -> u32 {
        firmware::config_read(self.back_end(), phb.firmware(), bdf, offset, size).unwrap_or(u32::MAX)
            & ones(size)
    }

    /// A configuration write that nobody checks.
    pub fn raw_config_write(&self, phb: &SimPhb, bdf: Bdf, offset: u16, size: u8, value: u32) {
        firmware::config_write(self.back_end(), phb.firmware(), bdf, offset, size, value);
    }

    /// Whether EEH keeps everybody but itself out of the device's configuration space.
    fn is_blocked(&self, device: &SimDevice) -> bool {
        let view = device.eeh().and_then(|id| self.registry().peek_device(id));
        let pe = view.and_then(|view| self.registry().peek(view.pe));
        pe.is_some_and(|pe| pe.flags.contains(PeFlags::CFG_BLOCKED))
    }

    /// `pci_read_config_*`: all ones while EEH blocks it; all ones are checked with EEH.
    #[must_use]
    pub fn config_read(&self, device: &SimDevice, offset: u16, size: u8) -> u32 {
        let Some(phb) = device.phb().filter(|_| !self.is_blocked(device)) else { return ones(size) };
        let value = self.raw_config_read(&phb, device.bdf(), offset, size);
        if value == ones(size)
            && let Some(id) = device.eeh()
        {
            // The caller sees the all ones; what EEH makes of them is not its affair.
            let _ = self.check_device(id);
        }
        value
    }

    /// `pci_write_config_*`: dropped while EEH blocks it.
    pub fn config_write(&self, device: &SimDevice, offset: u16, size: u8, value: u32) {
        if let Some(phb) = device.phb().filter(|_| !self.is_blocked(device)) {
            self.raw_config_write(&phb, device.bdf(), offset, size, value);
        }
    }
}

/// The registers of one device, as its driver reaches them.
#[derive(Debug)]
pub(super) struct Io<'a> {
    linux: &'a SimLinux,
    device: &'a SimDevice,
}

impl<'a> Io<'a> {
    pub(super) const fn new(linux: &'a SimLinux, device: &'a SimDevice) -> Self {
        Self { linux, device }
    }

    /// The BAR with the driver's registers: the first memory BAR.
    fn registers(&self) -> Option<&BarSpec> {
        self.device.identity().bars.iter().find(|bar| !bar.io && bar.size >= 16)
    }

    fn hardware(&self) -> Option<Arc<Phb>> {
        self.linux.hardware(self.device.phb_number())
    }
}

impl DeviceIo for Io<'_> {
    fn has_registers(&self) -> bool {
        self.registers().is_some()
    }

    fn read(&self, offset: u64) -> u32 {
        let Some(address) = self.registers().map(|bar| bar.start.saturating_add(offset)) else {
            return ALL_ONES;
        };
        let value = {
            let _driver = ByDriver::new();
            self.hardware().map_or(ALL_ONES, |phb| phb.read32(address))
        };
        if value == ALL_ONES {
            let _ = self.linux.check_address(address);
        }
        value
    }

    fn write(&self, offset: u64, value: u32) {
        if let (Some(bar), Some(phb)) = (self.registers(), self.hardware()) {
            let _driver = ByDriver::new();
            phb.write32(bar.start.saturating_add(offset), value);
        }
    }

    fn enable(&self) {
        let command = self.linux.config_read(self.device, COMMAND, 2);
        if command & COMMAND_ON != COMMAND_ON {
            self.linux.config_write(self.device, COMMAND, 2, command | COMMAND_ON);
        }
    }

    fn answers(&self) -> bool {
        let identity = self.device.identity();
        if identity.physfn.is_some() {
            // A virtual function has no vendor ID.
            return self.linux.config_read(self.device, COMMAND, 4) != ALL_ONES;
        }
        self.linux.config_read(self.device, 0, 2) == u32::from(identity.vendor)
    }

    fn dma(&self) -> bool {
        // An address that every driver may use: what it maps is not simulated.
        const BUFFER: u64 = 0x1000;
        self.hardware().is_some_and(|phb| {
            phb.dma(self.device.bdf(), true, BUFFER).is_ok() && phb.msi(self.device.bdf()).is_ok()
        })
    }

    fn trip(&self) {
        let Some(phb) = self.hardware() else { return };
        let _driver = ByDriver::new();
        if phb.break_device(self.device.bdf()).is_err()
            && let Some(pe) = phb.pe_of(self.device.bdf())
        {
            phb.freeze(pe);
        }
    }
}
