// SPDX-License-Identifier: GPL-2.0-or-later
//! Which PE each function gets, as powernv assigns them.
//!
//! The root bus has the PE before the last, which is reserved. Every other bus gets one when its
//! first function is added: that of the lowest M64 segment its functions' BARs lie in, else the
//! highest free one. The buses below a PCIe-to-PCI bridge share one. Buses are added depth first,
//! after all functions of the bus above.
//!
//! C: `pnv_pci_configure_bus`, `pnv_ioda_setup_bus_PE`, `pnv_ioda_alloc_pe`

use std::collections::BTreeSet;

use super::model::{FunctionSpec, PhbSpec, WindowSpec};

/// PCI Express device/port type of a bridge from PCIe to PCI.
const PCIE_TO_PCI: u8 = 7;
/// An ISA bridge has no PE of EEH's (C: `pnv_eeh_probe`).
const ISA_BRIDGE: u32 = 0x0601;

/// How many PEs a PHB has when nothing says so. POWER9 and 10 give the first PHB of each group of
/// three twice as many.
pub(super) fn default_count(phb: &PhbSpec) -> u32 {
    use super::model::PhbKind::{P7ioc, Phb3, Phb4, Phb5};
    match phb.kind {
        P7ioc => 128,
        Phb3 => 256,
        Phb4 | Phb5 if phb.number.is_multiple_of(3) => 512,
        Phb4 | Phb5 => 256,
    }
}

/// The PE of each function, in the functions' order.
pub(super) fn assign(phb: &PhbSpec) -> Vec<Option<u32>> {
    let mut assignment = Assignment {
        phb,
        of_bus: [None; 256],
        visited: [false; 256],
        free: (0..phb.pe_count.saturating_sub(2)).collect(),
    };
    let mut roots = 0;
    for bus in 0..=u8::MAX {
        if !phb.on_bus(bus).is_empty() && phb.bridge_to(bus).is_none() {
            // A machine of another kind may have several root buses; the first is the PHB's.
            let pe = if roots == 0 { phb.pe_count.checked_sub(2) } else { assignment.pick(bus, bus) };
            assignment.of_bus[usize::from(bus)] = pe;
            roots += 1;
            assignment.visit(bus);
        }
    }
    let of = |function: &FunctionSpec| {
        let pe = assignment.of_bus[usize::from(function.bdf.bus())];
        pe.filter(|_| function.class() >> 8 != ISA_BRIDGE)
    };
    phb.functions.iter().map(of).collect()
}

struct Assignment<'a> {
    phb: &'a PhbSpec,
    of_bus: [Option<u32>; 256],
    visited: [bool; 256],
    free: BTreeSet<u32>,
}

impl Assignment<'_> {
    /// Gives PEs to the buses below `bus`. Ends since bus numbers ascend downwards.
    fn visit(&mut self, bus: u8) {
        self.visited[usize::from(bus)] = true;
        let phb = self.phb;
        for bridge in phb.on_bus(bus) {
            let Some(below) = bridge.secondary().filter(|below| *below > bus) else { continue };
            if self.visited[usize::from(below)] || phb.on_bus(below).is_empty() {
                continue;
            }
            if self.of_bus[usize::from(below)].is_none() {
                let all = bridge.pcie_type() == Some(PCIE_TO_PCI);
                let last = bridge.subordinate().filter(|last| all && *last > below).unwrap_or(below);
                let pe = self.pick(below, last);
                for covered in below..=last {
                    self.of_bus[usize::from(covered)] = pe;
                }
            }
            self.visit(below);
        }
    }

    /// A PE for the buses `first` to `last`.
    fn pick(&mut self, first: u8, last: u8) -> Option<u32> {
        let phb = self.phb;
        let mut segments = BTreeSet::new();
        for function in (first..=last).flat_map(|bus| phb.on_bus(bus)) {
            segments
                .extend(phb.windows.iter().flat_map(|window| segments_of(function, window, phb.pe_count)));
        }
        for segment in &segments {
            self.free.remove(segment);
        }
        segments.first().copied().or_else(|| self.free.pop_last())
    }
}

/// The segments of an M64 window that a function's BARs lie in.
fn segments_of(function: &FunctionSpec, window: &WindowSpec, count: u32) -> BTreeSet<u32> {
    let segment = window.size / u64::from(count.max(1));
    let mut segments = BTreeSet::new();
    if !window.m64 || segment == 0 {
        return segments;
    }
    for bar in function.bars.iter().filter(|bar| !bar.io && window.contains(bar.start)) {
        let first = (bar.start - window.start) / segment;
        let last = (bar.last().min(window.last()) - window.start) / segment;
        let number = |index: u64| u32::try_from(index).ok().filter(|index| *index < count);
        segments.extend((first..=last).filter_map(number));
    }
    segments
}

#[cfg(test)]
mod tests {
    use eeh_pe::Bdf;

    use super::super::model::{BarSpec, PhbKind};
    use super::*;

    fn function(bus: u8, device: u8, config: Vec<u8>) -> FunctionSpec {
        FunctionSpec {
            bdf: Bdf::new(bus, device, 0).unwrap(),
            config,
            bars: Vec::new(),
            pe: None,
            driver: None,
            reset_by_firmware: false,
            location: None,
        }
    }

    fn endpoint(bus: u8, device: u8) -> FunctionSpec {
        function(bus, device, vec![0; 256])
    }

    fn bridge(bus: u8, device: u8, below: core::ops::RangeInclusive<u8>, pcie_type: u8) -> FunctionSpec {
        let mut config = vec![0; 256];
        config[0x06] = 0x10;
        config[0x0e] = 1;
        config[0x19] = *below.start();
        config[0x1a] = *below.end();
        config[0x34] = 0x40;
        config[0x40] = 0x10;
        config[0x42] = pcie_type << 4;
        function(bus, device, config)
    }

    fn phb(functions: Vec<FunctionSpec>) -> PhbSpec {
        let m64 = WindowSpec { start: 1 << 50, size: 256 << 30, bus_start: 1 << 50, io: false, m64: true };
        PhbSpec {
            number: 1,
            kind: PhbKind::Phb4,
            windows: vec![m64],
            pe_count: 256,
            functions,
            location: None,
        }
    }

    fn assigned(functions: Vec<FunctionSpec>) -> Vec<Option<u32>> {
        assign(&phb(functions))
    }

    #[test]
    fn buses_are_numbered_downwards_and_depth_first() {
        let functions = vec![
            bridge(0, 0, 1..=2, 4),
            bridge(0, 1, 3..=3, 4),
            bridge(1, 0, 2..=2, 6),
            endpoint(2, 0),
            endpoint(2, 1),
            endpoint(3, 0),
        ];
        let expected = [0xfe, 0xfe, 0xfd, 0xfc, 0xfc, 0xfb].map(Some);
        assert_eq!(assigned(functions), expected);
    }

    #[test]
    fn buses_below_a_pcie_to_pci_bridge_share_a_pe() {
        let functions =
            vec![bridge(0, 0, 1..=3, 4), bridge(1, 0, 2..=3, 7), bridge(2, 0, 3..=3, 0), endpoint(3, 0)];
        assert_eq!(assigned(functions), [0xfe, 0xfd, 0xfc, 0xfc].map(Some));
    }

    #[test]
    fn m64_segments_choose_the_pe() {
        let mut user = endpoint(1, 0);
        let start = (1 << 50) + (7 << 30);
        user.bars.push(BarSpec { index: 0, start, size: 2 << 30, io: false, prefetch: true, is64: true });
        let functions = vec![bridge(0, 0, 1..=1, 4), bridge(0, 1, 2..=2, 4), user, endpoint(2, 0)];
        assert_eq!(assigned(functions), [0xfe, 0xfe, 7, 0xfd].map(Some));
    }

    #[test]
    fn an_isa_bridge_has_no_pe() {
        let mut isa = endpoint(0, 0x1f);
        isa.config[0x0b] = 0x06;
        isa.config[0x0a] = 0x01;
        assert_eq!(assigned(vec![endpoint(0, 0), isa]), [Some(0xfe), None]);
    }

    #[test]
    fn bridges_in_a_circle_end() {
        let functions = vec![bridge(0, 0, 1..=1, 4), bridge(1, 0, 0..=0, 4), bridge(1, 1, 1..=1, 4)];
        assert_eq!(assigned(functions), [0xfe, 0xfd, 0xfd].map(Some));
    }

    #[test]
    fn pes_can_run_out() {
        let mut small =
            phb(vec![bridge(0, 0, 1..=1, 4), bridge(0, 1, 2..=2, 4), endpoint(1, 0), endpoint(2, 0)]);
        small.pe_count = 3;
        assert_eq!(assign(&small), [Some(1), Some(1), Some(0), None]);
    }
}
