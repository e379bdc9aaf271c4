// SPDX-License-Identifier: GPL-2.0-or-later
//! The part of a PE or device that is read without the lock.
//!
//! Slots come in chunks. A chunk is published once, through a set-once cell of its tree's
//! directory, and never moves or goes away: an index leads to the same slot for ever, and the
//! generation in the slot's word says whose it is.

use crate::env::{Env, SetOnce};
use crate::mutant::mutant;
use crate::name::Name;
use crate::stack::{Link, Stack};
use crate::sync::{Acquire, AtomicU64, Relaxed, Release};
use crate::word::{Put, Snapshot, Word};

/// Slots of a chunk, as a power of two.
#[cfg(not(eeh_loom))]
const CHUNK_SHIFT: u32 = 5;
#[cfg(eeh_loom)]
const CHUNK_SHIFT: u32 = 2;

/// Slots of a chunk.
pub(crate) const CHUNK: usize = 1 << CHUNK_SHIFT;

/// The chunk of an index, and the place within it.
#[inline]
pub(crate) fn place(index: u16) -> (usize, usize) {
    let index = usize::from(index);
    (index >> CHUNK_SHIFT, index & (CHUNK - 1))
}

/// The first index of a chunk; `None` past the last index.
pub(crate) fn first_of(chunk: usize) -> Option<u16> {
    u16::try_from(chunk.checked_mul(CHUNK)?).ok()
}

/// One PE or device, as far as it is read without the lock. No two share a cache line of 64 bytes.
#[repr(align(64))]
pub(crate) struct Slot {
    /// Generation, live bit, flags, count.
    pub(crate) word: Word,
    /// PE: number and kind. Device: bus, device, function.
    identity: AtomicU64,
    /// PE: its parent. Device: its PE.
    owner: AtomicU64,
    /// When and where the freeze that waits in the queue was found; written by the detector that
    /// set PENDING, before it links the slot.
    pub(crate) detected_at: AtomicU64,
    pub(crate) detected_address: AtomicU64,
    /// The next slot to reap.
    pub(crate) reap_link: Link,
    /// The next PE of the pending queue.
    pub(crate) queue_link: Link,
}

impl Slot {
    fn new() -> Self {
        Self {
            word: Word::new(),
            identity: AtomicU64::new(0),
            owner: AtomicU64::new(Name::NONE.bits()),
            detected_at: AtomicU64::new(0),
            detected_address: AtomicU64::new(0),
            reap_link: Link::new(),
            queue_link: Link::new(),
        }
    }

    /// Names the next occupant. Only under the lock, while the slot is free.
    pub(crate) fn set_identity(&self, identity: u64, owner: Option<Name>) {
        // Release: whoever reads this also finds the word past its last occupant's generation.
        self.identity.store(identity, mutant!(eeh_mutant = "identity_is_relaxed", Release, Relaxed));
        self.owner.store(owner.unwrap_or(Name::NONE).bits(), Release);
        self.detected_at.store(0, Relaxed);
        self.detected_address.store(0, Relaxed);
    }

    /// Changes a PE's kind. Only under the lock.
    pub(crate) fn change_identity(&self, identity: u64) {
        self.identity.store(identity, Release);
    }

    #[inline]
    pub(crate) fn identity(&self) -> u64 {
        self.identity.load(Acquire)
    }

    #[inline]
    pub(crate) fn owner(&self) -> Option<Name> {
        Name::from_bits(self.owner.load(Acquire)).some()
    }

    /// Reads what the occupant called `name` wrote when it was born, without reference or store.
    /// `None` when it is not there, or went while it was read.
    ///
    /// `read` loads with acquire. It sees no earlier occupant's, because a handle leaves the lock
    /// after its occupant was born; and who sees a later one's finds the word moved on, looking at
    /// it after.
    #[inline]
    pub(crate) fn read_as<R>(&self, name: Name, read: impl FnOnce() -> R) -> Option<(Snapshot, R)> {
        let (read, word) = mutant!(
            eeh_mutant = "peek_looks_before",
            {
                let read = read();
                (read, self.word.load())
            },
            {
                let word = self.word.load();
                (read(), word)
            }
        );
        let there = mutant!(eeh_mutant = "peek_any_generation", word.is(name), word.is_live());
        if there { Some((word, read)) } else { None }
    }

    /// The live occupant's flags, identity and owner.
    #[inline]
    pub(crate) fn peek(&self, name: Name) -> Option<(Snapshot, u64, Option<Name>)> {
        let (word, (identity, owner)) = self.read_as(name, || (self.identity(), self.owner()))?;
        Some((word, identity, owner))
    }

    /// The live occupant's flags and owner, which may be [`Name::NONE`].
    #[inline]
    pub(crate) fn owner_of(&self, name: Name) -> Option<(Snapshot, Name)> {
        self.read_as(name, || Name::from_bits(self.owner.load(Acquire)))
    }
}

/// A chunk of slots, as memory is reserved for it.
pub(crate) struct Chunk([Slot; CHUNK]);

impl Chunk {
    pub(crate) fn new() -> Self {
        Self(core::array::from_fn(|_| Slot::new()))
    }
}

/// A place of the directory.
pub(crate) type ChunkCell<E> = <E as Env>::Once<<E as Env>::Own<Chunk>>;

/// All slots of one kind of one tree.
pub(crate) struct Slots<E: Env> {
    chunks: E::Slice<ChunkCell<E>>,
    /// Slots whose last reference was put.
    reap: Stack,
}

impl<E: Env> Slots<E> {
    pub(crate) fn new(chunks: E::Slice<ChunkCell<E>>) -> Self {
        Self { chunks, reap: Stack::new() }
    }

    /// The slot with this index, if its chunk exists.
    #[inline]
    pub(crate) fn slot(&self, index: u16) -> Option<&Slot> {
        let (chunk, place) = place(index);
        self.chunks.get(chunk)?.get()?.0.get(place)
    }

    /// Publishes a chunk. Only under the lock.
    ///
    /// # Errors
    ///
    /// The chunk, when that place is taken or does not exist.
    pub(crate) fn publish(&self, chunk: usize, slots: E::Own<Chunk>) -> Result<(), E::Own<Chunk>> {
        match self.chunks.get(chunk) {
            Some(cell) => cell.set(slots),
            None => Err(slots),
        }
    }

    /// Drops a reference; the last one of a removed occupant puts the slot on the reap stack.
    ///
    /// # Context
    ///
    /// Any: takes no lock.
    #[inline]
    pub(crate) fn put(&self, index: u16, slot: &Slot) -> Put {
        let put = slot.word.put();
        if put == Put::Last {
            self.push_for_reaping(index, slot);
        }
        put
    }

    /// As [`put`](Self::put), and clears flags in the same exchange.
    pub(crate) fn put_and_clear(&self, index: u16, slot: &Slot, flags: u16) {
        if slot.word.put_and_clear(flags) == Put::Last {
            self.push_for_reaping(index, slot);
        }
    }

    /// Puts an unreferenced slot on the reap stack.
    pub(crate) fn push_for_reaping(&self, index: u16, slot: &Slot) {
        self.reap.push(index, &slot.reap_link);
    }

    /// Takes all slots that wait to be reaped. Only under the lock.
    pub(crate) fn take_reapable(&self) -> Option<u16> {
        self.reap.take_all()
    }
}
