// SPDX-License-Identifier: GPL-2.0-or-later
//! This project's checks, over the same machine and firmware.

use eeh_pe::{
    Bdf, DeviceId, DeviceInfo, Passed, PeFlags, PeId, PeNumber, PeSpec, PeType, PhbInfo, PhbNumber, Registry,
    RegistryLimits, RegistryStorage, Time, Tree, TreeId, TreeStorage, Window, WindowKind,
};
use eeh_powernv::opal::Opal;
use eeh_recovery::{Context, check_failure, dev_check_failure};

use crate::env::Host;
use crate::firmware;
use crate::machine::{Machine, PHBS, window};
use crate::platform::OnlyFirmware;
use crate::side::Side;

/// The real thing, over a machine.
pub struct Ours<'a, O> {
    registry: Registry<Host>,
    trees: Vec<TreeId>,
    devices: Vec<(DeviceId, PeId)>,
    gone: DeviceId,
    machine: &'a Machine,
    firmware: &'a O,
    platform: OnlyFirmware<&'a O>,
}

impl<'a, O: Opal> Ours<'a, O> {
    /// EEH for all devices of `machine`, over `firmware`.
    ///
    /// # Panics
    ///
    /// When the machine does not fit the registry.
    #[must_use]
    pub fn new(machine: &'a Machine, firmware: &'a O) -> Self {
        let per_phb = machine.devices.len() + 1;
        let limits = RegistryLimits { phbs: PHBS, pes: per_phb + 1, devices: per_phb, cpus: 4 };
        let registry = Registry::new(RegistryStorage::reserve(limits).expect("hosts have memory"));
        let trees: Vec<TreeId> = (0..PHBS).map(|phb| add_phb(&registry, phb, machine.ranges() + 2)).collect();
        let gone = unplugged(&tree(&registry, &trees, 0));
        let devices =
            (0..machine.devices.len()).map(|index| plug(&registry, &trees, machine, index)).collect();
        let platform = OnlyFirmware::new(firmware);
        Self { registry, trees, devices, gone, machine, firmware, platform }
    }

    /// Everything that exists.
    #[must_use]
    pub const fn registry(&self) -> &Registry<Host> {
        &self.registry
    }

    /// The PE of the device with this index.
    #[must_use]
    pub fn pe(&self, index: usize) -> PeId {
        self.devices[index].1
    }
}

fn tree<'r>(registry: &'r Registry<Host>, trees: &[TreeId], phb: usize) -> Tree<'r, Host> {
    registry.tree(trees[phb]).expect("PHBs stay")
}

fn add_phb(registry: &Registry<Host>, phb: usize, ranges: usize) -> TreeId {
    let (start, end_inclusive) = window(phb);
    let memory = Window { start, end_inclusive, kind: WindowKind::Mem };
    let number = u32::try_from(phb).expect("few PHBs");
    let info = PhbInfo {
        number: PhbNumber(number),
        firmware: u64::from(number),
        root_bus: 0,
        windows: [Some(memory), None, None, None],
    };
    let storage = TreeStorage::reserve(ranges).expect("hosts have memory");
    registry.add_phb(info, storage).unwrap_or_else(|(error, _)| panic!("{error}"))
}

/// A handle of a device that was there once.
fn unplugged(tree: &Tree<'_, Host>) -> DeviceId {
    let info = DeviceInfo { bdf: Bdf(0xfff8), ..DeviceInfo::default() };
    let pe = PeSpec { number: PeNumber(0xff), kind: PeType::DEVICE };
    let inserted = tree.insert_device(info, (), pe, None).unwrap_or_else(|(error, ())| panic!("{error}"));
    let removed = tree.remove_device(inserted.device, Time::ZERO);
    assert!(removed.is_some(), "a device that was just inserted");
    inserted.device
}

fn plug(registry: &Registry<Host>, trees: &[TreeId], machine: &Machine, index: usize) -> (DeviceId, PeId) {
    let spec = &machine.devices[index];
    let tree = tree(registry, trees, spec.phb);
    let info = DeviceInfo { bdf: Bdf(spec.bdf), ..DeviceInfo::default() };
    let pe = PeSpec { number: PeNumber(spec.pe), kind: PeType::DEVICE };
    let inserted = tree.insert_device(info, (), pe, None).unwrap_or_else(|(error, ())| panic!("{error}"));
    map(&tree, machine, index, inserted.device);
    (inserted.device, inserted.pe)
}

fn map(tree: &Tree<'_, Host>, machine: &Machine, index: usize, device: DeviceId) {
    for &(start, end_inclusive) in &machine.devices[index].ranges {
        let range = Window { start, end_inclusive, kind: WindowKind::Mem };
        tree.map().insert(range, device).unwrap_or_else(|error| panic!("{error}"));
    }
}

impl<O: Opal + Sync> Side for Ours<'_, O> {
    type Device = DeviceId;

    fn enter(&self, cpu: usize) {
        Host::enter(cpu);
    }

    fn device(&self, index: usize) -> DeviceId {
        self.devices[index].0
    }

    fn no_device(&self) -> DeviceId {
        self.gone
    }

    #[inline]
    fn check_device(&self, device: DeviceId) -> bool {
        dev_check_failure(&self.platform, &self.registry, device, Context::Normal).is_failure()
    }

    #[inline]
    fn check_address(&self, address: u64) -> bool {
        check_failure(&self.platform, &self.registry, address, Context::Normal).is_failure()
    }

    fn freeze(&self, devices: &[usize], frozen: bool) {
        firmware::freeze(self.firmware, self.machine, devices, frozen);
        if frozen {
            return;
        }
        for phb in 0..PHBS {
            let tree = tree(&self.registry, &self.trees, phb);
            tree.take_pending().for_each(drop);
            let root = tree.phb_pe().expect("PHBs stay");
            tree.lock().clear_subtree(root, PeFlags::INHERITED, Passed::Include);
        }
    }

    fn plug(&self, device: usize, present: bool) {
        let tree = tree(&self.registry, &self.trees, self.machine.devices[device].phb);
        let id = self.devices[device].0;
        if present { map(&tree, self.machine, device, id) } else { tree.map().remove_device(id) }
    }
}
