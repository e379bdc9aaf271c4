// SPDX-License-Identifier: GPL-2.0-or-later
//! Configuration space: what is saved, restored and logged.

mod aer;
mod dump;
mod line;
mod probe;
mod restore;

pub use aer::{AerErrors, AerKind};
pub(crate) use dump::dump;
pub use line::{ConfigLine, Registers};
pub use probe::{Capabilities, capabilities, extended_capability};
pub(crate) use restore::restore;
pub use restore::save;

/// Offsets of the header and bits in it (PCI 3.0 6.1, PCI-to-PCI bridge 1.2 3.2).
pub(crate) mod reg {
    /// Vendor and device ID.
    pub(crate) const ID: u16 = 0x00;
    /// Command and status.
    pub(crate) const COMMAND: u16 = 0x04;
    /// Status.
    pub(crate) const STATUS: u16 = 0x06;
    /// Cache line size.
    pub(crate) const CACHE_LINE: u16 = 0x0c;
    /// Latency timer.
    pub(crate) const LATENCY: u16 = 0x0d;
    /// A bridge's secondary status.
    pub(crate) const SECONDARY_STATUS: u16 = 0x1e;
    /// The first capability.
    pub(crate) const CAPABILITIES: u16 = 0x34;
    /// A bridge's control.
    pub(crate) const BRIDGE_CONTROL: u16 = 0x3e;
    /// Link Status, within the PCI Express capability.
    pub(crate) const LINK_STATUS: u16 = 0x12;

    /// Command: memory decoding.
    pub(crate) const COMMAND_MEMORY: u32 = 0x2;
    /// Command: bus master.
    pub(crate) const COMMAND_MASTER: u32 = 0x4;
    /// Command: parity error response.
    pub(crate) const COMMAND_PARITY: u32 = 0x40;
    /// Command: SERR# enable.
    pub(crate) const COMMAND_SERR: u32 = 0x100;
    /// Command: INTx disable, and nothing else.
    pub(crate) const COMMAND_INTX_DISABLE: u32 = 0x400;
    /// Status: there are capabilities.
    pub(crate) const STATUS_CAP_LIST: u32 = 0x10;
    /// Bridge control: secondary bus reset, as a bit of the word at 0x3c.
    pub(crate) const BUS_RESET_IN_WORD: u32 = 0x40 << 16;
    /// Link status: Data Link Layer Link Active.
    pub(crate) const LINK_ACTIVE: u32 = 0x2000;
}
