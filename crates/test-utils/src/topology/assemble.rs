// SPDX-License-Identifier: GPL-2.0-or-later
//! From what was read to a machine, and notes about what had to be made up.

use std::collections::{BTreeMap, HashMap};

use super::address::PciAddress;
use super::bars::{self, Facts, Located};
use super::beside::{address_cache, device_tree, dmesg, sysfs};
use super::error::LineError;
use super::lspci::{Dump, Dumped, Region};
use super::model::{FunctionSpec, MachineSpec, PhbKind, PhbSpec};
use super::notes::Notes;
use super::pe;
use super::registers::registers;
use super::windows::{Placed, around};

/// All that was read.
pub(super) struct Inputs {
    pub(super) dump: Dump,
    pub(super) sysfs: Option<Vec<sysfs::Entry>>,
    pub(super) cache: Option<Vec<address_cache::Range>>,
    pub(super) device_tree: Option<Vec<device_tree::Phb>>,
    pub(super) log: Vec<dmesg::PhbWindow>,
}

/// Regions that lspci printed, by function.
type Printed = HashMap<PciAddress, Vec<Region>>;

/// Builds the machine. The error is one of the sysfs file: it contradicts the dump.
pub(super) fn assemble(inputs: Inputs) -> Result<MachineSpec, LineError> {
    let Inputs { dump, sysfs, cache, device_tree, log } = inputs;
    let mut notes = Notes::default();
    notes.absent(&dump.absent);
    notes.cut(&dump.cut);
    let mut printed = Printed::new();
    let mut phbs = split(dump.functions, &mut printed);
    for phb in &mut phbs {
        let tree = device_tree.iter().flatten().find(|tree| tree.number == phb.number);
        describe(phb, tree, &mut notes);
        if phb.windows.is_empty() {
            let of_phb = log.iter().filter(|(number, _)| *number == phb.number);
            phb.windows = of_phb.map(|(_, window)| *window).collect();
        }
    }
    place_bars(&mut phbs, &printed, cache.as_deref().unwrap_or_default(), &mut notes);
    let known = apply_sysfs(&mut phbs, sysfs.as_deref(), &mut notes)?;
    for phb in &mut phbs {
        let tree = device_tree.iter().flatten().find(|tree| tree.number == phb.number);
        phb.pe_count = count_pes(phb, tree.and_then(|tree| tree.pe_count), known);
        if !known {
            assign_pes(phb, &mut notes);
        }
    }
    Ok(MachineSpec { phbs, notes: notes.finish() })
}

/// The functions by PHB, in order.
fn split(dumped: Vec<Dumped>, printed: &mut Printed) -> Vec<PhbSpec> {
    let mut by_phb: BTreeMap<u32, Vec<FunctionSpec>> = BTreeMap::new();
    for Dumped { address, config, regions, driver } in dumped {
        printed.insert(address, regions);
        by_phb.entry(address.phb).or_default().push(FunctionSpec {
            bdf: address.bdf,
            config,
            bars: Vec::new(),
            pe: None,
            driver,
            reset_by_firmware: false,
            location: None,
        });
    }
    let spec = |(number, mut functions): (u32, Vec<FunctionSpec>)| {
        functions.sort_by_key(|function| function.bdf);
        PhbSpec { number, kind: PhbKind::Phb4, windows: Vec::new(), pe_count: 0, functions, location: None }
    };
    by_phb.into_iter().map(spec).collect()
}

/// Kind, windows and slots, from the device tree or the root port.
fn describe(phb: &mut PhbSpec, tree: Option<&device_tree::Phb>, notes: &mut Notes) {
    let from_tree = tree.and_then(|tree| tree.kind);
    let root_port = || {
        phb.functions.iter().find_map(|function| match (function.vendor(), function.device()) {
            (0x1014, 0x03b9) => Some(PhbKind::P7ioc),
            (0x1014, 0x03dc) => Some(PhbKind::Phb3),
            (0x1014, 0x04c1) => Some(PhbKind::Phb4),
            (0x1014, 0x0652) => Some(PhbKind::Phb5),
            _ => None,
        })
    };
    match from_tree.or_else(root_port) {
        Some(kind) => phb.kind = kind,
        None => notes.kind_unknown(phb.number),
    }
    let Some(tree) = tree else { return };
    phb.windows.clone_from(&tree.windows);
    phb.location.clone_from(&tree.location);
    let paths: Vec<Vec<u8>> = phb.functions.iter().map(|function| path(phb, function)).collect();
    for (function, path) in phb.functions.iter_mut().zip(paths) {
        if let Some(node) = tree.at(&path) {
            function.location.clone_from(&node.location);
            function.reset_by_firmware = node.reset_by_firmware;
        }
    }
}

/// Device and function numbers from the root bus down to a function.
fn path(phb: &PhbSpec, function: &FunctionSpec) -> Vec<u8> {
    let devfn = |function: &FunctionSpec| function.bdf.0.to_be_bytes()[1];
    let mut path = vec![devfn(function)];
    let mut bus = function.bdf.bus();
    while let Some(bridge) = phb.bridge_to(bus) {
        path.push(devfn(bridge));
        bus = bridge.bdf.bus();
    }
    path.reverse();
    path
}

/// BARs of all PHBs; windows of those that have none yet.
fn place_bars(phbs: &mut [PhbSpec], printed: &Printed, cache: &[address_cache::Range], notes: &mut Notes) {
    let mut cached: HashMap<PciAddress, Vec<address_cache::Range>> = HashMap::new();
    for range in cache {
        cached.entry(range.address).or_default().push(*range);
    }
    let mut located: Vec<(usize, Located)> = Vec::new();
    for (index, phb) in phbs.iter().enumerate() {
        let facts = |function: &FunctionSpec| {
            let address = PciAddress { phb: phb.number, bdf: function.bdf };
            Facts {
                bdf: function.bdf,
                registers: registers(&function.config),
                regions: printed.get(&address).map(Vec::as_slice).unwrap_or_default(),
                cached: cached.remove(&address).unwrap_or_default(),
            }
        };
        let facts: Vec<Facts<'_>> = phb.functions.iter().map(facts).collect();
        located.extend(bars::locate(&facts, &phb.windows).into_iter().map(|bar| (index, bar)));
    }
    located.sort_by_key(|(index, bar)| (bar.register.io, bar.start, *index, bar.bdf));
    let mut placed = Vec::new();
    for (at, (index, bar)) in located.iter().enumerate() {
        let phb = &mut phbs[*index];
        let size = bar.size.unwrap_or_else(|| {
            let later = located.get(at + 1..).unwrap_or_default().iter();
            let next = later.map(|(_, other)| other).find(|other| other.start > bar.start);
            let next = next.filter(|next| next.register.io == bar.register.io).map(|next| next.start);
            let end = phb.windows.iter().find(|window| window.contains(bar.start)).map(|w| w.last());
            let end = end.and_then(|last| last.checked_add(1));
            let size = bars::guess_size(bar, next.into_iter().chain(end).min());
            notes.guessed_size(PciAddress { phb: phb.number, bdf: bar.bdf }, bar.register.index, size);
            size
        });
        if bar.start.checked_add(size - 1).is_none() {
            notes.out_of_range(PciAddress { phb: phb.number, bdf: bar.bdf }, bar.register.index);
            continue;
        }
        if phb.windows.is_empty() {
            placed.push(Placed::new(*index, bar, bar.bar(size)));
        }
        let function = phb.functions.iter_mut().find(|function| function.bdf == bar.bdf);
        function.into_iter().for_each(|function| function.bars.push(bar.bar(size)));
    }
    let (windows, outside) = around(placed, phbs.len());
    notes.outside_windows(outside);
    for (phb, windows) in phbs.iter_mut().zip(windows) {
        phb.windows.extend(windows);
        phb.functions.iter_mut().for_each(|function| function.bars.sort_by_key(|bar| bar.index));
    }
}

/// PE numbers and drivers of the sysfs file; whether there are any.
fn apply_sysfs(
    phbs: &mut [PhbSpec],
    entries: Option<&[sysfs::Entry]>,
    notes: &mut Notes,
) -> Result<bool, LineError> {
    let Some(entries) = entries else { return Ok(false) };
    for entry in entries {
        let phb = phbs.iter_mut().find(|phb| phb.number == entry.address.phb);
        let function =
            phb.and_then(|phb| phb.functions.iter_mut().find(|function| function.bdf == entry.address.bdf));
        let Some(function) = function else {
            notes.not_dumped(entry.address);
            continue;
        };
        let dumped = (function.vendor(), function.device());
        if dumped != (entry.vendor, entry.device) {
            let expected = format!("{:04x}:{:04x} at {}, as in the dump", dumped.0, dumped.1, entry.address);
            let found = format!("{:04x}:{:04x}", entry.vendor, entry.device);
            return Err(LineError::new(entry.line, expected, found));
        }
        function.pe = entry.pe;
        if entry.driver.is_some() {
            function.driver.clone_from(&entry.driver);
        }
    }
    Ok(true)
}

/// How many PEs the PHB has: said, or from the root bus's (the one before the last), or usual.
fn count_pes(phb: &PhbSpec, said: Option<u32>, known: bool) -> u32 {
    let default = pe::default_count(phb);
    if let Some(said) = said {
        return said;
    }
    if !known {
        return default;
    }
    let highest = phb.functions.iter().filter_map(|function| function.pe).max();
    highest
        .map_or(default, |highest| highest.saturating_add(2).checked_next_power_of_two().unwrap_or(u32::MAX))
}

fn assign_pes(phb: &mut PhbSpec, notes: &mut Notes) {
    let pes = pe::assign(phb);
    for (function, pe) in phb.functions.iter_mut().zip(pes) {
        function.pe = pe;
    }
    notes.assigned_pes(phb.number);
}
