// SPDX-License-Identifier: GPL-2.0-or-later
//! What drivers do all day, and how one breaks their devices.

use eeh_pe::Bdf;

use super::SimLinux;
use super::access::Io;
use super::device::SimDevice;
use crate::drivers::{DeviceIo, NotWorking, check_registers};

/// Why a device cannot be broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CannotBreak {
    /// Linux has no such device.
    #[error("there is no such device")]
    NoDevice,
    /// It has no memory BAR that a load could go to.
    #[error("it has no memory BAR to load from")]
    NoMemory,
}

impl SimLinux {
    /// One turn of the ordinary work of a device's driver. All ones are checked with EEH.
    ///
    /// # Errors
    ///
    /// Why it could not be done.
    pub fn beat(&self, phb: u32, bdf: Bdf) -> Result<(), NotWorking> {
        let device = self.device(phb, bdf).map_err(|_| NotWorking::Gone)?;
        let pe = device.eeh().and_then(|id| self.registry().peek_device(id)).map(|view| view.pe);
        if pe.is_some_and(|pe| self.quiet().has(pe)) {
            return Ok(());
        }
        match device.driver() {
            Some(driver) => driver.beat(&Io::new(self, &device)),
            None => Ok(()),
        }
    }

    /// Whether a device works: its driver can do its work, or, where no driver was chosen for it,
    /// its registers keep what is written; a bridge answers.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn works(&self, phb: u32, bdf: Bdf) -> Result<(), NotWorking> {
        let device = self.device(phb, bdf).map_err(|_| NotWorking::Gone)?;
        let io = Io::new(self, &device);
        if let Some(driver) = device.driver() {
            return driver.beat(&io);
        }
        if self.wants_driver(&device) {
            return Err(NotWorking::NoDriver);
        }
        if device.is_bridge() || !self.is_decoding(&device) {
            return if io.answers() { Ok(()) } else { Err(NotWorking::AllOnes) };
        }
        check_registers(&io, None, 0x5a5a)
    }

    /// Whether a memory BAR of the device could be used to break it.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn can_break(&self, phb: u32, bdf: Bdf) -> Result<(), CannotBreak> {
        let device = self.device(phb, bdf).map_err(|_| CannotBreak::NoDevice)?;
        if device.is_bridge() || !Io::new(self, &device).has_registers() {
            return Err(CannotBreak::NoMemory);
        }
        Ok(())
    }

    /// Breaks a device as Linux's `eeh_dev_break`; then somebody reads one of its registers.
    pub fn break_device(&self, phb: u32, bdf: Bdf) {
        let Ok(device) = self.device(phb, bdf) else { return };
        if let Some(bar) = device.identity().bars.iter().find(|bar| !bar.io) {
            let name = device.driver().map_or_else(|| "pci".to_owned(), |d| d.name().to_owned());
            let kind = if bar.is64 { " 64bit" } else { "" };
            let text = format_args!(
                "{name} {device}: Going to break: [mem {:#x}-{:#x}{kind}]",
                bar.start,
                bar.last()
            );
            self.console().kernel(self.now(), &text);
        }
        let io = Io::new(self, &device);
        io.trip();
        let _ = io.read(0);
    }

    /// Whether the device decodes memory: without a driver, Linux leaves that as firmware had it.
    fn is_decoding(&self, device: &SimDevice) -> bool {
        self.config_read(device, super::access::COMMAND, 2) & 2 != 0
    }
}
