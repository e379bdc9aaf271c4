// SPDX-License-Identifier: GPL-2.0-or-later
//! Memory, reserved before any lock is taken.

use crate::cell::TreeCell;
use crate::env::{Env, Memory, SetOnce};
use crate::error::Need;
use crate::latch::LatchStorage;
use crate::links::{DeviceLinks, LinkChunk, PeLinks};
use crate::slot::{CHUNK, Chunk, ChunkCell};
use crate::stats::CpuStats;

/// A chunk: the part outside the lock and the part inside.
pub(crate) struct ChunkPair<E: Env, L: Send + Sync> {
    pub(crate) slots: E::Own<Chunk>,
    pub(crate) links: E::Own<LinkChunk<L>>,
}

impl<E: Memory, L: Default + Send + Sync> ChunkPair<E, L> {
    fn reserve() -> Option<Self> {
        Some(Self { slots: E::own(Chunk::new())?, links: E::own(LinkChunk::new())? })
    }
}

/// Memory for more PEs or devices of one PHB. What a tree does not use comes back, to be freed
/// outside the lock.
pub(crate) struct Reservation<E: Env> {
    pub(crate) pe: Option<ChunkPair<E, PeLinks>>,
    pub(crate) device: Option<ChunkPair<E, DeviceLinks<E>>>,
}

impl<E: Memory> Reservation<E> {
    /// Reserves what `need` says; `None` when there is no memory.
    ///
    /// # Context
    ///
    /// May sleep.
    #[must_use]
    pub(crate) fn reserve(need: Need) -> Option<Self> {
        Some(Self {
            pe: if need.pe { Some(ChunkPair::reserve()?) } else { None },
            device: if need.device { Some(ChunkPair::reserve()?) } else { None },
        })
    }
}

/// Memory for one PHB.
pub struct TreeStorage<E: Env> {
    pub(crate) reservation: Reservation<E>,
    pub(crate) map: LatchStorage<E>,
}

impl<E: Memory> TreeStorage<E> {
    /// Reserves a first chunk of PEs and devices, and a map of `ranges` address ranges; `None`
    /// when there is no memory.
    ///
    /// # Context
    ///
    /// May sleep.
    #[must_use]
    pub fn reserve(ranges: usize) -> Option<Self> {
        Some(Self {
            reservation: Reservation::reserve(Need { pe: true, device: true })?,
            map: LatchStorage::reserve(ranges)?,
        })
    }
}

/// How large a registry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct RegistryLimits {
    /// PHBs at a time, dead but referenced ones included; below 65536.
    pub phbs: usize,
    /// PEs of a PHB, at most 65504.
    pub pes: usize,
    /// Devices of a PHB, at most 65504.
    pub devices: usize,
    /// CPUs that count apart.
    pub cpus: usize,
}

/// Memory for a registry.
pub struct RegistryStorage<E: Env> {
    pub(crate) cells: E::Slice<TreeCell<E>>,
    pub(crate) windows: LatchStorage<E>,
    pub(crate) stats: E::Slice<CpuStats>,
}

impl<E: Memory> RegistryStorage<E> {
    /// Reserves a registry of this size; `None` when there is no memory.
    ///
    /// # Context
    ///
    /// May sleep.
    #[must_use]
    pub fn reserve(limits: RegistryLimits) -> Option<Self> {
        let chunks = |slots: usize| slots.div_ceil(CHUNK);
        let cells = E::slice(limits.phbs, |slot| {
            Some(TreeCell::new(
                u16::try_from(slot).ok()?,
                [
                    E::slice(chunks(limits.pes), |_| Some(ChunkCell::<E>::new()))?,
                    E::slice(chunks(limits.devices), |_| Some(ChunkCell::<E>::new()))?,
                ],
                E::slice(chunks(limits.pes), |_| Some(None))?,
                E::slice(chunks(limits.devices), |_| Some(None))?,
            ))
        })?;
        // A PHB has four windows at most.
        let windows = LatchStorage::reserve(limits.phbs.saturating_mul(4))?;
        let stats = E::slice(limits.cpus, |_| Some(CpuStats::new()))?;
        Some(Self { cells, windows, stats })
    }
}
