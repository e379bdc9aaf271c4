// SPDX-License-Identifier: GPL-2.0-or-later
//! Partitionable Endpoints: identity, lifetime, flags, tree and address map.
//!
//! The lowest layer: it knows what exists and for how long, and nothing of recovery. Other crates
//! of the workspace depend on it, it depends on none of them.
//!
//! * A [`Registry`] has a fixed number of places for PHBs. Each has a [`Tree`] of PEs, with the
//!   PHB's own PE at its root, and devices in the PEs.
//! * PEs and devices are named by `Copy` handles ([`PeId`], [`DeviceId`]). A handle to what is gone
//!   resolves to nothing, for ever.
//! * State is one word per PE or device: generation, live bit, flags, reference count.
//!   Detectors change it from any context without a lock ([`Registry::isolate`]).
//! * Links are guarded by one lock per PHB. [`TreeGuard`] is the lock, held, and the only source
//!   of borrowed PEs; [`PeHold`] is a counted reference that outlives it.
//! * What is removed keeps its place until nobody holds it, so a [`Walk`] that blocks between two
//!   steps always finds the next one.
//!
//! # Lock order
//!
//! The registry's mutex, then a map's mutex, then one tree's lock; never two trees' locks. The
//! platform's devices are dropped outside all of them.
//!
//! `docs/protocol.md` says who may touch what, in which context.
#![cfg_attr(not(any(test, eeh_loom)), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::arithmetic_side_effects,
        clippy::integer_division,
        clippy::as_conversions
    )
)]

mod buckets;
mod budget;
mod cell;
mod device;
mod env;
mod error;
mod flags;
mod glance;
mod guard;
mod hold;
mod hotplug;
mod id;
mod insert;
mod isolate;
mod latch;
mod links;
mod map;
mod marks;
mod mutant;
mod name;
mod orphan;
mod own;
mod pending;
mod phb;
mod reap;
mod refs;
mod registry;
mod remove;
mod request;
mod search;
mod slot;
mod stack;
mod stats;
mod storage;
pub mod sync;
mod time;
mod tree;
mod walk;
mod word;

pub use budget::{BUDGET_WINDOW, Budget};
pub use device::{BridgeInfo, DeviceInfo, DeviceView, PeSpec, PeView, VfInfo};
pub use env::{Env, Lock, LockName, Memory, SetOnce};
pub use error::{AddPhbError, InsertError, MapError};
pub use flags::{DeviceFlags, PeFlags, PeType};
pub use glance::{Glance, GlanceAt};
pub use guard::TreeGuard;
pub use hold::{DeviceHold, PeHold};
pub use hotplug::Removed;
pub use id::{Bdf, DeviceId, PeId, PeNumber, PhbNumber, TreeId};
pub use insert::Inserted;
pub use isolate::{Detection, Isolate, Report};
pub use map::AddressMap;
pub use marks::Passed;
pub use name::SlotName;
pub use orphan::{Orphan, OrphanKind, Orphans};
pub use own::{Opened, Released};
pub use pending::{Pending, Reported};
pub use phb::{PhbInfo, Window, WindowKind};
pub use refs::{DeviceRef, Devices, PeRef, Subtree, SubtreeDevices};
pub use registry::Registry;
pub use remove::RemovedDevice;
pub use request::{RequestError, RequestId, RequestState};
pub use stats::{Counter, CpuStats, PeKey, RUNAWAY_READS, Stats};
pub use storage::{RegistryLimits, RegistryStorage, TreeStorage};
pub use time::Time;
pub use tree::Tree;
pub use walk::{DeviceWalk, Stamp, Walk};
