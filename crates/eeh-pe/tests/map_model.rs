// SPDX-License-Identifier: GPL-2.0-or-later
//! Goal: after any history of ranges and devices, the address map is a sorted vector.

// mutants: a_row_is_too_long => "the map is not the vector"
// mutants: map_writes_in_place => "the map is not the vector"

#![cfg(not(eeh_loom))]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{DeviceId, MapError, Registry, Tree, TreeStorage, Window, WindowKind};
use proptest::prelude::*;

const DEVICES: usize = 6;
/// Addresses of one unit; a range is some units.
const UNIT: u64 = 0x100;
const UNITS: u64 = 160;
/// More than a row, so that all layouts of a small map are met.
const ROOM: usize = 20;

/// A step; a device is one of the six.
#[derive(Clone, Debug)]
enum Step {
    Insert {
        unit: u64,
        units: u64,
        device: usize,
    },
    RemoveDevice(usize),
    /// The device goes from the tree and leaves its ranges; another comes at its address.
    Replug(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..UNITS, 1..9_u64, 0..DEVICES)
            .prop_map(|(unit, units, device)| Step::Insert { unit, units, device }),
        1 => (0..DEVICES).prop_map(Step::RemoveDevice),
        1 => (0..DEVICES).prop_map(Step::Replug),
    ]
}

struct Play<'r> {
    registry: &'r Registry<Host>,
    tree: &'r Tree<'r, Host>,
    devices: Vec<DeviceId>,
    /// First and last address, sorted; no two overlap.
    ranges: Vec<(u64, u64, DeviceId)>,
}

impl Play<'_> {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Insert { unit, units, device } => self.insert(unit, units, self.devices[device]),
            Step::RemoveDevice(device) => {
                let device = self.devices[device];
                self.tree.map().remove_device(device);
                self.ranges.retain(|range| range.2 != device);
            }
            Step::Replug(nth) => {
                drop(self.tree.remove_device(self.devices[nth], seconds(1)));
                self.devices[nth] = plug(self.tree, nth);
            }
        }
    }

    fn insert(&mut self, unit: u64, units: u64, device: DeviceId) {
        let base = phb_info(0).windows[0].unwrap().start;
        let start = base + unit * UNIT;
        let new = (start, start + units * UNIT - 1, device);
        let window = Window { start, end_inclusive: new.1, kind: WindowKind::Mem };
        assert_eq!(self.tree.map().insert(window, device), self.expect(new), "the map is not the vector");
    }

    /// What an insertion answers, and does to the vector.
    fn expect(&mut self, new: (u64, u64, DeviceId)) -> Result<(), MapError> {
        let live = |range: &(u64, u64, DeviceId)| self.devices.contains(&range.2);
        let overlaps = |range: &(u64, u64, DeviceId)| range.0 <= new.1 && new.0 <= range.1;
        if self.ranges.contains(&new) {
            return Ok(());
        }
        if let Some(other) = self.ranges.iter().find(|range| overlaps(range) && live(range)) {
            return Err(MapError::Overlap(other.2));
        }
        let mut ranges: Vec<_> = self.ranges.iter().copied().filter(live).collect();
        if ranges.len() == ROOM {
            return Err(MapError::Full);
        }
        ranges.insert(ranges.partition_point(|range| range.0 < new.0), new);
        self.ranges = ranges;
        Ok(())
    }

    fn check(&self) {
        let base = phb_info(0).windows[0].unwrap().start;
        for unit in 0..UNITS + 9 {
            for address in [base + unit * UNIT, base + unit * UNIT + UNIT - 1] {
                let before = self.ranges.partition_point(|range| range.0 <= address);
                let found =
                    before.checked_sub(1).map(|at| self.ranges[at]).filter(|range| address <= range.1);
                let device = self.registry.lookup(address);
                assert_eq!(device, found.map(|range| range.2), "the map is not the vector");
            }
        }
        let mut shown = Vec::new();
        self.tree.map().for_each(|window, device| shown.push((window.start, window.end_inclusive, device)));
        assert_eq!(shown, self.ranges, "the map is not the vector");
    }
}

fn plug(tree: &Tree<'_, Host>, nth: usize) -> DeviceId {
    let bdf = 0x100 + u16::try_from(nth).unwrap();
    insert(tree, bdf, u32::from(bdf), None).device
}

proptest! {
    #[test]
    fn a_map_is_a_sorted_vector(steps in prop::collection::vec(any_step(), 0..80)) {
        let registry = registry::<Host>(1);
        let storage = TreeStorage::reserve(ROOM).unwrap();
        let id = registry.add_phb(phb_info(0), storage).map_err(|(error, _)| error).unwrap();
        let tree = registry.tree(id).unwrap();
        let devices = (0..DEVICES).map(|nth| plug(&tree, nth)).collect();
        let mut play = Play { registry: &registry, tree: &tree, devices, ranges: Vec::new() };
        for step in &steps {
            play.step(step);
            play.check();
        }
    }
}
