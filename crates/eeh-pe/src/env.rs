// SPDX-License-Identifier: GPL-2.0-or-later
//! What the tree needs of its environment: a lock, owned memory, the platform's device.

use core::ops::DerefMut;

use crate::word::{COUNT_BITS as WORD_COUNT_BITS, GENERATION_BITS as WORD_GENERATION_BITS};

/// What a lock guards: the three that there are, for an environment that tells locks apart (lockdep).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum LockName {
    /// The registry, while PHBs are added or removed. An [`Env::Mutex`].
    Registry,
    /// A PHB's address map, while it is written; taken inside the former. An [`Env::Mutex`].
    Map,
    /// The links of a PHB's tree; taken inside both. An [`Env::Lock`].
    Tree,
}

/// A lock that holds its data.
///
/// # Context
///
/// The tree's lock is taken in hard interrupt context and under raw spinlocks, so an
/// implementation for such an environment spins and keeps interrupts off while held. No code of
/// these crates sleeps, allocates, prints, calls firmware or calls back under it.
pub trait Lock<T>: Sync {
    /// Proof that the lock is held; releases it when dropped.
    type Guard<'a>: DerefMut<Target = T>
    where
        Self: 'a,
        T: 'a;

    /// A lock around `value`, not held.
    fn new(value: T, name: LockName) -> Self;

    /// Waits for the lock and takes it.
    fn lock(&self) -> Self::Guard<'_>;
}

/// A cell written once, then read by everyone without a lock.
///
/// # Context
///
/// Any, NMI included. Writers are ordered by a lock of these crates, so none meets another.
pub trait SetOnce<T> {
    /// An empty cell.
    fn new() -> Self;

    /// The value, once there is one, with all that was written before it was set.
    fn get(&self) -> Option<&T>;

    /// Fills the cell.
    ///
    /// # Errors
    ///
    /// `value`, when the cell is full already.
    fn set(&self, value: T) -> Result<(), T>;
}

/// The environment of a tree.
pub trait Env: Sized + Send + Sync + 'static {
    /// The lock around the links of one PHB's tree.
    type Lock<T: Send>: Lock<T> + Send + Sync;

    /// A lock that may sleep, taken only where sleeping is allowed and before any [`Env::Lock`].
    type Mutex<T: Send>: Lock<T> + Send + Sync;

    /// Owned memory, brought by the caller before any lock is taken (`Box`, `KBox`).
    type Own<T: Send + Sync>: DerefMut<Target = T> + Send + Sync;

    /// Owned memory whose length is chosen at run time (`Box<[T]>`, `KVec`).
    type Slice<T: Send + Sync>: DerefMut<Target = [T]> + Send + Sync;

    /// Where what is made later is published to readers without a lock.
    type Once<T: Send + Sync>: SetOnce<T> + Send + Sync;

    /// The platform's device, counted: cloning takes a reference and is allowed in any context;
    /// dropping may need a context that may sleep, so it is always handed out to the caller.
    type Device: Clone + Send + Sync;

    /// The current CPU's number, for counters only: a caller that migrates right after is harmless.
    fn cpu() -> usize;

    /// Bits of a slot's generation that are used before the slot is retired: 28, or fewer in a
    /// test that wants to see slots retire.
    const GENERATION_BITS: u32 = WORD_GENERATION_BITS;

    /// Bits of a slot's reference count that are used before a reference is refused: 23, or fewer
    /// in a test that wants to see that.
    const COUNT_BITS: u32 = WORD_COUNT_BITS;
}

/// Where an environment's memory comes from.
///
/// Nothing in these crates calls it under a lock: storage is reserved first and then handed in.
///
/// # Context
///
/// May sleep.
pub trait Memory: Env {
    /// Moves `value` into memory of its own; `None`, with `value` dropped, when there is none.
    fn own<T: Send + Sync>(value: T) -> Option<Self::Own<T>>;

    /// Makes `len` values; `None` when there is no memory or `make` answered `None`.
    fn slice<T: Send + Sync>(len: usize, make: impl FnMut(usize) -> Option<T>) -> Option<Self::Slice<T>>;
}

/// The largest generation a slot may have in `E`.
pub(crate) fn max_generation<E: Env>() -> u32 {
    all_ones(E::GENERATION_BITS.min(WORD_GENERATION_BITS))
}

/// The most references a slot may have in `E`.
pub(crate) fn max_count<E: Env>() -> u32 {
    all_ones(E::COUNT_BITS.min(WORD_COUNT_BITS))
}

/// The most references callers may have: one less, so that the pending queue's is never refused.
pub(crate) fn max_holds<E: Env>() -> u32 {
    max_count::<E>().saturating_sub(1)
}

fn all_ones(bits: u32) -> u32 {
    1_u32.checked_shl(bits).map_or(u32::MAX, |top| top.saturating_sub(1))
}
