// SPDX-License-Identifier: GPL-2.0-or-later
//! The only atomics and set-once cells of these crates.
//!
//! Three flavours with one shape, the kernel's: `core` for hosts, loom's for model checking
//! (`cfg(eeh_loom)`), `kernel::sync` inside a kernel (`cfg(CONFIG_EEH_RUST)`). Only what all three
//! have is offered: relaxed and acquire loads, relaxed and release stores, and
//! read-modify-writes that are relaxed or full, and a fence between loads. A failed [`cmpxchg`](AtomicU64::cmpxchg) orders
//! nothing: whoever acts on what it met loads again with [`Acquire`].
//!
//! # Context
//!
//! Any, NMI included.

#[cfg(not(CONFIG_EEH_RUST))]
#[path = "sync/portable.rs"]
mod portable;
#[cfg(not(CONFIG_EEH_RUST))]
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

#[cfg(all(eeh_loom, not(CONFIG_EEH_RUST)))]
#[path = "sync/model.rs"]
mod flavour;
#[cfg(all(eeh_loom, not(CONFIG_EEH_RUST)))]
pub use flavour::{LoomLock, Once, hook};

#[cfg(CONFIG_EEH_RUST)]
#[path = "sync/kernel.rs"]
mod flavour;
#[cfg(CONFIG_EEH_RUST)]
pub use flavour::{Acquire, AtomicU32, AtomicU64, Full, Once, Relaxed, Release, acquire_fence};
