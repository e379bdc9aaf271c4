// SPDX-License-Identifier: GPL-2.0-or-later
//! What a check looks at first: a device's PE and both their flags, and nothing else.

use crate::cell::TreeCell;
use crate::env::Env;
use crate::flags::{DeviceFlags, PeFlags};
use crate::id::{DeviceId, PeId, TreeId};
use crate::name::{Name, SlotName};
use crate::registry::Registry;

/// A device and its PE at one moment, read without lock or reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Glance {
    /// The device.
    pub id: DeviceId,
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
        glance(self.cell(id.tree)?, id.name, || id.tree)
    }

    /// The same of the device that decodes a CPU address; `None` when none does, `Some(None)` when it
    /// or its PE is gone.
    ///
    /// # Context
    ///
    /// Any, NMI included.
    #[inline]
    #[must_use]
    pub fn glance_at(&self, address: u64) -> Option<Option<Glance>> {
        let (cell, id) = self.find(address)?;
        Some(glance(cell, id.name, || id.tree))
    }

    /// The same by a short name, which is looked up on the way.
    ///
    /// # Context
    ///
    /// Any, NMI included.
    #[inline]
    #[must_use]
    pub fn glance_named(&self, name: SlotName) -> Option<Glance> {
        let cell = self.cells.get(usize::from(name.place))?;
        // The device pins the tree that it is in; see `device_named`.
        glance(cell, Name::new(name.index, name.generation), || cell.id(cell.state.load()))
    }
}

/// What is called `name` in a tree, whose handle is asked for when it is there.
#[inline]
fn glance<E: Env>(cell: &TreeCell<E>, name: Name, tree: impl FnOnce() -> TreeId) -> Option<Glance> {
    let (word, owner) = cell.device(name.index())?.owner_of(name)?;
    let state = cell.pe(owner.index())?.word.load();
    if !state.is(owner) {
        return None;
    }
    let tree = tree();
    Some(Glance {
        id: tree.device(name),
        device: DeviceFlags::from_bits_retain(word.flags()),
        pe: tree.pe(owner),
        flags: PeFlags::from_bits_retain(state.flags()),
    })
}
