// SPDX-License-Identifier: GPL-2.0-or-later
//! Counters, one set per CPU: nobody who counts writes to memory another CPU reads in a hurry.

use crate::env::Env;
use crate::id::PeId;
use crate::slot::Name;
use crate::sync::{AtomicU64, Relaxed};

/// Reads of an isolated PE, in a row on one CPU, that make a driver a runaway.
/// C: `EEH_MAX_FAILS`
pub const RUNAWAY_READS: u64 = 2_100_000;

/// PEs whose false positives a CPU counts apart: as many as are polled by drivers at a time.
const APART: usize = if cfg!(eeh_loom) { 1 } else { 16 };

/// The false positives of one PE on one CPU.
struct Apart {
    pe: AtomicU64,
    count: AtomicU64,
}

impl Apart {
    fn new() -> Self {
        Self { pe: AtomicU64::new(crate::slot::NO_NAME), count: AtomicU64::new(0) }
    }
}

/// A PE's name among those of all trees: the tree's slot sits above the generation's 28 bits.
fn name_of(pe: PeId) -> u64 {
    Name { index: pe.index, generation: pe.generation }.pack() | (u64::from(pe.tree.slot) << 44)
}

macro_rules! counters {
    ($($name:ident $field:ident = $doc:literal,)*) => {
        /// What is counted.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub enum Counter { $(#[doc = $doc] $name,)* }

        impl Counter {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }

        /// One CPU's counters.
        #[repr(align(128))]
        pub struct CpuStats {
            $($field: AtomicU64,)*
            runaway_pe: AtomicU64,
            runaway_reads: AtomicU64,
            apart: [Apart; APART],
        }

        impl CpuStats {
            /// Counters at zero.
            #[must_use]
            pub fn new() -> Self {
                Self {
                    $($field: AtomicU64::new(0),)*
                    runaway_pe: AtomicU64::new(crate::slot::NO_NAME),
                    runaway_reads: AtomicU64::new(0),
                    apart: core::array::from_fn(|_| Apart::new()),
                }
            }

            fn of(&self, counter: Counter) -> &AtomicU64 {
                match counter { $(Counter::$name => &self.$field,)* }
            }
        }
    };
}

counters! {
    NoDevice no_device = "Checks of an address without a device. C: `no_device`",
    NoDn no_dn = "Checks of a device without firmware node. C: `no_dn`",
    NoCfgAddr no_cfg_addr = "Checks of a device without PE address. C: `no_cfg_addr`",
    IgnoredCheck ignored_check = "Checks that were ignored. C: `ignored_check`",
    TotalMmioFfs total_mmio_ffs = "Checks. C: `total_mmio_ffs`",
    FalsePositives false_positives = "Checks of a PE that was not frozen. C: `false_positives`",
    SlotResets slot_resets = "PEs found frozen. C: `slot_resets`",
    StaleHandles stale_handles = "Handles refused because what they named was gone.",
    WalksFromTombstone walks_from_tombstone = "Steps of a walk that continued from a removed PE or device.",
    Absorbed absorbed = "Reports that another PE's recovery took over.",
    Successors successors = "PEs that took over from one removed in its recovery.",
    OrphansReaped orphans_reaped = "Removed PEs and devices that outlived their removal and are now freed.",
}

impl Default for CpuStats {
    fn default() -> Self {
        Self::new()
    }
}

/// The counters of all CPUs.
pub struct Stats<E: Env>(E::Slice<CpuStats>);

impl<E: Env> Stats<E> {
    pub(crate) fn new(cpus: E::Slice<CpuStats>) -> Self {
        Self(cpus)
    }

    /// Counts one.
    ///
    /// # Context
    ///
    /// Any, NMI included.
    #[inline]
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts `n`.
    ///
    /// A load and a store, as the counters of Linux: no CPU writes another's, and an exchange would
    /// cost more than the check that is counted.
    ///
    /// # Context
    ///
    /// Any, NMI included. An interrupt that counts in between may cost a count.
    #[inline]
    pub fn add(&self, counter: Counter, n: u64) {
        if let Some(cpu) = self.here() {
            let counter = cpu.of(counter);
            counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
        }
    }

    /// The sum over all CPUs.
    ///
    /// # Context
    ///
    /// Any.
    #[must_use]
    pub fn sum(&self, counter: Counter) -> u64 {
        self.0.iter().fold(0, |sum, cpu| sum.wrapping_add(cpu.of(counter).load(Relaxed)))
    }

    /// Counts a read of the isolated PE `pe`; true once, at the [`RUNAWAY_READS`]th in a row that
    /// this CPU makes of it.
    ///
    /// # Context
    ///
    /// Any, NMI included. An interrupt that counts in between may cost a count, no more.
    #[inline]
    #[must_use]
    pub fn count_isolated_read(&self, pe: PeId) -> bool {
        let Some(cpu) = self.here() else { return false };
        let name = name_of(pe);
        if cpu.runaway_pe.load(Relaxed) != name {
            cpu.runaway_pe.store(name, Relaxed);
            cpu.runaway_reads.store(1, Relaxed);
            return false;
        }
        let reads = cpu.runaway_reads.load(Relaxed).saturating_add(1);
        cpu.runaway_reads.store(reads, Relaxed);
        reads == RUNAWAY_READS
    }

    /// Counts a check of `pe` that was not frozen, in the sum of all and for the PE alone.
    ///
    /// # Context
    ///
    /// Any, NMI included. An interrupt that counts in between may cost a count.
    pub fn count_false_positive(&self, pe: PeId) {
        self.count(Counter::FalsePositives);
        let Some(apart) = self.here().and_then(|cpu| apart(cpu, pe)) else { return };
        let name = name_of(pe);
        let before = if apart.pe.load(Relaxed) == name { apart.count.load(Relaxed) } else { 0 };
        apart.pe.store(name, Relaxed);
        apart.count.store(before.saturating_add(1), Relaxed);
    }

    /// The checks of `pe` that were not frozen: all of them, unless many PEs are polled in vain at a time.
    /// What a CPU had no room for is in the sum of all only.
    ///
    /// # Context
    ///
    /// Any.
    #[must_use]
    pub fn false_positives(&self, pe: PeId) -> u64 {
        let name = name_of(pe);
        let places = self.0.iter().filter_map(|cpu| apart(cpu, pe));
        let of_pe = places.filter(|apart| apart.pe.load(Relaxed) == name);
        of_pe.fold(0, |sum, apart| sum.saturating_add(apart.count.load(Relaxed)))
    }

    #[inline]
    fn here(&self) -> Option<&CpuStats> {
        let cpu = E::cpu();
        // CPUs beyond those that have a set share them.
        self.0.get(cpu).or_else(|| self.0.get(cpu.checked_rem(self.0.len())?))
    }
}

/// The place of a PE among those that a CPU counts apart.
fn apart(cpu: &CpuStats, pe: PeId) -> Option<&Apart> {
    let place = usize::from(pe.index ^ pe.tree.slot).checked_rem(APART)?;
    cpu.apart.get(place)
}
