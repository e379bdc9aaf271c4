// SPDX-License-Identifier: GPL-2.0-or-later
//! Counted references that outlive the lock.

use crate::cell::{TreeCell, unpack_pe};
use crate::env::{Env, max_holds};
use crate::flags::{DeviceFlags, PeFlags, PeType};
use crate::id::{Bdf, DeviceId, PeId, PeNumber};
use crate::registry::Registry;
use crate::slot::Slot;
use crate::tree::Tree;

/// A reference to a PE: the slot, its place in the tree and the tree stay while it exists, also
/// when the PE is removed.
///
/// Dropping it takes no lock and is allowed in any context.
pub struct PeHold<'r, E: Env> {
    registry: &'r Registry<E>,
    cell: &'r TreeCell<E>,
    slot: &'r Slot,
    id: PeId,
}

impl<'r, E: Env> PeHold<'r, E> {
    /// Takes over a count of the slot.
    pub(crate) fn new(registry: &'r Registry<E>, cell: &'r TreeCell<E>, slot: &'r Slot, id: PeId) -> Self {
        Self { registry, cell, slot, id }
    }

    /// The PE's handle.
    #[must_use]
    pub const fn id(&self) -> PeId {
        self.id
    }

    /// Another reference; `None` when there are as many as can be counted.
    ///
    /// # Context
    ///
    /// Any.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        self.slot
            .word
            .get_again(max_holds::<E>())
            .then(|| Self::new(self.registry, self.cell, self.slot, self.id))
    }

    /// False once the PE is removed.
    ///
    /// # Context
    ///
    /// Any.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.slot.word.load().is_live()
    }

    /// The state, which also a removed PE has.
    ///
    /// # Context
    ///
    /// Any.
    #[must_use]
    pub fn flags(&self) -> PeFlags {
        PeFlags::from_bits_retain(self.slot.word.load().flags())
    }

    /// Firmware's number.
    #[must_use]
    pub fn number(&self) -> PeNumber {
        unpack_pe(self.slot.identity()).0
    }

    /// What the PE is.
    #[must_use]
    pub fn kind(&self) -> PeType {
        unpack_pe(self.slot.identity()).1
    }

    /// Records what the platform knows of this PE alone, and returns the flags before. Only
    /// [`PeFlags::FACTS`] are taken: marks belong to recoveries and detectors.
    ///
    /// A restricted PE that is isolated already is blocked in the same exchange.
    ///
    /// # Context
    ///
    /// Any.
    pub fn set(&self, facts: PeFlags) -> PeFlags {
        let facts = facts & PeFlags::FACTS;
        let before = self.slot.word.change_flags(
            |_| true,
            |now| {
                let mut flags = PeFlags::from_bits_retain(now) | facts;
                if flags.contains(PeFlags::ISOLATED) && facts.contains(PeFlags::CFG_RESTRICTED) {
                    flags |= PeFlags::CFG_BLOCKED;
                }
                flags.bits()
            },
        );
        PeFlags::from_bits_retain(before.unwrap_or(0))
    }

    /// Forgets what the platform knew of this PE alone, and returns the flags before. Only
    /// [`PeFlags::FACTS`] are taken.
    ///
    /// # Context
    ///
    /// Any.
    pub fn clear(&self, facts: PeFlags) -> PeFlags {
        let bits = (facts & PeFlags::FACTS).bits();
        let before = self.slot.word.change_flags(|_| true, |now| now & !bits);
        PeFlags::from_bits_retain(before.unwrap_or(0))
    }

    /// The PE's tree; `None` when it is held as often as can be counted.
    ///
    /// # Context
    ///
    /// Any.
    #[must_use]
    pub fn tree(&self) -> Option<Tree<'r, E>> {
        self.registry.tree(self.id.tree)
    }

    /// The registry that the PE is in.
    #[must_use]
    pub const fn registry(&self) -> &'r Registry<E> {
        self.registry
    }

    pub(crate) const fn cell(&self) -> &'r TreeCell<E> {
        self.cell
    }
}

impl<E: Env> Drop for PeHold<'_, E> {
    /// # Context
    ///
    /// Any, also while the tree's lock is held.
    #[inline(never)]
    fn drop(&mut self) {
        self.cell.pes.put(self.id.index(), self.slot);
    }
}

impl<E: Env> core::fmt::Debug for PeHold<'_, E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("PeHold").field(&self.id).finish()
    }
}

/// A reference to a device: the slot and its place in the tree stay while it exists.
///
/// Dropping it takes no lock and is allowed in any context.
pub struct DeviceHold<'r, E: Env> {
    registry: &'r Registry<E>,
    cell: &'r TreeCell<E>,
    slot: &'r Slot,
    id: DeviceId,
}

impl<'r, E: Env> DeviceHold<'r, E> {
    /// Takes over a count of the slot.
    pub(crate) fn new(
        registry: &'r Registry<E>,
        cell: &'r TreeCell<E>,
        slot: &'r Slot,
        id: DeviceId,
    ) -> Self {
        Self { registry, cell, slot, id }
    }

    /// The device's handle.
    #[must_use]
    pub const fn id(&self) -> DeviceId {
        self.id
    }

    /// Another reference; `None` when there are as many as can be counted.
    ///
    /// # Context
    ///
    /// Any.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        self.slot
            .word
            .get_again(max_holds::<E>())
            .then(|| Self::new(self.registry, self.cell, self.slot, self.id))
    }

    /// False once the device is removed.
    ///
    /// # Context
    ///
    /// Any.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.slot.word.load().is_live()
    }

    /// The device's address.
    #[must_use]
    pub fn bdf(&self) -> Bdf {
        Bdf(u16::try_from(self.slot.identity()).unwrap_or(0))
    }

    /// The device's PE, which may be a removed one when the device is.
    #[must_use]
    pub fn pe(&self) -> Option<PeId> {
        self.slot.owner().map(|name| self.id.tree.pe(name))
    }

    /// The state, which also a removed device has.
    ///
    /// # Context
    ///
    /// Any.
    #[must_use]
    pub fn flags(&self) -> DeviceFlags {
        DeviceFlags::from_bits_retain(self.slot.word.load().flags())
    }

    /// Sets flags, removed or not, and returns what was set before.
    ///
    /// # Context
    ///
    /// Any.
    pub fn set(&self, flags: DeviceFlags) -> DeviceFlags {
        let before = self.slot.word.change_flags(|_| true, |now| now | flags.bits());
        DeviceFlags::from_bits_retain(before.unwrap_or(0))
    }

    /// Clears flags, removed or not, and returns what was set before.
    ///
    /// # Context
    ///
    /// Any.
    pub fn clear(&self, flags: DeviceFlags) -> DeviceFlags {
        let before = self.slot.word.change_flags(|_| true, |now| now & !flags.bits());
        DeviceFlags::from_bits_retain(before.unwrap_or(0))
    }

    /// A counted reference to the platform's device, to be dropped where sleeping is allowed;
    /// `None` once the device is removed.
    ///
    /// # Context
    ///
    /// Any, except while the caller holds a tree's lock; takes the tree's lock.
    #[must_use]
    pub fn platform(&self) -> Option<E::Device> {
        let tree = self.tree()?;
        let guard = tree.lock();
        guard.device(self.id)?.platform()
    }

    /// The registry that the device is in.
    #[must_use]
    pub const fn registry(&self) -> &'r Registry<E> {
        self.registry
    }

    /// The device's tree; `None` when it is held as often as can be counted.
    ///
    /// # Context
    ///
    /// Any.
    #[must_use]
    pub fn tree(&self) -> Option<Tree<'r, E>> {
        self.registry.tree(self.id.tree)
    }
}

impl<E: Env> Drop for DeviceHold<'_, E> {
    /// # Context
    ///
    /// Any, also while the tree's lock is held.
    #[inline(never)]
    fn drop(&mut self) {
        self.cell.devices.put(self.id.index(), self.slot);
    }
}

impl<E: Env> core::fmt::Debug for DeviceHold<'_, E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("DeviceHold").field(&self.id).finish()
    }
}
