// SPDX-License-Identifier: GPL-2.0-or-later
//! From a dump to a [`Layout`]: which registers of this function software can change.
//!
//! Bits and power-on values: PCI 3.0 6.2, PCI-to-PCI Bridge 1.2 chapter 3, PCIe 7.5 to 7.8.

use std::collections::BTreeMap;

use super::config::{Caps, Layout, PortKind, Register};
use crate::topology::BarSpec;

struct Builder<'a> {
    dump: &'a [u8],
    registers: BTreeMap<u16, Register>,
    caps: Caps,
    port: PortKind,
}

/// The layout of the function that `dump` (64, 256 or 4096 bytes) describes.
#[must_use]
pub(crate) fn layout(dump: &[u8], bars: &[BarSpec]) -> Layout {
    let mut b =
        Builder { dump, registers: BTreeMap::new(), caps: Caps::default(), port: PortKind::Conventional };
    let bridge = b.byte(0x0e) & 0x7f == 1;
    b.reg(0x04, 0x0547, 0xf900_0000, 0);
    b.reg(0x0c, 0xffff, 0, 0);
    b.bars(bars, if bridge { 2 } else { 6 });
    if bridge {
        b.bridge_header();
    } else {
        b.reg(0x3c, 0xff, 0, 0);
    }
    b.capabilities();
    b.extended();
    Layout { registers: b.registers.into_values().collect(), caps: b.caps, port: b.port, bridge }
}

impl Builder<'_> {
    fn byte(&self, at: u16) -> u8 {
        self.dump.get(usize::from(at)).copied().unwrap_or(0)
    }

    fn word(&self, at: u16) -> u16 {
        u16::from_le_bytes([self.byte(at), self.byte(at + 1)])
    }

    fn dword(&self, at: u16) -> u32 {
        u32::from(self.word(at)) | u32::from(self.word(at + 2)) << 16
    }

    fn reg(&mut self, offset: u16, rw: u32, w1c: u32, reset: u32) {
        let r = self.registers.entry(offset).or_insert(Register {
            offset,
            rw: 0,
            w1c: 0,
            reset: 0,
            sticky: false,
        });
        r.rw |= rw;
        r.w1c |= w1c;
        r.reset |= reset;
    }

    fn sticky(&mut self, offset: u16, rw: u32, w1c: u32, reset: u32) {
        self.registers.insert(offset, Register { offset, rw, w1c, reset, sticky: true });
    }

    /// Address bits at or above the size are writable, so that writing all ones shows the size.
    fn bars(&mut self, bars: &[BarSpec], count: u8) {
        for bar in bars.iter().filter(|b| b.index < count) {
            let at = 0x10 + 4 * u16::from(bar.index);
            let mask = !(bar.size.next_power_of_two().max(16) - 1);
            let kind = if bar.io { 3 } else { 0xf };
            self.reg(at, mask as u32 & !kind, 0, 0);
            if bar.is64 && !bar.io {
                self.reg(at + 4, (mask >> 32) as u32, 0, 0);
            }
        }
        let rom = if count == 6 { 0x30 } else { 0x38 };
        let value = self.dword(rom) & !0x7ff;
        if value != 0 {
            self.reg(rom, (!0u32 << value.trailing_zeros()) | 1, 0, 0);
        }
    }

    /// Windows come out of a reset closed (base above limit), bus numbers as zeroes.
    fn bridge_header(&mut self) {
        self.reg(0x18, 0x00ff_ffff, 0, 0);
        self.reg(0x1c, 0xf0f0, 0xf900_0000, 0x00f0);
        self.reg(0x20, 0xfff0_fff0, 0, 0x0000_fff0);
        self.reg(0x24, 0xfff0_fff0, 0, 0x0000_fff0);
        if self.byte(0x24) & 0xf == 1 {
            self.reg(0x28, u32::MAX, 0, 0);
            self.reg(0x2c, u32::MAX, 0, 0);
        }
        if self.byte(0x1c) & 0xf == 1 {
            self.reg(0x30, u32::MAX, 0, 0);
        }
        self.reg(0x3c, 0x007f_00ff, 0, 0);
    }

    fn capabilities(&mut self) {
        if self.word(0x06) & 0x10 == 0 {
            return;
        }
        let mut at = u16::from(self.byte(0x34) & 0xfc);
        for _ in 0..48 {
            if at < 0x40 {
                return;
            }
            match self.byte(at) {
                0x01 => {
                    self.caps.pm = at;
                    self.reg(at + 4, 0x0103, 0x8000, 0);
                }
                0x05 => self.msi(at),
                0x07 => self.reg(at, 0x007f_0000, 0, 0),
                0x10 => self.express(at),
                0x11 => self.reg(at, 0xc000_0000, 0, 0),
                0x13 => self.caps.af = at,
                _ => {}
            }
            at = u16::from(self.byte(at + 1) & 0xfc);
        }
    }

    fn msi(&mut self, at: u16) {
        let control = self.word(at + 2);
        self.reg(at, 0x0071_0000, 0, 0);
        self.reg(at + 4, 0xffff_fffc, 0, 0);
        let data = if control & 0x80 != 0 {
            self.reg(at + 8, u32::MAX, 0, 0);
            at + 0xc
        } else {
            at + 8
        };
        self.reg(data, 0xffff, 0, 0);
        if control & 0x100 != 0 {
            self.reg(data + 4, u32::MAX, 0, 0);
        }
    }

    fn express(&mut self, at: u16) {
        self.caps.express = at;
        let flags = self.word(at + 2);
        self.port = match (flags >> 4) & 0xf {
            4 => PortKind::Root,
            5 => PortKind::Upstream,
            6 => PortKind::Downstream,
            7 | 8 => PortKind::Bridge,
            _ => PortKind::Endpoint,
        };
        // Relaxed ordering, no snoop, 512-byte reads: what PCIe 7.5.3.4 says of a fresh endpoint.
        let control = if self.port == PortKind::Endpoint { 0x2810 } else { 0x2010 };
        self.reg(at + 8, 0x7fff, 0x000f_0000, control);
        self.reg(at + 0x10, 0x0fdb, 0xc000_0000, 0);
        if flags & 0x100 != 0 {
            self.reg(at + 0x18, 0x1fff, 0x011f_0000, 0x03c0);
        }
        if self.port == PortKind::Root {
            self.reg(at + 0x1c, 0x1f, 0, 0);
        }
        if flags & 0xf >= 2 {
            self.reg(at + 0x28, 0x7fff, 0, 0);
            let speed = self.dword(at + 0xc) & 0xf;
            self.reg(at + 0x30, 0xffff, 0, speed);
        }
    }

    fn extended(&mut self) {
        let mut at = 0x100;
        for _ in 0..64 {
            let header = self.dword(at);
            if at < 0x100 || header == 0 || header == u32::MAX {
                return;
            }
            match header & 0xffff {
                0x0001 => self.aer(at),
                0x000d => self.reg(at + 4, 0x007f_0000, 0, 0),
                0x0010 => self.sriov(at),
                _ => {}
            }
            at = (header >> 20) as u16 & 0xffc;
        }
    }

    fn aer(&mut self, at: u16) {
        self.caps.aer = at;
        self.sticky(at + 4, 0, 0x07ff_f030, 0);
        self.sticky(at + 8, 0x07ff_f030, 0, 0x0040_0000);
        self.sticky(at + 0xc, 0x07ff_f030, 0, 0x0046_2030);
        self.sticky(at + 0x10, 0, 0xf1c1, 0);
        self.sticky(at + 0x14, 0xf1c1, 0, 0x6000);
        self.sticky(at + 0x18, 0x0140, 0, 0);
        if self.port == PortKind::Root {
            self.reg(at + 0x2c, 7, 0, 0);
            self.sticky(at + 0x30, 0, 0x7f, 0);
        }
    }

    fn sriov(&mut self, at: u16) {
        self.caps.sriov = at;
        self.reg(at + 8, 0x1f, 0, 0);
        self.reg(at + 0x10, 0xffff, 0, 0);
        self.reg(at + 0x20, u32::MAX, 0, 1);
        for bar in 0..6 {
            self.reg(at + 0x24 + 4 * bar, 0xffff_f000, 0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_its_size_and_a_bridge_its_windows() {
        let mut dump = vec![0; 64];
        dump[0x10] = 4;
        let bar = BarSpec { index: 0, start: 0, size: 0x4000, io: false, prefetch: false, is64: true };
        let l = layout(&dump, &[bar]);
        let r = |o| l.registers.iter().find(|r| r.offset == o).map(|r| r.rw);
        assert_eq!((r(0x10), r(0x14)), (Some(0xffff_c000), Some(u32::MAX)));
        assert_eq!(r(0x18), None);
        dump[0x0e] = 1;
        let l = layout(&dump, &[]);
        assert!(l.bridge && l.registers.iter().any(|r| r.offset == 0x18));
    }

    #[test]
    fn a_capability_list_that_loops_ends() {
        let mut dump = vec![0; 256];
        dump[6] = 0x10;
        dump[0x34] = 0x40;
        dump[0x40] = 0x01;
        dump[0x41] = 0x40;
        assert_eq!(layout(&dump, &[]).caps.pm, 0x40);
    }
}
