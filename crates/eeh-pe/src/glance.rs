// SPDX-License-Identifier: GPL-2.0-or-later
//! What a check looks at: a device's PE, both their flags, what firmware calls the PE, and nothing else.

use core::fmt;

use crate::cell::{TreeCell, unpack_pe};
use crate::env::Env;
use crate::flags::{DeviceFlags, PeFlags, PeType};
use crate::id::{DeviceId, PeId, PeNumber, TreeId};
use crate::name::{Name, SlotName};
use crate::registry::Registry;
use crate::stats::PeKey;

/// A device and its PE at one moment, read without lock or reference.
///
/// Handles are made when they are asked for: most checks need none.
pub struct Glance<'r, E: Env> {
    cell: &'r TreeCell<E>,
    name: Name,
    owner: Name,
    identity: u64,
    /// The device's state.
    pub device: DeviceFlags,
    /// Its PE's state.
    pub flags: PeFlags,
    /// Firmware's name of the PHB.
    pub firmware: u64,
}

impl<E: Env> Clone for Glance<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Env> Copy for Glance<'_, E> {}

impl<E: Env> fmt::Debug for Glance<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (device, pe) = self.ids();
        f.debug_struct("Glance").field("device", &device).field("pe", &pe).finish_non_exhaustive()
    }
}

impl<E: Env> Glance<'_, E> {
    /// The handles of the device and its PE; stale when they are gone by now.
    #[inline]
    #[must_use]
    pub fn ids(&self) -> (DeviceId, PeId) {
        // The device pins the tree that it is in. Should both have gone, and another PHB be in the
        // place, the handles are stale, as the names are.
        let tree: TreeId = self.cell.id(self.cell.state.load());
        (tree.device(self.name), tree.pe(self.owner))
    }

    /// What counters know the PE by.
    #[inline]
    #[must_use]
    pub fn key(&self) -> PeKey {
        PeKey::new(self.cell.slot, self.owner)
    }

    /// Firmware's number of the PE; `None` of the PHB's own.
    #[inline]
    #[must_use]
    pub fn below_phb(&self) -> Option<PeNumber> {
        let (number, kind) = unpack_pe(self.identity);
        (!kind.contains(PeType::PHB)).then_some(number)
    }
}

/// What has a CPU address.
#[derive(Debug)]
pub enum GlanceAt<'r, E: Env> {
    /// A device; `None` when it or its PE is gone.
    Device(Option<Glance<'r, E>>),
    /// No device.
    Nobody,
    /// The map is large, or is being changed: [`Registry::glance_at_length`] knows.
    Unsettled,
}

impl<E: Env> Registry<E> {
    /// Looks at a live device's PE without a reference, a lock or a store; `None` when either is
    /// gone.
    ///
    /// # Context
    ///
    /// Any, NMI included.
    #[inline]
    #[must_use]
    pub fn glance(&self, id: DeviceId) -> Option<Glance<'_, E>> {
        glance(self.cell(id.tree)?, id.name)
    }

    /// The same of the device that decodes a CPU address.
    ///
    /// # Context
    ///
    /// Any, NMI included.
    #[inline]
    #[must_use]
    pub fn glance_at(&self, address: u64) -> GlanceAt<'_, E> {
        match self.find_at_once(address) {
            Some(Some((cell, id))) => GlanceAt::Device(glance(cell, id.name)),
            Some(None) => GlanceAt::Nobody,
            None => GlanceAt::Unsettled,
        }
    }

    /// What [`GlanceAt::Unsettled`] comes to: `None` when no device has the address, `Some(None)` when
    /// it or its PE is gone.
    ///
    /// # Context
    ///
    /// Any, NMI included.
    #[must_use]
    pub fn glance_at_length(&self, address: u64) -> Option<Option<Glance<'_, E>>> {
        let (cell, id) = self.find_at_length(address)?;
        Some(glance(cell, id.name))
    }

    /// The same by a short name, which is looked up on the way.
    ///
    /// # Context
    ///
    /// Any, NMI included.
    #[inline]
    #[must_use]
    pub fn glance_named(&self, name: SlotName) -> Option<Glance<'_, E>> {
        let cell = self.cells.get(usize::from(name.place))?;
        glance(cell, Name::new(name.index, name.generation))
    }
}

/// What is called `name` in a tree.
#[inline(always)]
fn glance<E: Env>(cell: &TreeCell<E>, name: Name) -> Option<Glance<'_, E>> {
    let (word, owner) = cell.device(name.index())?.owner_of(name)?;
    let slot = cell.pe(owner.index())?;
    // The PE pins its tree, so this is its PHB's name.
    let (state, (firmware, identity)) = slot.read_as(owner, || (cell.firmware(), slot.identity()))?;
    Some(Glance {
        cell,
        name,
        owner,
        identity,
        device: DeviceFlags::from_bits_retain(word.flags()),
        flags: PeFlags::from_bits_retain(state.flags()),
        firmware,
    })
}
