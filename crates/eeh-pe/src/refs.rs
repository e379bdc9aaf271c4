// SPDX-License-Identifier: GPL-2.0-or-later
//! PEs and devices borrowed from the held lock.

use crate::budget::Budget;
use crate::cell::unpack_pe;
use crate::device::{DeviceInfo, VfInfo};
use crate::env::{Env, max_holds};
use crate::flags::{DeviceFlags, PeFlags, PeType};
use crate::guard::TreeGuard;
use crate::hold::{DeviceHold, PeHold};
use crate::id::{DeviceId, PeId, PeNumber};
use crate::links::{DeviceLinks, PeLinks, Use};
use crate::mutant::mutant;
use crate::name::Name;
use crate::slot::Slot;

/// A PE, for as long as the lock is held. Every PE reachable from it can be borrowed too.
pub struct PeRef<'g, 'r, E: Env> {
    guard: &'g TreeGuard<'r, E>,
    index: u16,
    links: &'g PeLinks,
    slot: &'r Slot,
}

impl<E: Env> Clone for PeRef<'_, '_, E> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<E: Env> Copy for PeRef<'_, '_, E> {}

impl<'g, 'r, E: Env> PeRef<'g, 'r, E> {
    /// Borrows what is in the tree, tombstones too.
    pub(crate) fn linked(guard: &'g TreeGuard<'r, E>, index: u16) -> Option<Self> {
        let links = guard.inner.pes.get(index)?;
        let slot = guard.cell.pe(index)?;
        (links.node.used != Use::Free).then_some(Self { guard, index, links, slot })
    }

    /// Borrows what is in the tree and live.
    pub(crate) fn live(guard: &'g TreeGuard<'r, E>, index: u16) -> Option<Self> {
        Self::linked(guard, index)
            .filter(|pe| mutant!(eeh_mutant = "lookup_finds_the_removed", pe.is_live(), true))
    }

    /// The PE's handle.
    #[must_use]
    pub fn id(&self) -> PeId {
        self.guard.id.pe(Name::new(self.index, self.links.node.generation))
    }

    /// Firmware's number.
    #[must_use]
    pub fn number(&self) -> PeNumber {
        unpack_pe(self.slot.identity()).0
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> PeType {
        unpack_pe(self.slot.identity()).1
    }

    /// Its state, which detectors may change right after.
    #[must_use]
    pub fn flags(&self) -> PeFlags {
        PeFlags::from_bits_retain(self.slot.word.load().flags())
    }

    /// True unless it was removed.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.slot.word.load().is_live()
    }

    /// References: one for its existence, one for each holder, each child and each device.
    #[must_use]
    pub fn references(&self) -> u32 {
        self.slot.word.load().count()
    }

    /// Freezes counted against it.
    #[must_use]
    pub const fn budget(&self) -> Budget {
        self.links.budget
    }

    /// The virtual function that it is for, also while that is not there.
    #[must_use]
    pub fn vf(&self) -> Option<VfInfo> {
        let (_, info) = self.links.vf?;
        Some(VfInfo { bdf: info.bdf, physfn: info.physfn? })
    }

    /// That function as it was probed last, and its handle then.
    #[must_use]
    pub fn vf_device(&self) -> Option<(DeviceId, &'g DeviceInfo)> {
        let (name, info) = self.links.vf.as_ref()?;
        Some((self.guard.id.device(*name), info))
    }

    /// The PE above it; none above the PHB's own.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        Self::linked(self.guard, self.links.node.owner?)
    }

    /// The live PEs right below it, the oldest first.
    pub fn children(&self) -> impl Iterator<Item = Self> + use<'g, 'r, E> {
        let guard = self.guard;
        core::iter::successors(self.links.children.first, move |&at| guard.inner.pes.node(at)?.next)
            .filter_map(move |index| Self::live(guard, index))
    }

    /// Its live devices, the oldest first.
    #[must_use]
    pub const fn devices(&self) -> Devices<'g, 'r, E> {
        Devices { guard: self.guard, next: self.links.devices.first }
    }

    /// It and the live PEs below it, each before those below it.
    #[must_use]
    pub const fn subtree(&self) -> Subtree<'g, 'r, E> {
        Subtree { guard: self.guard, root: self.index, next: Some(self.index) }
    }

    /// The live devices of it and of the live PEs below it.
    #[must_use]
    pub const fn subtree_devices(&self) -> SubtreeDevices<'g, 'r, E> {
        SubtreeDevices { devices: Devices { guard: self.guard, next: None }, pes: self.subtree() }
    }

    /// Takes a reference that outlives the lock; `None` when it was removed, or is referenced as
    /// often as can be counted.
    #[must_use]
    pub fn hold(&self) -> Option<PeHold<'r, E>> {
        let id = self.id();
        self.slot
            .word
            .get(id.name, max_holds::<E>())
            .map(|_| PeHold::new(self.guard.registry, self.guard.cell, self.slot, id))
    }
}

/// See [`PeRef::devices`].
pub struct Devices<'g, 'r, E: Env> {
    guard: &'g TreeGuard<'r, E>,
    next: Option<u16>,
}

impl<'g, 'r, E: Env> Iterator for Devices<'g, 'r, E> {
    type Item = DeviceRef<'g, 'r, E>;

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let at = self.next?;
            self.next = self.guard.inner.devices.node(at).and_then(|node| node.next);
            if let Some(device) = DeviceRef::live(self.guard, at) {
                return Some(device);
            }
        }
    }
}

/// See [`PeRef::subtree`].
pub struct Subtree<'g, 'r, E: Env> {
    guard: &'g TreeGuard<'r, E>,
    root: u16,
    next: Option<u16>,
}

impl<'g, 'r, E: Env> Iterator for Subtree<'g, 'r, E> {
    type Item = PeRef<'g, 'r, E>;

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let at = self.next?;
            self.next = self.guard.next_in_subtree(self.root, at, true);
            if let Some(pe) = PeRef::live(self.guard, at) {
                return Some(pe);
            }
        }
    }
}

/// See [`PeRef::subtree_devices`].
pub struct SubtreeDevices<'g, 'r, E: Env> {
    devices: Devices<'g, 'r, E>,
    pes: Subtree<'g, 'r, E>,
}

impl<'g, 'r, E: Env> Iterator for SubtreeDevices<'g, 'r, E> {
    type Item = DeviceRef<'g, 'r, E>;

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(device) = self.devices.next() {
                return Some(device);
            }
            self.devices = self.pes.next()?.devices();
        }
    }
}

/// A device, for as long as the lock is held.
pub struct DeviceRef<'g, 'r, E: Env> {
    guard: &'g TreeGuard<'r, E>,
    index: u16,
    links: &'g DeviceLinks<E>,
    slot: &'r Slot,
}

impl<E: Env> Clone for DeviceRef<'_, '_, E> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<E: Env> Copy for DeviceRef<'_, '_, E> {}

impl<'g, 'r, E: Env> DeviceRef<'g, 'r, E> {
    pub(crate) fn linked(guard: &'g TreeGuard<'r, E>, index: u16) -> Option<Self> {
        let links = guard.inner.devices.get(index)?;
        let slot = guard.cell.device(index)?;
        (links.node.used != Use::Free).then_some(Self { guard, index, links, slot })
    }

    pub(crate) fn live(guard: &'g TreeGuard<'r, E>, index: u16) -> Option<Self> {
        Self::linked(guard, index).filter(|device| device.slot.word.load().is_live())
    }

    /// The device's handle.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        self.guard.id.device(Name::new(self.index, self.links.node.generation))
    }

    /// The device, as it was probed.
    #[must_use]
    pub const fn info(&self) -> &'g DeviceInfo {
        &self.links.info
    }

    /// Its state.
    #[must_use]
    pub fn flags(&self) -> DeviceFlags {
        DeviceFlags::from_bits_retain(self.slot.word.load().flags())
    }

    /// Its PE.
    #[must_use]
    pub fn pe(&self) -> Option<PeRef<'g, 'r, E>> {
        PeRef::linked(self.guard, self.links.node.owner?)
    }

    /// References: one for its existence and one for each holder.
    #[must_use]
    pub fn references(&self) -> u32 {
        self.slot.word.load().count()
    }

    /// A counted reference to the platform's device, to be dropped where sleeping is allowed:
    /// not before the lock is released.
    #[must_use]
    pub fn platform(&self) -> Option<E::Device> {
        self.links.platform.clone()
    }

    /// Shows the platform's device without taking a reference, which would have to be dropped here.
    pub(crate) fn with_platform(&self, visit: impl FnOnce(&E::Device)) {
        if let Some(platform) = &self.links.platform {
            visit(platform);
        }
    }

    /// The first 16 words of configuration space, as they were saved last. C: `edev->config_space`
    #[must_use]
    pub const fn saved_config(&self) -> &'g [u32; 16] {
        &self.links.saved_config
    }

    /// Takes a reference that outlives the lock.
    #[must_use]
    pub fn hold(&self) -> Option<DeviceHold<'r, E>> {
        let id = self.id();
        self.slot
            .word
            .get(id.name, max_holds::<E>())
            .map(|_| DeviceHold::new(self.guard.registry, self.guard.cell, self.slot, id))
    }
}
