// SPDX-License-Identifier: GPL-2.0-or-later
//! Lines of the log of a device's configuration space.

use core::fmt;

use eeh_pe::{Bdf, PhbNumber};

use super::aer::AerErrors;

/// One line of a device's log. C: what `eeh_dump_dev_log` prints
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigLine {
    /// Which device.
    Device,
    /// Device and vendor ID.
    Identity(u32),
    /// Command and status.
    CommandStatus(u32),
    /// A bridge's secondary status.
    SecondaryStatus(u16),
    /// A bridge's control register.
    BridgeControl(u16),
    /// PCI-X command.
    PcixCommand(u32),
    /// PCI-X status.
    PcixStatus(u32),
    /// Registers of the PCI Express capability follow.
    ExpressHeader,
    /// Up to four of them.
    Express(Registers),
    /// Registers of the Advanced Error Reporting capability follow.
    AerHeader,
    /// Up to four of them.
    Aer(Registers),
    /// What they tell.
    AerErrors(AerErrors),
}

/// Up to four registers in a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registers {
    /// Offset of the first within its capability.
    pub offset: u16,
    /// Their values.
    pub values: [u32; 4],
    /// How many there are, 1 to 4.
    pub count: usize,
}

impl Registers {
    fn write_for_firmware(&self, f: &mut impl fmt::Write) -> fmt::Result {
        let offsets = (self.offset..).step_by(4);
        let mut each = self.values.iter().zip(offsets).take(self.count);
        each.try_for_each(|(value, offset)| writeln!(f, "{offset:02x}:{value:x}"))
    }
}

impl fmt::Display for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}: ", self.offset)?;
        self.values.iter().take(self.count).try_for_each(|value| write!(f, "{value:08x} "))
    }
}

impl ConfigLine {
    /// Writes the line of a device.
    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, phb: PhbNumber, bdf: Bdf) -> fmt::Result {
        match self {
            Self::Device => write!(f, "EEH: of node={:04x}:{bdf}", phb.0),
            Self::Identity(value) => write!(f, "EEH: PCI device/vendor: {value:08x}"),
            Self::CommandStatus(value) => write!(f, "EEH: PCI cmd/status register: {value:08x}"),
            Self::SecondaryStatus(value) => write!(f, "EEH: Bridge secondary status: {value:04x}"),
            Self::BridgeControl(value) => write!(f, "EEH: Bridge control: {value:04x}"),
            Self::PcixCommand(value) => write!(f, "EEH: PCI-X cmd: {value:08x}"),
            Self::PcixStatus(value) => write!(f, "EEH: PCI-X status: {value:08x}"),
            Self::ExpressHeader => f.write_str("EEH: PCI-E capabilities and status follow:"),
            Self::Express(registers) => write!(f, "EEH: PCI-E {registers}"),
            Self::AerHeader => f.write_str("EEH: PCI-E AER capability register set follows:"),
            Self::Aer(registers) => write!(f, "EEH: PCI-E AER {registers}"),
            Self::AerErrors(errors) => write!(f, "EEH: PCI-E AER {errors}"),
        }
    }

    /// Writes the same for firmware's log. C: what `eeh_dump_dev_log` leaves in its buffer
    pub(crate) fn write_for_firmware(
        &self,
        f: &mut impl fmt::Write,
        phb: PhbNumber,
        bdf: Bdf,
    ) -> fmt::Result {
        match self {
            Self::Device => writeln!(f, "{:04x}:{bdf}", phb.0),
            Self::Identity(value) => writeln!(f, "dev/vend:{value:08x}"),
            Self::CommandStatus(value) => writeln!(f, "cmd/stat:{value:x}"),
            Self::SecondaryStatus(value) => writeln!(f, "sec stat:{value:x}"),
            Self::BridgeControl(value) => writeln!(f, "brdg ctl:{value:x}"),
            Self::PcixCommand(value) => writeln!(f, "pcix-cmd:{value:x}"),
            Self::PcixStatus(value) => writeln!(f, "pcix-stat:{value:x}"),
            Self::ExpressHeader => f.write_str("pci-e cap10:\n"),
            Self::AerHeader => f.write_str("pci-e AER:\n"),
            Self::Express(registers) | Self::Aer(registers) => registers.write_for_firmware(f),
            // The registers say it.
            Self::AerErrors(_) => Ok(()),
        }
    }
}
