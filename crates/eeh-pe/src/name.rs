// SPDX-License-Identifier: GPL-2.0-or-later
//! What the occupant of a slot is called by others, in one word: within its tree, and for those that
//! keep 64 bits only.
//!
//! ```text
//!  63            36  35   34         16 15          0
//! +----------------+----+-------------+-------------+
//! |   generation   | 1  |      0      |    index    |
//! +----------------+----+-------------+-------------+
//! ```
//!
//! Generation and live bit lie where the slot's word has them: whether the occupant is there is one
//! comparison.

use core::cmp::Ordering;
use core::fmt;

use crate::env::Env;
use crate::id::{DeviceId, PeId};
use crate::registry::Registry;
use crate::word::{GENERATION_SHIFT, LIVE};

/// Index and generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Name(u64);

impl Name {
    /// Names nothing: no slot has this index.
    pub(crate) const NONE: Self = Self(u64::MAX);

    #[inline]
    pub(crate) fn new(index: u16, generation: u32) -> Self {
        Self((u64::from(generation) << GENERATION_SHIFT) | LIVE | u64::from(index))
    }

    /// What [`bits`](Self::bits) answered.
    #[inline]
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    #[inline]
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) const fn index(self) -> u16 {
        let [low, high, ..] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    #[inline]
    pub(crate) const fn generation(self) -> u32 {
        let [a, b, c, d, ..] = (self.0 >> GENERATION_SHIFT).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// Itself, unless it names nothing.
    #[inline]
    pub(crate) fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.index(), self.generation()).cmp(&(other.index(), other.generation()))
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `index.generation`
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index(), self.generation())
    }
}

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
        SlotName { place: self.tree.slot(), index: self.name.index(), generation: self.name.generation() }
    }
}

impl DeviceId {
    /// The handle's short name.
    #[must_use]
    pub const fn slot_name(self) -> SlotName {
        SlotName { place: self.tree.slot(), index: self.name.index(), generation: self.name.generation() }
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
        let name = Name::new(name.index, name.generation);
        let live = cell.pe(name.index())?.word.load().is(name);
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
        let name = Name::new(name.index, name.generation);
        let live = cell.device(name.index())?.word.load().is(name);
        live.then(|| cell.id(cell.state.load()).device(name))
    }
}
