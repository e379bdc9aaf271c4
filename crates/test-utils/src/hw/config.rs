// SPDX-License-Identifier: GPL-2.0-or-later
//! Live configuration space of one function.
//!
//! The bytes are the dump's; a shared [`Layout`] says which bits software can change and what a reset
//! makes of them. Everything that the layout does not list is read-only and survives.

use std::sync::Arc;

/// One 32-bit register that software can change.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Register {
    /// Offset in bytes, a multiple of 4.
    pub(crate) offset: u16,
    /// Bits that take what is written.
    pub(crate) rw: u32,
    /// Bits that a written 1 clears.
    pub(crate) w1c: u32,
    /// What a reset puts into the bits of `rw` and `w1c`.
    pub(crate) reset: u32,
    /// Survives a hot reset and an FLR (PCIe 7.4: RWS, RW1CS).
    pub(crate) sticky: bool,
}

/// What kind of PCIe port or device a function is (PCIe 7.5.3.2, Device/Port Type).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum PortKind {
    /// No Express capability.
    Conventional,
    /// An endpoint.
    Endpoint,
    /// A root port.
    Root,
    /// A switch's upstream port.
    Upstream,
    /// A switch's downstream port.
    Downstream,
    /// A bridge between PCIe and conventional PCI.
    Bridge,
}

/// Offsets of the capabilities that the model looks at; 0: absent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Caps {
    /// PCI Express.
    pub(crate) express: u16,
    /// Advanced Error Reporting.
    pub(crate) aer: u16,
    /// Advanced Features (FLR of conventional devices).
    pub(crate) af: u16,
    /// Power management.
    pub(crate) pm: u16,
    /// SR-IOV.
    pub(crate) sriov: u16,
}

/// The changeable registers of a function, sorted by offset; shared by functions that look alike.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Layout {
    /// The registers.
    pub(crate) registers: Vec<Register>,
    /// Where the capabilities are.
    pub(crate) caps: Caps,
    /// What it is on the link.
    pub(crate) port: PortKind,
    /// Header type 1.
    pub(crate) bridge: bool,
}

impl Layout {
    fn find(&self, offset: u16) -> Option<&Register> {
        self.registers.binary_search_by_key(&offset, |r| r.offset).ok().map(|i| &self.registers[i])
    }
}

/// A function's configuration space as it is now.
#[derive(Clone, Debug)]
pub(crate) struct ConfigSpace {
    /// Up to the last byte that is not zero and read-only.
    bytes: Box<[u8]>,
    limit: u16,
    layout: Arc<Layout>,
}

impl ConfigSpace {
    /// `dump` as it is; its length (64, 256 or 4096) is how far the space reaches.
    #[must_use]
    pub(crate) fn new(dump: &[u8], layout: Arc<Layout>) -> Self {
        let used = dump.iter().rposition(|&b| b != 0).map_or(0, |i| i + 1);
        let changeable = layout.registers.last().map_or(0, |r| usize::from(r.offset) + 4);
        let keep = used.max(changeable).next_multiple_of(4);
        let mut bytes = vec![0; keep];
        let n = keep.min(dump.len());
        bytes[..n].copy_from_slice(&dump[..n]);
        Self { bytes: bytes.into(), limit: u16::try_from(dump.len()).unwrap_or(4096), layout }
    }

    /// The layout.
    #[must_use]
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The register at `offset` (a multiple of 4); all ones past the end of the space.
    #[must_use]
    pub(crate) fn dword(&self, offset: u16) -> u32 {
        if offset >= self.limit {
            return u32::MAX;
        }
        let at = usize::from(offset);
        self.bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// 16 bits at `offset` (even).
    #[must_use]
    pub(crate) fn word(&self, offset: u16) -> u16 {
        extract(self.dword(offset & !3), offset, 2) as u16
    }

    /// 8 bits at `offset`.
    #[must_use]
    pub(crate) fn byte(&self, offset: u16) -> u8 {
        extract(self.dword(offset & !3), offset, 1) as u8
    }

    /// Changes bits that software cannot: status that the hardware sets.
    pub(crate) fn set_bits(&mut self, offset: u16, clear: u32, set: u32) {
        let v = self.dword(offset) & !clear | set;
        self.put(offset, v);
    }

    /// Bytes kept.
    #[cfg(test)]
    pub(crate) fn stored(&self) -> usize {
        self.bytes.len()
    }

    fn put(&mut self, offset: u16, value: u32) {
        let at = usize::from(offset);
        if let Some(b) = self.bytes.get_mut(at..at + 4) {
            b.copy_from_slice(&value.to_le_bytes());
        }
    }

    /// A write of `size` (1, 2, 4) bytes by software. Answers the register before and after, and the
    /// bits that the write tried to set, for side effects that are no stored bit.
    pub(crate) fn write(&mut self, offset: u16, size: u8, value: u32) -> Written {
        let reg = offset & !3;
        let lanes = lanes(offset, size);
        let data = (value << (8 * u32::from(offset & 3))) & lanes;
        let before = self.dword(reg);
        let mut after = before;
        if let Some(r) = self.layout.find(reg) {
            let rw = r.rw & lanes;
            after = (before & !rw | data & rw) & !(data & r.w1c);
            self.put(reg, after);
        }
        Written { offset: reg, before, after, data }
    }

    /// A reset: registers go to their power-on values; sticky ones only when `power_on`.
    pub(crate) fn reset(&mut self, power_on: bool) {
        let layout = Arc::clone(&self.layout);
        for r in layout.registers.iter().filter(|r| power_on || !r.sticky) {
            let mask = r.rw | r.w1c;
            let v = self.dword(r.offset) & !mask | r.reset & mask;
            self.put(r.offset, v);
        }
    }
}

/// What a configuration write did to its 32-bit register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Written {
    /// The register, a multiple of 4.
    pub(crate) offset: u16,
    /// Its value before.
    pub(crate) before: u32,
    /// Its value after.
    pub(crate) after: u32,
    /// What was written, in its lanes.
    pub(crate) data: u32,
}

fn lanes(offset: u16, size: u8) -> u32 {
    let bits = match size {
        1 => 0xff,
        2 => 0xffff,
        _ => u32::MAX,
    };
    bits << (8 * u32::from(offset & 3))
}

/// `size` bytes of `dword` from byte lane `offset & 3`.
#[must_use]
pub(crate) fn extract(dword: u32, offset: u16, size: u8) -> u32 {
    let v = dword >> (8 * u32::from(offset & 3));
    match size {
        1 => v & 0xff,
        2 => v & 0xffff,
        _ => v,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> ConfigSpace {
        let mut dump = vec![0; 256];
        dump[0] = 0x36;
        dump[4] = 0x06;
        dump[7] = 0x20;
        let registers = vec![
            Register { offset: 4, rw: 0x547, w1c: 0xf900_0000, reset: 0, sticky: false },
            Register { offset: 0x20, rw: 0xff, w1c: 0, reset: 5, sticky: true },
        ];
        let layout = Layout { registers, caps: Caps::default(), port: PortKind::Conventional, bridge: false };
        ConfigSpace::new(&dump, Arc::new(layout))
    }

    #[test]
    fn only_writable_bits_change_and_ones_clear_status() {
        let mut c = space();
        assert_eq!(c.write(0, 4, 0xdead_beef).after, 0x36);
        c.write(4, 2, 0xffff);
        assert_eq!(c.word(4), 0x0547);
        assert_eq!(c.word(6), 0x2000, "a write to the command register leaves status alone");
        c.write(6, 2, 0x2000);
        assert_eq!(c.word(6), 0);
        c.write(5, 1, 0);
        assert_eq!(c.word(4), 0x47);
    }

    #[test]
    fn a_hot_reset_keeps_sticky_bits_and_power_on_does_not() {
        let mut c = space();
        c.write(0x20, 1, 0x77);
        c.reset(false);
        assert_eq!((c.word(4), c.byte(0x20)), (0, 0x77));
        c.reset(true);
        assert_eq!(c.byte(0x20), 5);
    }

    #[test]
    fn past_the_dump_reads_all_ones() {
        assert_eq!(space().dword(0x100), u32::MAX);
        assert_eq!(space().dword(0xfc), 0);
    }
}
