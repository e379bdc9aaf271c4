// SPDX-License-Identifier: GPL-2.0-or-later
//! The shortest name of a PE or device: for those that keep 64 bits only.

use crate::env::Env;
use crate::id::{DeviceId, PeId};
use crate::registry::Registry;
use crate::slot::Name;

/// A slot and its occupant's generation, without the tree's.
///
/// A slot keeps its generations when another PHB moves into the place, so this names one occupant
/// for ever, as the handle does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct SlotName {
    /// The registry's place.
    pub place: u16,
    /// The slot's index in the tree.
    pub index: u16,
    /// The occupant's generation: 28 bits.
    pub generation: u32,
}

impl PeId {
    /// The handle's short name.
    #[must_use]
    pub const fn slot_name(self) -> SlotName {
        SlotName { place: self.tree.slot, index: self.index, generation: self.generation }
    }
}

impl DeviceId {
    /// The handle's short name.
    #[must_use]
    pub const fn slot_name(self) -> SlotName {
        SlotName { place: self.tree.slot, index: self.index, generation: self.generation }
    }
}

impl<E: Env> Registry<E> {
    /// The live PE of a short name.
    ///
    /// # Context
    ///
    /// Any, NMI included.
    #[inline]
    #[must_use]
    pub fn pe_named(&self, name: SlotName) -> Option<PeId> {
        let cell = self.cells.get(usize::from(name.place))?;
        // The PE pins the tree that it is in. Should both go before the tree is looked at, the
        // handle is stale, as the name is.
        let live = cell.pe(name.index)?.word.load().is_live_as(name.generation);
        let name = Name { index: name.index, generation: name.generation };
        live.then(|| cell.id(cell.state.load()).pe(name))
    }

    /// The live device of a short name.
    ///
    /// # Context
    ///
    /// Any, NMI included.
    #[inline]
    #[must_use]
    pub fn device_named(&self, name: SlotName) -> Option<DeviceId> {
        let cell = self.cells.get(usize::from(name.place))?;
        // As above.
        let live = cell.device(name.index)?.word.load().is_live_as(name.generation);
        let name = Name { index: name.index, generation: name.generation };
        live.then(|| cell.id(cell.state.load()).device(name))
    }
}
