// SPDX-License-Identifier: GPL-2.0-or-later
//! The only atomics of these crates.
//!
//! One text over `core`'s atomics, in a kernel as on hosts, and over loom's for model checking
//! (`cfg(eeh_loom)`). Offered are relaxed and acquire loads, relaxed and release stores,
//! read-modify-writes that are relaxed or full, and a fence between loads. A failed [`cmpxchg`](AtomicU64::cmpxchg) orders
//! nothing: whoever acts on what it met loads again with [`Acquire`]. Why `core`'s are right in Linux:
//! `docs/design/0011-for-size-in-the-kernel.md`.
//!
//! # Context
//!
//! Any, NMI included.

#[path = "sync/portable.rs"]
mod portable;
pub use portable::{
    Acquire, AtomicU32, AtomicU64, Full, LoadOrdering, Relaxed, Release, StoreOrdering, UpdateOrdering,
    acquire_fence,
};

#[cfg(eeh_stores)]
#[path = "sync/stores.rs"]
pub mod stores;

#[cfg(not(any(eeh_loom, CONFIG_EEH_RUST)))]
#[path = "sync/host.rs"]
mod flavour;
#[cfg(not(any(eeh_loom, CONFIG_EEH_RUST)))]
pub use flavour::{Once, SpinLock};

#[cfg(eeh_loom)]
#[path = "sync/model.rs"]
mod flavour;
#[cfg(eeh_loom)]
pub use flavour::{LoomLock, Once, hook};
