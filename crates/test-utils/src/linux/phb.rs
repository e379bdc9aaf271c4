// SPDX-License-Identifier: GPL-2.0-or-later
//! A PHB of simulated Linux: `struct pci_controller`, and the devices on its buses.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use eeh_pe::{Bdf, PhbNumber, TreeId};
use eeh_recovery::PhbTarget;

use super::device::SimDevice;
use crate::topology::PhbSpec;

/// A PHB that Linux knows. One that is removed and added again is another.
pub struct SimPhb {
    spec: Arc<PhbSpec>,
    target: PhbTarget,
    root_bus: u8,
    devices: RwLock<BTreeMap<Bdf, Arc<SimDevice>>>,
    /// Buses of slots whose attention indicator is lit.
    lit: RwLock<BTreeSet<u8>>,
}

impl SimPhb {
    /// A PHB without devices.
    #[must_use]
    pub fn new(spec: Arc<PhbSpec>, target: PhbTarget, root_bus: u8) -> Self {
        Self { spec, target, root_bus, devices: RwLock::new(BTreeMap::new()), lit: RwLock::default() }
    }

    /// Linux's number.
    #[must_use]
    pub const fn number(&self) -> PhbNumber {
        self.target.number
    }

    /// Its tree of PEs; [`TreeId::NONE`] of one that works without EEH.
    #[must_use]
    pub const fn tree(&self) -> TreeId {
        self.target.tree
    }

    /// Firmware's number: OPAL's id, PAPR's Unit ID.
    #[must_use]
    pub const fn firmware(&self) -> u64 {
        self.target.firmware
    }

    /// All its names.
    #[must_use]
    pub const fn target(&self) -> &PhbTarget {
        &self.target
    }

    /// What it was built from.
    #[must_use]
    pub fn spec(&self) -> &PhbSpec {
        &self.spec
    }

    /// The number of its root bus.
    #[must_use]
    pub const fn root_bus(&self) -> u8 {
        self.root_bus
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Bdf, Arc<SimDevice>>> {
        self.devices.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Bdf, Arc<SimDevice>>> {
        self.devices.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device there.
    #[must_use]
    pub fn device(&self, bdf: Bdf) -> Option<Arc<SimDevice>> {
        self.read().get(&bdf).cloned()
    }

    /// All devices, in order.
    #[must_use]
    pub fn devices(&self) -> Vec<Arc<SimDevice>> {
        self.read().values().cloned().collect()
    }

    /// The devices right on a bus, in order.
    #[must_use]
    pub fn on_bus(&self, bus: u8) -> Vec<Arc<SimDevice>> {
        let first = u16::from_be_bytes([bus, 0]);
        let last = u16::from_be_bytes([bus, 0xff]);
        self.read().range(Bdf(first)..=Bdf(last)).map(|(_, d)| d.clone()).collect()
    }

    /// Whether Linux has a bus of this number: the root bus, or one below a bridge that is there.
    #[must_use]
    pub fn has_bus(&self, bus: u8) -> bool {
        bus == self.root_bus || self.bridge_to(bus).is_some()
    }

    /// The bridge right above a bus; `None` for the root bus, or without such a bus.
    #[must_use]
    pub fn bridge_to(&self, bus: u8) -> Option<Arc<SimDevice>> {
        let above = |d: &&Arc<SimDevice>| d.identity().buses.is_some_and(|b| b.secondary == bus);
        self.read().values().find(above).cloned()
    }

    /// The devices below a bus number range, and on it, deepest last.
    #[must_use]
    pub fn below(&self, bus: u8) -> Vec<Arc<SimDevice>> {
        let mut found = self.on_bus(bus);
        let mut at = 0;
        while let Some(device) = found.get(at).cloned() {
            if let Some(buses) = device.identity().buses.filter(|b| b.secondary > device.bdf().bus()) {
                found.extend(self.on_bus(buses.secondary));
            }
            at += 1;
        }
        found
    }

    /// Switches the attention indicator of the slot that leads to a bus, if a bridge does.
    /// C: `set_attention_status`
    pub(super) fn set_attention(&self, bus: u8, on: bool) {
        if self.bridge_to(bus).is_none() {
            return;
        }
        let mut lit = self.lit.write().unwrap_or_else(PoisonError::into_inner);
        if on {
            lit.insert(bus);
        } else {
            lit.remove(&bus);
        }
    }

    /// The buses of slots whose attention indicator is lit.
    #[must_use]
    pub fn lit(&self) -> BTreeSet<u8> {
        self.lit.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Enters a device; answers `false` when one is there.
    pub(super) fn insert(&self, device: &Arc<SimDevice>) -> bool {
        let mut devices = self.write();
        let free = !devices.contains_key(&device.bdf());
        if free {
            devices.insert(device.bdf(), device.clone());
        }
        free
    }

    /// Takes a device out, if it is this one.
    pub(super) fn take(&self, device: &Arc<SimDevice>) -> bool {
        let mut devices = self.write();
        let same = devices.get(&device.bdf()).is_some_and(|d| Arc::ptr_eq(d, device));
        if same {
            devices.remove(&device.bdf());
        }
        same
    }
}

impl fmt::Debug for SimPhb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimPhb({:?})", self.target)
    }
}
