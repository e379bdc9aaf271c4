// SPDX-License-Identifier: GPL-2.0-or-later
//! What there is to draw, taken out of the trees of PEs under their locks.

use std::collections::BTreeSet;

use eeh_pe::{Bdf, DeviceRef, Env, PeRef, PhbNumber, Registry};
use serde::Serialize;
use test_utils::topology::{BarSpec, FunctionSpec, MachineSpec, PciAddress, PhbSpec, WindowSpec};

/// A machine.
#[derive(Debug, Serialize)]
pub(super) struct MachineView {
    pub(super) phbs: Vec<PhbView>,
    /// What the dump did not say and had to be made up.
    pub(super) notes: Vec<String>,
}

/// A PHB.
#[derive(Debug, Serialize)]
pub(super) struct PhbView {
    pub(super) name: String,
    pub(super) number: u32,
    pub(super) kind: &'static str,
    /// How many PEs it has.
    pub(super) pe_count: u32,
    pub(super) location: Option<String>,
    pub(super) windows: Vec<RangeView>,
    /// The root of its tree; none when EEH does not know the PHB.
    pub(super) pe: Option<PeView>,
    /// Functions without PE.
    pub(super) without_pe: Vec<DeviceView>,
}

/// A PE.
#[derive(Debug, Serialize)]
pub(super) struct PeView {
    pub(super) name: String,
    /// None for the PHB's own.
    pub(super) number: Option<u32>,
    pub(super) kind: String,
    pub(super) flags: Vec<&'static str>,
    pub(super) references: u32,
    pub(super) location: Option<String>,
    pub(super) devices: Vec<DeviceView>,
    pub(super) children: Vec<PeView>,
}

/// A function.
#[derive(Debug, Serialize)]
pub(super) struct DeviceView {
    pub(super) address: String,
    /// Vendor and device ID.
    pub(super) id: String,
    /// 24 bits.
    pub(super) class: String,
    pub(super) driver: Option<String>,
    /// The buses below a bridge.
    pub(super) bridge_to: Option<String>,
    pub(super) flags: Vec<&'static str>,
    pub(super) references: u32,
    pub(super) ranges: Vec<RangeView>,
}

/// A range of CPU addresses.
#[derive(Debug, Serialize)]
pub(super) struct RangeView {
    pub(super) kind: &'static str,
    pub(super) first: String,
    pub(super) last: String,
}

/// Who drives a device.
pub(super) type DriverOf<'a> = &'a dyn Fn(PciAddress) -> Option<String>;

/// Looks at a machine and at the trees of PEs made of it.
pub(super) fn of<E: Env>(machine: &MachineSpec, registry: &Registry<E>, driver: DriverOf<'_>) -> MachineView {
    let phb = |spec: &PhbSpec| View { spec, driver }.phb(registry);
    MachineView { phbs: machine.phbs.iter().map(phb).collect(), notes: machine.notes.clone() }
}

struct View<'a> {
    spec: &'a PhbSpec,
    driver: DriverOf<'a>,
}

impl View<'_> {
    fn phb<E: Env>(&self, registry: &Registry<E>) -> PhbView {
        let Self { spec, .. } = self;
        let mut in_a_pe = BTreeSet::new();
        let tree = registry.find_phb(PhbNumber(spec.number)).and_then(|id| registry.tree(id));
        let pe = tree.and_then(|tree| tree.lock().root().map(|root| self.pe(root, &mut in_a_pe)));
        let without = spec.functions.iter().filter(|function| !in_a_pe.contains(&function.bdf));
        PhbView {
            name: format!("PHB#{:x}", spec.number),
            number: spec.number,
            kind: spec.kind.name(),
            pe_count: spec.pe_count,
            location: spec.location.clone(),
            windows: spec.windows.iter().map(window).collect(),
            pe,
            without_pe: without.map(|function| self.function(function, Vec::new(), 0)).collect(),
        }
    }

    fn pe<E: Env>(&self, pe: PeRef<'_, '_, E>, seen: &mut BTreeSet<Bdf>) -> PeView {
        let kind = pe.kind();
        let is_phb = kind.contains(eeh_pe::PeType::PHB);
        let number = pe.number().0;
        let devices: Vec<DeviceView> = pe.devices().map(|device| self.device(&device, seen)).collect();
        let bus = pe.devices().map(|device| device.info().bdf.bus()).min();
        let name = if is_phb { format!("PHB#{:x}", self.spec.number) } else { self.name_of(number) };
        PeView {
            name,
            number: (!is_phb).then_some(number),
            kind: names(kind.iter_names()).join("|"),
            flags: names(pe.flags().iter_names()),
            references: pe.references(),
            location: bus.and_then(|bus| self.spec.location_of_bus(bus)).map(str::to_owned),
            devices,
            children: pe.children().map(|child| self.pe(child, seen)).collect(),
        }
    }

    fn name_of(&self, pe: u32) -> String {
        format!("PHB#{:x}-PE#{pe:x}", self.spec.number)
    }

    fn device<E: Env>(&self, device: &DeviceRef<'_, '_, E>, seen: &mut BTreeSet<Bdf>) -> DeviceView {
        let info = device.info();
        seen.insert(info.bdf);
        let (flags, references) = (names(device.flags().iter_names()), device.references());
        if let Some(function) = self.spec.function(info.bdf) {
            return self.function(function, flags, references);
        }
        // Not in the dump: added since.
        let address = PciAddress { phb: self.spec.number, bdf: info.bdf };
        DeviceView {
            address: address.to_string(),
            id: format!("{:04x}:{:04x}", info.vendor, info.device),
            class: format!("{:06x}", info.class),
            driver: (self.driver)(address),
            bridge_to: None,
            flags,
            references,
            ranges: Vec::new(),
        }
    }

    fn function(&self, function: &FunctionSpec, flags: Vec<&'static str>, references: u32) -> DeviceView {
        let address = PciAddress { phb: self.spec.number, bdf: function.bdf };
        let buses = function.secondary().zip(function.subordinate());
        DeviceView {
            address: address.to_string(),
            id: format!("{:04x}:{:04x}", function.vendor(), function.device()),
            class: format!("{:06x}", function.class()),
            driver: (self.driver)(address),
            bridge_to: buses.map(|(first, last)| format!("{first:02x}-{last:02x}")),
            flags,
            references,
            ranges: function.bars.iter().map(range).collect(),
        }
    }
}

fn names<F>(flags: impl Iterator<Item = (&'static str, F)>) -> Vec<&'static str> {
    flags.map(|(name, _)| name).collect()
}

fn range(bar: &BarSpec) -> RangeView {
    let kind = if bar.io { "I/O" } else { "memory" };
    RangeView { kind, first: format!("{:#x}", bar.start), last: format!("{:#x}", bar.last()) }
}

fn window(window: &WindowSpec) -> RangeView {
    let kind = match window {
        WindowSpec { io: true, .. } => "I/O",
        WindowSpec { m64: true, .. } => "M64",
        WindowSpec { .. } => "memory",
    };
    RangeView { kind, first: format!("{:#x}", window.start), last: format!("{:#x}", window.last()) }
}
