// SPDX-License-Identifier: GPL-2.0-or-later
//! One PCI function: configuration space, registers behind its BARs, and when it can answer.

use core::time::Duration;
use std::sync::Arc;

use eeh_pe::{Bdf, Time};

use super::config::{ConfigSpace, Layout, PortKind};
use crate::topology::{BarSpec, FunctionSpec};

/// Index of a function within its PHB.
pub(crate) type Index = u16;

/// How a function and the link below it come back from a reset. All times count from the moment the
/// reset is released (for what is behind a switch: from the moment the switch answers).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// Until the link below this port is up. [`Timing::NEVER`]: it does not train.
    pub link_after: Duration,
    /// Until the function answers configuration requests. [`Timing::NEVER`]: it does not.
    pub ready_after: Duration,
    /// Between link up and ready it completes with Request Retry Status, which software sees as
    /// vendor ID 0x0001 (PCIe 2.3.2), rather than not at all.
    pub says_rrs: bool,
}

impl Timing {
    /// Longer than any simulation.
    pub const NEVER: Duration = Duration::MAX;
}

/// 20 ms of training, ready 100 ms after the reset's release, and polite meanwhile.
impl Default for Timing {
    fn default() -> Self {
        Self {
            link_after: Duration::from_millis(20),
            ready_after: Duration::from_millis(100),
            says_rrs: true,
        }
    }
}

/// Edges of reset that a function has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Resets {
    /// Times reset was asserted.
    pub asserted: u32,
    /// Times it was released. Equal to `asserted` when the function is out of reset.
    pub released: u32,
}

/// Slot Control bit 10: 1 is off.
pub(crate) const POWER_OFF: u16 = 1 << 10;

/// Words of a function's register file, at the start of each BAR.
pub const REGISTER_FILE: usize = 16;

/// A function on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// Where enumeration found it.
    pub home: Bdf,
    /// The bridge above.
    pub parent: Option<Index>,
    /// What is on its secondary bus.
    pub children: Vec<Index>,
    pub config: ConfigSpace,
    pub bars: Box<[BarSpec]>,
    pub pe: Option<u32>,
    pub reset_by_firmware: bool,
    /// The header (registers 0 to 0x3c) as enumeration left it.
    pub home_header: [u32; 16],
    pub timing: Timing,
    pub present: bool,
    /// Reset lines above that are asserted now.
    pub held: u8,
    /// Since when it can be reached (its link is up).
    pub reachable_at: Time,
    /// Since when it answers.
    pub ready_at: Time,
    /// Since when the link (or internal bus) below is up.
    pub link_up_at: Time,
    pub resets: Resets,
    /// How often it was plugged in again.
    pub pushes: u32,
    /// Virtual functions that it shows.
    pub vfs: u16,
    pub registers: [u32; REGISTER_FILE],
}

impl Function {
    pub(crate) fn new(spec: &FunctionSpec, layout: Arc<Layout>) -> Self {
        let config = ConfigSpace::new(&spec.config, layout);
        let home_header = core::array::from_fn(|n| config.dword(4 * n as u16));
        Self {
            home: spec.bdf,
            parent: None,
            children: Vec::new(),
            config,
            bars: spec.bars.clone().into(),
            pe: spec.pe,
            reset_by_firmware: spec.reset_by_firmware,
            home_header,
            timing: Timing::default(),
            present: true,
            held: 0,
            reachable_at: Time::ZERO,
            ready_at: Time::ZERO,
            link_up_at: Time::ZERO,
            resets: Resets::default(),
            pushes: 0,
            vfs: 0,
            registers: [0; REGISTER_FILE],
        }
    }

    pub(crate) fn port(&self) -> PortKind {
        self.config.layout().port
    }

    pub(crate) fn is_bridge(&self) -> bool {
        self.config.layout().bridge
    }

    /// A port whose secondary bus is a link rather than wires inside a switch.
    pub(crate) fn has_link(&self) -> bool {
        matches!(self.port(), PortKind::Root | PortKind::Downstream)
    }

    pub(crate) fn secondary(&self) -> u8 {
        self.config.byte(0x19)
    }

    pub(crate) fn subordinate(&self) -> u8 {
        self.config.byte(0x1a)
    }

    /// Bit 6 of bridge control.
    pub(crate) fn asserts_secondary_reset(&self) -> bool {
        self.is_bridge() && self.config.word(0x3e) & 0x40 != 0
    }

    /// The port can report Data Link Layer Link Active (Link Capabilities bit 20).
    pub(crate) fn reports_link(&self) -> bool {
        let express = self.config.layout().caps.express;
        express != 0 && self.config.dword(express + 0xc) & 1 << 20 != 0
    }

    /// Slot Implemented, with the power controller (Slot Capabilities bit 1).
    pub(crate) fn has_power_control(&self) -> bool {
        let express = self.config.layout().caps.express;
        self.has_slot() && self.config.dword(express + 0x14) & 2 != 0
    }

    /// Software has switched the slot's power off.
    pub(crate) fn slot_is_off(&self) -> bool {
        let control = self.config.layout().caps.express + 0x18;
        self.has_power_control() && self.config.word(control) & POWER_OFF != 0
    }

    pub(crate) fn has_slot(&self) -> bool {
        let express = self.config.layout().caps.express;
        express != 0 && self.config.word(express + 2) & 0x100 != 0
    }

    pub(crate) fn forget(&mut self, power_on: bool) {
        self.config.reset(power_on);
        self.registers = [0; REGISTER_FILE];
    }

    /// What configuration reads find at `now`, when a request gets here.
    pub(crate) fn answers(&self, now: Time) -> Answers {
        if !self.present || self.held != 0 || now < self.reachable_at {
            Answers::Nothing
        } else if now >= self.ready_at {
            Answers::Data
        } else if self.timing.says_rrs && self.port() != PortKind::Conventional {
            Answers::Retry
        } else {
            Answers::Nothing
        }
    }

    /// A request that nothing in it answers: AER's Unsupported Request (PCIe 6.0 7.8.4), the first error.
    pub(crate) fn note_unsupported_request(&mut self) {
        const UNSUPPORTED_REQUEST: u32 = 20;
        let aer = self.config.layout().caps.aer;
        if aer != 0 {
            self.config.set_bits(aer + 0x04, 0, 1 << UNSUPPORTED_REQUEST);
            self.config.set_bits(aer + 0x18, 0x1f, UNSUPPORTED_REQUEST);
        }
    }

    /// The bus address that a BAR's register holds now.
    pub(crate) fn bar_address(&self, bar: &BarSpec) -> u64 {
        let at = 0x10 + 4 * u16::from(bar.index);
        let low = self.config.dword(at);
        if bar.io {
            return u64::from(low & !3);
        }
        let high = if bar.is64 { self.config.dword(at + 4) } else { 0 };
        u64::from(high) << 32 | u64::from(low & !0xf)
    }
}

/// How a function answers a configuration request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answers {
    /// With its registers.
    Data,
    /// With Request Retry Status.
    Retry,
    /// Not at all.
    Nothing,
}
