// SPDX-License-Identifier: GPL-2.0-or-later
//! From registers to CPU addresses and sizes, with whatever beside the dump helps.

use eeh_pe::Bdf;

use super::beside::address_cache::Range;
use super::lspci::Region;
use super::model::{BarSpec, WindowSpec};
use super::registers::Register;

/// One function's registers and what is said of them elsewhere.
pub(super) struct Facts<'a> {
    pub(super) bdf: Bdf,
    pub(super) registers: Vec<Register>,
    pub(super) regions: &'a [Region],
    /// Its ranges in the address cache.
    pub(super) cached: Vec<Range>,
}

/// A BAR that may still lack its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Located {
    pub(super) bdf: Bdf,
    pub(super) register: Register,
    pub(super) start: u64,
    pub(super) size: Option<u64>,
}

impl Located {
    /// With its size.
    pub(super) fn bar(&self, size: u64) -> BarSpec {
        let Register { index, io, prefetch, is64, .. } = self.register;
        BarSpec { index, start: self.start, size, io, prefetch, is64 }
    }
}

/// Finds the CPU address of each register of a PHB, and the sizes that are known.
pub(super) fn locate(functions: &[Facts<'_>], windows: &[WindowSpec]) -> Vec<Located> {
    let offset = cache_offset(functions);
    let mut found = Vec::new();
    for function in functions {
        let printed = matching_regions(function);
        for (register, region) in function.registers.iter().zip(printed) {
            let in_window =
                || windows.iter().filter(|w| w.io == register.io).find_map(|w| w.to_cpu(register.bus));
            let start = region
                .and_then(|region| region.start)
                .or_else(in_window)
                .unwrap_or_else(|| register.bus.wrapping_add(offset_for(register, offset)));
            let cached = function.cached.iter().find(|range| range.first == start && range.io == register.io);
            let size = region.and_then(|region| region.size).or_else(|| cached?.size());
            found.push(Located { bdf: function.bdf, register: *register, start, size });
        }
    }
    found
}

/// What lspci printed about each register: by its index, or, where it printed none, in order.
fn matching_regions<'a>(function: &'a Facts<'_>) -> Vec<Option<&'a Region>> {
    let mut unnamed: Vec<&Region> = function.regions.iter().filter(|region| region.index.is_none()).collect();
    let mut matching = Vec::new();
    for register in &function.registers {
        let named = function.regions.iter().find(|region| region.index == Some(register.index));
        let next = || {
            let at = unnamed.iter().position(|region| region.io == register.io)?;
            Some(unnamed.remove(at))
        };
        matching.push(named.filter(|region| region.io == register.io).or_else(next));
    }
    matching
}

/// Only 32-bit addresses are translated: a PHB's windows above 4 GiB are where the CPU has them.
fn offset_for(register: &Register, offset: u64) -> u64 {
    if register.io || register.bus > u64::from(u32::MAX) { 0 } else { offset }
}

/// CPU address minus bus address of a PHB's 32-bit memory: of all differences between a function's
/// registers and its ranges in the address cache, the one that explains most registers.
fn cache_offset(functions: &[Facts<'_>]) -> u64 {
    let mut votes: std::collections::BTreeMap<u64, usize> = std::collections::BTreeMap::new();
    for function in functions {
        let memory = |register: &&Register| !register.io && register.bus <= u64::from(u32::MAX);
        for register in function.registers.iter().filter(memory) {
            for range in function.cached.iter().filter(|range| !range.io) {
                *votes.entry(range.first.wrapping_sub(register.bus)).or_default() += 1;
            }
        }
    }
    // The first of the best: the smallest difference, so 0 when identity explains as much.
    let mut best = (0, 0);
    for (offset, count) in votes {
        if count > best.1 {
            best = (offset, count);
        }
    }
    best.0
}

/// The size of a BAR about which nothing is known but where it and its successor are.
///
/// A BAR is aligned to its size, and ends before the next begins.
pub(super) fn guess_size(bar: &Located, next: Option<u64>) -> u64 {
    let aligned = 1_u64.checked_shl(bar.start.trailing_zeros()).unwrap_or(1 << 63);
    let aligned = aligned.min(1_u64.checked_shl(bar.register.bus.trailing_zeros()).unwrap_or(1 << 63));
    let room = next.and_then(|next| next.checked_sub(bar.start)).filter(|room| *room != 0);
    let most = match (bar.register.io, bar.register.is64) {
        // PCI 3.0, 6.2.5.1: an I/O BAR has at most 256 bytes, a 32-bit one at most 2 GiB.
        (true, _) => 256,
        (false, false) => 1 << 31,
        (false, true) => 1 << 47,
    };
    let size = aligned.min(most).min(room.unwrap_or(u64::MAX));
    1 << size.max(1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BDF: Bdf = Bdf(0x0300);

    fn memory(index: u8, bus: u64) -> Register {
        Register { index, bus, io: false, prefetch: false, is64: false }
    }

    fn cached(first: u64, size: u64) -> Range {
        Range { io: false, first, last: first + size - 1, address: "03:00.0".parse().unwrap() }
    }

    fn facts(registers: Vec<Register>, cached: Vec<Range>) -> Facts<'static> {
        Facts { bdf: BDF, registers, regions: &[], cached }
    }

    #[test]
    fn the_address_cache_reveals_the_offset_and_the_sizes() {
        let registers = vec![memory(0, 0x8080_0000), memory(1, 0x8082_0000), memory(3, 0x8084_0000)];
        let base = 0x0006_00c1_0000_0000;
        let ranges = vec![
            cached(base + 0x80_0000, 0x2_0000),
            cached(base + 0x82_0000, 0x2_0000),
            cached(base + 0x84_0000, 0x4000),
        ];
        let found = locate(&[facts(registers, ranges)], &[]);
        let found: Vec<_> = found.iter().map(|bar| (bar.start - base, bar.size)).collect();
        assert_eq!(
            found,
            [(0x80_0000, Some(0x2_0000)), (0x82_0000, Some(0x2_0000)), (0x84_0000, Some(0x4000))]
        );
    }

    #[test]
    fn a_64_bit_address_is_not_translated_by_the_cache() {
        let high = Register { is64: true, prefetch: true, ..memory(0, 0x0006_0000_0000_0000) };
        let found = locate(&[facts(vec![high], vec![cached(0x0006_0000_0000_0000, 0x1000)])], &[]);
        assert_eq!((found[0].start, found[0].size), (0x0006_0000_0000_0000, Some(0x1000)));
    }

    #[test]
    fn windows_translate_and_printed_regions_win() {
        let window =
            WindowSpec { start: 0x600c << 36, size: 1 << 31, bus_start: 1 << 31, io: false, m64: false };
        let regions = [Region { index: Some(1), io: false, start: Some(0x1234_0000), size: Some(16) }];
        let function = Facts {
            regions: &regions,
            ..facts(vec![memory(0, 0x8000_1000), memory(1, 0x9000_0000)], Vec::new())
        };
        let found = locate(&[function], &[window]);
        assert_eq!((found[0].start, found[0].size), ((0x600c << 36) + 0x1000, None));
        assert_eq!((found[1].start, found[1].size), (0x1234_0000, Some(16)));
    }

    #[test]
    fn regions_without_index_are_taken_in_order() {
        let region = |io, start| Region { index: None, io, start: Some(start), size: None };
        let regions = [region(true, 0xe000), region(false, 0x10_0000), region(false, 0x20_0000)];
        let io = Register { io: true, ..memory(2, 0xe000) };
        let function = Facts {
            regions: &regions,
            ..facts(vec![memory(0, 0x10_0000), io, memory(4, 0x20_0000)], Vec::new())
        };
        let starts: Vec<_> = locate(&[function], &[]).iter().map(|bar| bar.start).collect();
        assert_eq!(starts, [0x10_0000, 0xe000, 0x20_0000]);
    }

    #[test]
    fn guessed_sizes_follow_alignment_and_neighbour() {
        let at = |bus: u64, io: bool| Located {
            bdf: BDF,
            register: Register { io, ..memory(0, bus) },
            start: bus,
            size: None,
        };
        assert_eq!(guess_size(&at(0xfe01_0000, false), None), 0x1_0000);
        assert_eq!(guess_size(&at(0xfe01_0000, false), Some(0xfe01_3000)), 0x2000);
        assert_eq!(guess_size(&at(0xe000, true), None), 256);
        assert_eq!(guess_size(&at(0x8000_0000, false), None), 1 << 31);
        assert_eq!(guess_size(&at(0xfe01_0000, false), Some(0xfe01_0000)), 0x1_0000, "one at the same place");
        assert_eq!(guess_size(&at(0, false), None), 1 << 31);
    }
}
