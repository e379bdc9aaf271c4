// SPDX-License-Identifier: GPL-2.0-or-later
//! A place of the registry, occupied by one PHB's tree at a time.

use crate::env::{Env, Lock, LockName, SetOnce};
use crate::flags::PeType;
use crate::id::{DeviceId, PeId, PeNumber, PhbNumber, TreeId};
use crate::latch::Latch;
use crate::links::{DeviceLinks, LinkCell, Links, PeLinks};
use crate::name::Name;
use crate::phb::Window;
use crate::slot::{ChunkCell, Slot, Slots};
use crate::stack::Stack;
use crate::sync::{Acquire, AtomicU32, AtomicU64, Release};
use crate::word::{Snapshot, Word};

/// The cell is being filled: not to be seen yet.
pub(crate) const BUILDING: u16 = 1;

/// One PHB's tree, and the room for the next one's.
///
/// `state` is a word like a PE's. Its count holds one for the registry's entry, one for the PHB's
/// own PE until that is reaped (the last slot of a tree: all others refer to it), one for the
/// worker and each reader. The cell is free when it reaches 0.
pub(crate) struct TreeCell<E: Env> {
    pub(crate) slot: u16,
    pub(crate) state: Word,
    number: AtomicU32,
    root_bus: AtomicU32,
    firmware: AtomicU64,
    pub(crate) pes: Slots<E>,
    pub(crate) devices: Slots<E>,
    /// PEs with a report that waits, the newest first.
    pub(crate) pending: Stack,
    pub(crate) map: E::Once<Latch<E>>,
    /// Held while `map` is written.
    pub(crate) map_writer: E::Mutex<()>,
    pub(crate) inner: E::Lock<Inner<E>>,
}

/// What the lock guards.
pub(crate) struct Inner<E: Env> {
    pub(crate) pes: Links<E, PeLinks>,
    pub(crate) devices: Links<E, DeviceLinks<E>>,
    /// The PHB's own PE.
    pub(crate) root: Option<u16>,
    /// Counts holds of the lock.
    pub(crate) hold: u64,
    /// The stamp of the next birth.
    pub(crate) next_birth: u64,
    /// Reports taken off the pending stack, the oldest first.
    pub(crate) queue: crate::links::List,
    pub(crate) windows: [Option<Window>; 4],
    /// Counts sweeps over subtrees and their successors.
    pub(crate) sweeps: u64,
    /// The id of the next request.
    pub(crate) next_request: u64,
    /// Some request may wait.
    pub(crate) requested: bool,
}

impl<E: Env> TreeCell<E> {
    pub(crate) fn new(
        slot: u16,
        [pes, devices]: [E::Slice<ChunkCell<E>>; 2],
        pe_links: E::Slice<LinkCell<E, PeLinks>>,
        device_links: E::Slice<LinkCell<E, DeviceLinks<E>>>,
    ) -> Self {
        Self {
            slot,
            state: Word::new(),
            number: AtomicU32::new(0),
            root_bus: AtomicU32::new(0),
            firmware: AtomicU64::new(0),
            pes: Slots::new(pes),
            devices: Slots::new(devices),
            pending: Stack::new(),
            map: E::Once::new(),
            map_writer: E::Mutex::new((), LockName::Map),
            inner: E::Lock::new(
                Inner {
                    pes: Links::new(pe_links),
                    devices: Links::new(device_links),
                    root: None,
                    hold: 0,
                    next_birth: 0,
                    queue: crate::links::List::default(),
                    windows: [None; 4],
                    sweeps: 0,
                    next_request: 0,
                    requested: false,
                },
                LockName::Tree,
            ),
        }
    }

    /// The handle of the occupant whose state was `state`.
    pub(crate) fn id(&self, state: Snapshot) -> TreeId {
        TreeId(Name::new(self.slot, state.generation()))
    }

    /// Names the occupant, while the cell is being filled.
    pub(crate) fn set_phb(&self, number: PhbNumber, root_bus: u8, firmware: u64) {
        self.number.store(number.0, Release);
        self.root_bus.store(u32::from(root_bus), Release);
        self.firmware.store(firmware, Release);
    }

    #[inline]
    pub(crate) fn number(&self) -> PhbNumber {
        PhbNumber(self.number.load(Acquire))
    }

    pub(crate) fn root_bus(&self) -> u8 {
        u8::try_from(self.root_bus.load(Acquire)).unwrap_or(0)
    }

    #[inline]
    pub(crate) fn firmware(&self) -> u64 {
        self.firmware.load(Acquire)
    }

    /// The PE's slot; whether it still has that occupant its word says.
    #[inline]
    pub(crate) fn pe(&self, index: u16) -> Option<&Slot> {
        self.pes.slot(index)
    }

    #[inline]
    pub(crate) fn device(&self, index: u16) -> Option<&Slot> {
        self.devices.slot(index)
    }
}

impl TreeId {
    #[inline]
    pub(crate) const fn pe(self, name: Name) -> PeId {
        PeId { tree: self, name }
    }

    #[inline]
    pub(crate) const fn device(self, name: Name) -> DeviceId {
        DeviceId { tree: self, name }
    }
}

/// A PE's identity in one word: number and kind.
pub(crate) fn pack_pe(number: PeNumber, kind: PeType) -> u64 {
    (u64::from(kind.bits()) << 32) | u64::from(number.0)
}

#[inline]
pub(crate) fn unpack_pe(packed: u64) -> (PeNumber, PeType) {
    let number = u32::try_from(packed & 0xffff_ffff).unwrap_or(0);
    let kind = u8::try_from((packed >> 32) & 0xff).unwrap_or(0);
    (PeNumber(number), PeType::from_bits_retain(kind))
}
