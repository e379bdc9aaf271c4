// SPDX-License-Identifier: GPL-2.0-or-later
//! Configuration space of made-up functions: header, power management, MSI, PCI Express, AER.

use super::devices::{Kind, Port};

/// Where each capability is.
const PM: usize = 0x40;
const MSI: usize = 0x50;
const EXPRESS: usize = 0x70;
const AER: usize = 0x100;

struct Space(Vec<u8>);

impl Space {
    fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        for (place, byte) in self.0.iter_mut().skip(at).zip(bytes) {
            *place = byte;
        }
    }

    fn put16(&mut self, at: usize, value: u16) {
        self.put(at, value.to_le_bytes());
    }

    fn put32(&mut self, at: usize, value: u32) {
        self.put(at, value.to_le_bytes());
    }

    fn common(&mut self, ids: (u16, u16), class: u32) {
        self.put16(0x00, ids.0);
        self.put16(0x02, ids.1);
        // Memory, bus master, SERR; a capability list.
        self.put16(0x04, 0x0106);
        self.put16(0x06, 0x0010);
        self.put32(0x08, class << 8);
        self.put(0x34, [0x40]);
        self.put(0x3d, [1]);
        self.put16(PM, 0x5001);
        self.put16(PM + 2, 0x0003);
        self.put16(PM + 4, 0x0008);
    }

    /// A version 2 capability as in a 2.5 GT/s x1 device, without link-active reporting.
    fn express(&mut self, pcie_type: u16, slot: bool, function_reset: bool) {
        self.put16(MSI, u16::from_le_bytes([0x05, EXPRESS.to_le_bytes()[0]]));
        self.put16(MSI + 2, 0x0080);
        self.put16(EXPRESS, 0x0010);
        self.put16(EXPRESS + 2, u16::from(slot) << 8 | pcie_type << 4 | 2);
        self.put32(EXPRESS + 4, u32::from(function_reset) << 28 | 0x8000);
        self.put32(EXPRESS + 0x0c, 0x0000_0411);
        self.put16(EXPRESS + 0x12, 0x0011);
        self.put32(AER, 0x0002_0001);
        // What PCIe 7.8.4.4 makes fatal by default.
        self.put32(AER + 0x0c, 0x0046_2030);
    }
}

/// An endpoint; `multi` when its device has more functions.
pub(super) fn endpoint(kind: &Kind, multi: bool) -> Vec<u8> {
    let mut space = Space(vec![0; if kind.express { 4096 } else { 256 }]);
    space.common((kind.vendor, kind.device), kind.class);
    space.put(0x0e, [if multi { 0x80 } else { 0 }]);
    space.put16(0x2c, 0x1af4);
    space.put16(0x2e, 0x1100);
    if kind.express {
        space.express(0, false, true);
    } else {
        space.put16(MSI, 0x0005);
    }
    space.0
}

/// A bridge from `bus` to `below`; its window is still closed.
pub(super) fn bridge(port: Port, bus: u8, below: u8) -> Vec<u8> {
    let mut space = Space(vec![0; 4096]);
    space.common(port.ids(), 0x06_0400);
    space.put(0x0e, [1]);
    space.put(0x18, [bus, below, below]);
    // A window that ends before it begins is closed.
    space.put32(0x20, 0x0000_fff0);
    space.put32(0x24, 0x0001_fff1);
    space.put16(0x3e, 0x0002);
    space.express(port.pcie_type(), port.has_slot(), false);
    space.0
}

/// Says which buses are below a bridge.
pub(super) fn set_subordinate(config: &mut [u8], last: u8) {
    if let Some(place) = config.get_mut(0x1a) {
        *place = last;
    }
}

/// Opens a bridge's window for 32-bit memory: `first` to `last` in whole MiB.
pub(super) fn open_window(config: &mut [u8], first: u64, last: u64) {
    let upper = |address: u64| u16::try_from(address >> 16 & 0xfff0).unwrap_or(0).to_le_bytes();
    let ([a, b], [c, d]) = (upper(first), upper(last));
    for (place, byte) in config.iter_mut().skip(0x20).zip([a, b, c, d]) {
        *place = byte;
    }
}

/// Opens a bridge's window for 64-bit prefetchable memory: `first` to `last` in whole MiB.
pub(super) fn open_prefetchable(config: &mut [u8], first: u64, last: u64) {
    let lower = |address: u64| u16::try_from(address >> 16 & 0xfff0).unwrap_or(0) | 1;
    let upper = |address: u64| u32::try_from(address >> 32).unwrap_or(u32::MAX);
    let mut bytes = Vec::new();
    bytes.extend(lower(first).to_le_bytes());
    bytes.extend(lower(last).to_le_bytes());
    bytes.extend(upper(first).to_le_bytes());
    bytes.extend(upper(last).to_le_bytes());
    for (place, byte) in config.iter_mut().skip(0x24).zip(bytes) {
        *place = byte;
    }
}
