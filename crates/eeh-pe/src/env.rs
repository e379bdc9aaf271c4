// SPDX-License-Identifier: GPL-2.0-or-later
//! What the tree needs of its environment: a lock, owned memory, the platform's device.

use core::ops::{Deref, DerefMut};

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
    fn new(value: T) -> Self;

    /// Waits for the lock and takes it.
    fn lock(&self) -> Self::Guard<'_>;
}

/// The environment of a tree.
pub trait Env: Sized + Send + Sync + 'static {
    /// The lock around the links of one PHB's tree.
    type Lock<T: Send>: Lock<T> + Send + Sync;

    /// Owned memory, brought by the caller before any lock is taken (`Box`, `KBox`).
    type Own<T: Send + Sync>: DerefMut<Target = T> + Send + Sync;

    /// Owned memory whose length is chosen at run time (`Box<[T]>`, `KVec`).
    type Slice<T: Send + Sync>: Deref<Target = [T]> + Send + Sync;

    /// The platform's device, counted: cloning takes a reference and is allowed in any context;
    /// dropping may need a context that may sleep, so it is always handed out to the caller.
    type Device: Clone + Send + Sync;

    /// The current CPU's number, for counters only: a caller that migrates right after is harmless.
    fn cpu() -> usize;
}
