// SPDX-License-Identifier: GPL-2.0-or-later
//! What is known of a PHB.

use crate::id::PhbNumber;

/// What kind of address a range holds. Both are CPU addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum WindowKind {
    /// Memory.
    Mem,
    /// I/O ports, as the CPU sees them.
    Io,
}

/// A range of CPU addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Window {
    /// The first address.
    pub start: u64,
    /// The last address, not below `start`.
    pub end_inclusive: u64,
    /// Memory or I/O.
    pub kind: WindowKind,
}

/// A PHB, as its platform found it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct PhbInfo {
    /// Linux's number of it. C: `hose->global_number`
    pub number: PhbNumber,
    /// Firmware's name of it: OPAL's PHB id, RTAS's BUID.
    pub firmware: u64,
    /// The bus number right below it.
    pub root_bus: u8,
    /// The CPU addresses that it decodes.
    pub windows: [Option<Window>; 4],
}
