// SPDX-License-Identifier: GPL-2.0-or-later
//! What a check looks at first: a device's PE and both their flags, and nothing else.

use crate::env::Env;
use crate::flags::{DeviceFlags, PeFlags};
use crate::id::{DeviceId, PeId};
use crate::registry::Registry;

/// A device and its PE at one moment, read without lock or reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Glance {
    /// The device's state.
    pub device: DeviceFlags,
    /// Its PE.
    pub pe: PeId,
    /// The PE's state.
    pub flags: PeFlags,
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
    pub fn glance(&self, id: DeviceId) -> Option<Glance> {
        let (cell, slot) = self.device_slot(id)?;
        let (word, owner) = slot.owner_of(id.name)?;
        let state = cell.pe(owner.index())?.word.load();
        state.is(owner).then_some(Glance {
            device: DeviceFlags::from_bits_retain(word.flags()),
            pe: id.tree.pe(owner),
            flags: PeFlags::from_bits_retain(state.flags()),
        })
    }
}
