// SPDX-License-Identifier: GPL-2.0-or-later
//! What the trees must look like, worked out from the machine and from the devices that Linux has.

use std::collections::BTreeMap;

use eeh_pe::{Bdf, DeviceFlags, PeFlags, PeRef, PeType, TreeGuard};
use test_utils::linux::{SimEnv, SimLinux, SimPhb};

/// A PE as it must be.
#[derive(Debug, Default)]
struct Wanted {
    /// The PE above; `None`: the PHB's own.
    parent: Option<u32>,
    children: usize,
    devices: Vec<Bdf>,
}

/// Flags that a PE at rest may have.
const REST: PeFlags = PeFlags::PRI_BUS.union(PeFlags::CFG_RESTRICTED);
/// Flags that a device at rest may have.
const DEVICE_REST: DeviceFlags =
    DeviceFlags::BRIDGE.union(DeviceFlags::ROOT_PORT).union(DeviceFlags::DS_PORT);

/// Compares all trees with the machine.
pub(in super::super) fn check_trees(linux: &SimLinux) -> Vec<String> {
    let mut wrong = Vec::new();
    for phb in linux.phbs() {
        let number = phb.number().0;
        let dead = linux.hardware(number).is_none_or(|hardware| hardware.is_dead());
        let mut found = check_map(linux, &phb);
        match linux.registry().tree(phb.tree()) {
            Some(tree) => found.extend(check_tree(&tree.lock(), &wanted(linux, &phb), dead)),
            None => found.push("has no tree".to_owned()),
        }
        wrong.extend(found.into_iter().map(|what| format!("PHB {number:04x}: {what}")));
    }
    wrong
}

/// The PEs of the devices that Linux has, with their numbers as the machine has them.
fn wanted(linux: &SimLinux, phb: &SimPhb) -> BTreeMap<u32, Wanted> {
    let mut all: BTreeMap<u32, Wanted> = BTreeMap::new();
    let spec = phb.spec();
    let wired = |bdf: Bdf| spec.function(bdf).and_then(|function| function.pe);
    let number = phb.number().0;
    let physfn = |bdf: Bdf| phb.device(bdf).and_then(|device| device.identity().physfn);
    let pe_of = |bdf: Bdf| match linux.rtas() {
        _ if physfn(bdf).is_some() => linux.pe_of_vf(number, bdf),
        None => wired(bdf),
        Some(rtas) => rtas.honest().pe_number(number, bdf),
    };
    for device in phb.devices() {
        let isa = device.identity().class >> 8 == 0x0601;
        let Some(pe) = pe_of(device.bdf()).filter(|_| !isa) else { continue };
        let wanted = all.entry(pe).or_default();
        if wanted.devices.is_empty() {
            // In ascending order: the first is the highest in the tree.
            wanted.parent = match physfn(device.bdf()) {
                Some(physfn) => pe_of(physfn),
                None => spec.parent_of(device.bdf()).and_then(|bridge| pe_of(bridge.bdf)),
            };
        }
        wanted.devices.push(device.bdf());
    }
    let parents: Vec<_> = all.values().filter_map(|wanted| wanted.parent).collect();
    for parent in parents {
        if let Some(above) = all.get_mut(&parent) {
            above.children += 1;
        }
    }
    all
}

fn check_tree(guard: &TreeGuard<'_, SimEnv>, wanted: &BTreeMap<u32, Wanted>, dead: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(root) = guard.root() else { return vec!["its tree has no root".to_owned()] };
    let at_root = wanted.values().filter(|wanted| wanted.parent.is_none()).count();
    check_pe(root, &Wanted { parent: None, children: at_root, devices: Vec::new() }, dead, &mut wrong);
    let mut seen = 0;
    for pe in root.subtree().skip(1) {
        let number = pe.number().0;
        seen += 1;
        let Some(wanted) = wanted.get(&number) else {
            wrong.push(format!("PE {number:x} has no function in the machine"));
            continue;
        };
        let parent = pe.parent().filter(|above| !above.kind().contains(PeType::PHB)).map(|pe| pe.number().0);
        if parent != wanted.parent {
            wrong.push(format!("PE {number:x} is below {parent:x?}, expected {:x?}", wanted.parent));
        }
        check_pe(pe, wanted, dead, &mut wrong);
    }
    if seen != wanted.len() {
        wrong.push(format!("its tree has {seen} PEs, expected {}", wanted.len()));
    }
    wrong
}

fn check_pe(pe: PeRef<'_, '_, SimEnv>, wanted: &Wanted, dead: bool, wrong: &mut Vec<String>) {
    let name = if pe.kind().contains(PeType::PHB) {
        "its own PE".to_owned()
    } else {
        format!("PE {:x}", pe.number().0)
    };
    let mut devices: Vec<Bdf> = pe.devices().map(|device| device.info().bdf).collect();
    devices.sort_unstable();
    if devices != wanted.devices {
        wrong.push(format!("{name} has the devices {devices:?}, expected {:?}", wanted.devices));
    }
    let references = 1 + wanted.children + wanted.devices.len();
    if usize::try_from(pe.references()) != Ok(references) {
        wrong.push(format!("{name} has {} references, expected {references}", pe.references()));
    }
    // A PHB that has died keeps its mark: nothing will ever answer there.
    let allowed = if dead { REST | PeFlags::ISOLATED | PeFlags::CFG_BLOCKED } else { REST };
    let left = pe.flags().difference(allowed);
    if !left.is_empty() || pe.kind().contains(PeType::INVALID) {
        wrong.push(format!("{name} is left with {left:?}, {:?}", pe.kind()));
    }
    for device in pe.devices() {
        let left = device.flags().difference(DEVICE_REST);
        if device.references() != 1 || (!left.is_empty() && !dead) {
            let bdf = device.info().bdf;
            wrong.push(format!("{bdf} is left with {} references and {left:?}", device.references()));
        }
    }
}

/// Each memory and I/O range of each device leads to it, and nothing else does.
fn check_map(linux: &SimLinux, phb: &SimPhb) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut ranges = 0;
    for device in phb.devices().iter().filter(|device| !device.is_bridge()) {
        let Some(id) = device.eeh() else { continue };
        for bar in &device.identity().bars {
            ranges += 1;
            for address in [bar.start, bar.last()] {
                if linux.registry().lookup(address) != Some(id) {
                    wrong.push(format!("{address:#x} does not lead to {device}"));
                }
            }
        }
    }
    let mut mapped = 0;
    if let Some(tree) = linux.registry().tree(phb.tree()) {
        tree.map().for_each(|_, _| mapped += 1);
    }
    if mapped != ranges {
        wrong.push(format!("its address map has {mapped} ranges, expected {ranges}"));
    }
    wrong
}
