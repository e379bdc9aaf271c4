// SPDX-License-Identifier: GPL-2.0-or-later
//! Which BAR answers an address: the memory path from a PHB's window to a register.

use eeh_pe::Time;

use super::fabric::Fabric;
use super::function::{Answers, Function, Index};
use crate::topology::WindowSpec;

/// Where a BAR was when the machine was enumerated. The PHB's segments were laid out by it, so it
/// says to which PE an address belongs, whatever the device remembers.
#[derive(Clone, Copy, Debug)]
struct Range {
    start: u64,
    last: u64,
    function: Index,
    bar: u8,
}

/// The address map of a PHB.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    pub windows: Box<[WindowSpec]>,
    ranges: Vec<Range>,
}

/// A register that answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hit {
    pub function: Index,
    /// Offset within the BAR.
    pub offset: u64,
}

impl Decoder {
    pub(crate) fn new(windows: &[WindowSpec], fabric: &Fabric) -> Self {
        let mut d = Self { windows: windows.into(), ranges: Vec::new() };
        d.rebuild(fabric);
        d
    }

    /// Takes the segments from the functions that are there.
    pub(crate) fn rebuild(&mut self, fabric: &Fabric) {
        self.ranges.clear();
        for (i, f) in fabric.functions.iter().enumerate() {
            for (b, bar) in f.bars.iter().enumerate() {
                self.ranges.push(Range {
                    start: bar.start,
                    last: bar.last(),
                    function: i as Index,
                    bar: b as u8,
                });
            }
        }
        self.ranges.sort_unstable_by_key(|r| r.start);
    }

    fn range(&self, address: u64) -> Option<&Range> {
        let at = self.ranges.partition_point(|r| r.start <= address);
        self.ranges.get(at.checked_sub(1)?).filter(|r| address <= r.last)
    }

    /// The PE that an address belongs to, if enumeration gave it to any.
    pub(crate) fn pe(&self, fabric: &Fabric, address: u64) -> Option<u32> {
        fabric.get(self.range(address)?.function).pe
    }

    /// Who answers `address` (the CPU's) now.
    pub(crate) fn find(&self, fabric: &Fabric, address: u64, now: Time) -> Option<Hit> {
        let window = self.windows.iter().find(|w| w.contains(address))?;
        let bus = window.to_bus(address)?;
        if let Some(r) = self.range(address)
            && let Some(hit) = claims(fabric, r.function, usize::from(r.bar), bus, window.io, now)
        {
            return Some(hit);
        }
        fabric.functions.iter().enumerate().find_map(|(i, f)| {
            (0..f.bars.len()).find_map(|b| claims(fabric, i as Index, b, bus, window.io, now))
        })
    }
}

/// BAR number `bar` of function `i` decodes the bus address, and the bridges above lead to it.
fn claims(fabric: &Fabric, i: Index, bar: usize, bus: u64, io: bool, now: Time) -> Option<Hit> {
    let f = fabric.get(i);
    let bar = f.bars.get(bar)?;
    if bar.io != io || !decodes(f, io) || f.answers(now) != Answers::Data {
        return None;
    }
    let offset = bus.checked_sub(f.bar_address(bar)).filter(|&o| o < bar.size)?;
    let open = fabric.above(i).all(|b| forwards(fabric.get(b), bus, io));
    (open && fabric.path_up(i, now)).then_some(Hit { function: i, offset })
}

/// Memory (bit 1) or I/O (bit 0) decoding is on in the command register.
fn decodes(f: &Function, io: bool) -> bool {
    f.config.word(0x04) & if io { 1 } else { 2 } != 0
}

fn forwards(bridge: &Function, bus: u64, io: bool) -> bool {
    if !decodes(bridge, io) {
        return false;
    }
    let c = &bridge.config;
    if io {
        let (base, limit) = (u64::from(c.byte(0x1c)), u64::from(c.byte(0x1d)));
        let upper = c.dword(0x30);
        let wide = base & 0xf == 1;
        let high = |v: u32| if wide { u64::from(v & 0xffff) << 16 } else { 0 };
        let first = (base & 0xf0) << 8 | high(upper);
        let last = (limit & 0xf0) << 8 | 0xfff | high(upper >> 16);
        return (first..=last).contains(&bus);
    }
    let window = |at: u16, high: (u32, u32)| {
        let first = u64::from(c.word(at) & 0xfff0) << 16 | u64::from(high.0) << 32;
        let last = u64::from(c.word(at + 2) & 0xfff0) << 16 | 0xf_ffff | u64::from(high.1) << 32;
        (first..=last).contains(&bus)
    };
    let wide = c.byte(0x24) & 0xf == 1;
    window(0x20, (0, 0)) || window(0x24, if wide { (c.dword(0x28), c.dword(0x2c)) } else { (0, 0) })
}
