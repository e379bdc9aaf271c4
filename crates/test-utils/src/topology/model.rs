// SPDX-License-Identifier: GPL-2.0-or-later
//! What a machine is made of: plain data, as read from dumps or made up.

use core::fmt;
use core::ops::Range;

use eeh_pe::Bdf;

use super::config;

/// A machine: its PHBs, and what had to be guessed about them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MachineSpec {
    /// The PHBs, by ascending number.
    pub phbs: Vec<PhbSpec>,
    /// What the input did not say and how it was made up, one sentence each.
    pub notes: Vec<String>,
}

/// The generation of a PHB.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PhbKind {
    /// POWER7's P7IOC hub.
    P7ioc,
    /// POWER8.
    Phb3,
    /// POWER9.
    Phb4,
    /// POWER10.
    Phb5,
}

impl PhbKind {
    /// The name used in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P7ioc => "P7IOC",
            Self::Phb3 => "PHB3",
            Self::Phb4 => "PHB4",
            Self::Phb5 => "PHB5",
        }
    }
}

/// One PHB: Linux's PCI domain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PhbSpec {
    /// Linux's number of the PHB.
    pub number: u32,
    /// Its generation.
    pub kind: PhbKind,
    /// Where the CPU reaches the devices. They overlap neither here nor with another PHB's.
    pub windows: Vec<WindowSpec>,
    /// How many PEs the PHB has. The last is reserved, the one before is the root bus's.
    pub pe_count: u32,
    /// The functions, by ascending [`Bdf`].
    pub functions: Vec<FunctionSpec>,
    /// The PHB's own location code (`ibm,io-base-loc-code`).
    pub location: Option<String>,
}

/// A window from CPU addresses to bus addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WindowSpec {
    /// First CPU address.
    pub start: u64,
    /// Bytes, at least 1.
    pub size: u64,
    /// The bus address that `start` becomes.
    pub bus_start: u64,
    /// I/O space rather than memory.
    pub io: bool,
    /// The window of 64-bit prefetchable memory (M64) whose segments choose PE numbers.
    pub m64: bool,
}

impl WindowSpec {
    /// The last CPU address.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.start.saturating_add(self.size.saturating_sub(1))
    }

    /// Whether a CPU address lies inside.
    #[must_use]
    pub const fn contains(&self, address: u64) -> bool {
        address >= self.start && address <= self.last()
    }

    /// The CPU address of a bus address, when it lies inside.
    #[must_use]
    pub const fn to_cpu(&self, bus: u64) -> Option<u64> {
        match bus.checked_sub(self.bus_start) {
            Some(offset) if offset < self.size => Some(self.start.wrapping_add(offset)),
            Some(_) | None => None,
        }
    }

    /// The bus address of a CPU address, when it lies inside.
    #[must_use]
    pub const fn to_bus(&self, address: u64) -> Option<u64> {
        if self.contains(address) {
            Some(self.bus_start.wrapping_add(address.wrapping_sub(self.start)))
        } else {
            None
        }
    }
}

/// One PCI function.
#[derive(Clone, PartialEq, Eq)]
pub struct FunctionSpec {
    /// Where it is on its PHB.
    pub bdf: Bdf,
    /// Its configuration space: 64, 256 or 4096 bytes.
    pub config: Vec<u8>,
    /// Its assigned BARs, by ascending index.
    pub bars: Vec<BarSpec>,
    /// Its PE, when it has one.
    pub pe: Option<u32>,
    /// The driver bound to it when the dump was made.
    pub driver: Option<String>,
    /// The device tree's `ibm,reset-by-firmware`: only firmware may reset what is below.
    pub reset_by_firmware: bool,
    /// The location code of the slot below it (`ibm,slot-location-code`).
    pub location: Option<String>,
}

/// Without the bytes of configuration space, which nobody reads in a message.
impl fmt::Debug for FunctionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionSpec")
            .field("bdf", &format_args!("{}", self.bdf))
            .field("id", &format_args!("{:04x}:{:04x}", self.vendor(), self.device()))
            .field("config", &self.config.len())
            .field("bars", &self.bars)
            .field("pe", &self.pe)
            .field("driver", &self.driver)
            .field("reset_by_firmware", &self.reset_by_firmware)
            .field("location", &self.location)
            .finish()
    }
}

/// One assigned BAR. The expansion ROM is not among them: no driver reads through it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BarSpec {
    /// Which: the register is at 0x10 + 4 * index. 0 to 5.
    pub index: u8,
    /// First CPU address.
    pub start: u64,
    /// Bytes, a power of two.
    pub size: u64,
    /// I/O space rather than memory.
    pub io: bool,
    /// Prefetchable memory.
    pub prefetch: bool,
    /// A 64-bit register, taking two indices.
    pub is64: bool,
}

impl BarSpec {
    /// The last CPU address.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.start.saturating_add(self.size.saturating_sub(1))
    }
}

impl MachineSpec {
    /// A PHB by its number.
    #[must_use]
    pub fn phb(&self, number: u32) -> Option<&PhbSpec> {
        self.phbs.iter().find(|phb| phb.number == number)
    }

    /// A function by PHB and position.
    #[must_use]
    pub fn function(&self, phb: u32, bdf: Bdf) -> Option<&FunctionSpec> {
        self.phb(phb)?.function(bdf)
    }

    /// How many functions all PHBs have together.
    #[must_use]
    pub fn function_count(&self) -> usize {
        self.phbs.iter().map(|phb| phb.functions.len()).sum()
    }
}

impl PhbSpec {
    /// A function by its position.
    #[must_use]
    pub fn function(&self, bdf: Bdf) -> Option<&FunctionSpec> {
        let at = self.functions.binary_search_by_key(&bdf, |function| function.bdf).ok()?;
        self.functions.get(at)
    }

    /// The functions of one bus, in order.
    #[must_use]
    pub fn on_bus(&self, bus: u8) -> &[FunctionSpec] {
        let start = self.functions.partition_point(|function| function.bdf.bus() < bus);
        let end = self.functions.partition_point(|function| function.bdf.bus() <= bus);
        self.functions.get(start..end).unwrap_or_default()
    }

    /// The bridge whose secondary bus is `bus`; `None` for a root bus.
    ///
    /// Only a bridge on a lower bus counts, as PCI numbers buses, so that following parents ends
    /// whatever the input says. Of two that claim the bus, the first.
    #[must_use]
    pub fn bridge_to(&self, bus: u8) -> Option<&FunctionSpec> {
        self.functions.iter().find(|function| function.bdf.bus() < bus && function.secondary() == Some(bus))
    }

    /// The bridge above a function; `None` on a root bus.
    #[must_use]
    pub fn parent_of(&self, bdf: Bdf) -> Option<&FunctionSpec> {
        self.bridge_to(bdf.bus())
    }

    /// The location code of a bus, as the log names a PE's place: of the bridge above, or of the
    /// next one above that has any, or the PHB's.
    ///
    /// C: `eeh_pe_loc_get_bus`
    #[must_use]
    pub fn location_of_bus(&self, bus: u8) -> Option<&str> {
        let mut bus = bus;
        while let Some(bridge) = self.bridge_to(bus) {
            if let Some(location) = &bridge.location {
                return Some(location);
            }
            bus = bridge.bdf.bus();
        }
        self.location.as_deref()
    }
}

impl FunctionSpec {
    /// The vendor ID.
    #[must_use]
    pub fn vendor(&self) -> u16 {
        config::u16_at(&self.config, 0x00)
    }

    /// The device ID.
    #[must_use]
    pub fn device(&self) -> u16 {
        config::u16_at(&self.config, 0x02)
    }

    /// Class, subclass and programming interface: 24 bits.
    #[must_use]
    pub fn class(&self) -> u32 {
        config::u32_at(&self.config, 0x08) >> 8
    }

    /// The header type without the multi-function bit: 0, 1 (bridge) or 2 (CardBus bridge).
    #[must_use]
    pub fn header_type(&self) -> u8 {
        config::u8_at(&self.config, 0x0e) & 0x7f
    }

    /// Whether it is a bridge with buses below (header type 1 or 2). An ISA bridge is none.
    #[must_use]
    pub fn is_bridge(&self) -> bool {
        matches!(self.header_type(), 1 | 2)
    }

    /// A bridge's secondary bus; `None` also while firmware has not numbered it.
    #[must_use]
    pub fn secondary(&self) -> Option<u8> {
        Some(config::u8_at(&self.config, 0x19)).filter(|bus| self.is_bridge() && *bus != 0)
    }

    /// The highest bus below a bridge.
    #[must_use]
    pub fn subordinate(&self) -> Option<u8> {
        self.secondary().map(|_| config::u8_at(&self.config, 0x1a))
    }

    /// Where the first capability with this ID is; `None` also when the dump did not reach it.
    #[must_use]
    pub fn find_cap(&self, id: u8) -> Option<u8> {
        config::find_cap(&self.config, id)
    }

    /// Where the first extended capability with this ID is.
    #[must_use]
    pub fn find_ext_cap(&self, id: u16) -> Option<u16> {
        config::find_ext_cap(&self.config, id)
    }

    /// The PCI Express device/port type (bits 4 to 7 of the capability's flags).
    #[must_use]
    pub fn pcie_type(&self) -> Option<u8> {
        let at = self.find_cap(config::CAP_PCIE)?;
        Some(config::u8_at(&self.config, usize::from(at) + 2) >> 4)
    }

    /// The indices that this header type has room for.
    #[must_use]
    pub fn bar_indices(&self) -> Range<u8> {
        match self.header_type() {
            0 => 0..6,
            1 => 0..2,
            2 => 0..1,
            _ => 0..0,
        }
    }
}
