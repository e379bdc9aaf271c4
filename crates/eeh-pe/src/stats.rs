// SPDX-License-Identifier: GPL-2.0-or-later
//! Counters, one set per CPU: nobody who counts writes to memory another CPU reads in a hurry.

use crate::env::Env;
use crate::id::PeId;
use crate::name::Name;
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
        Self { pe: AtomicU64::new(NOBODY), count: AtomicU64::new(0) }
    }
}

/// No PE's name.
const NOBODY: u64 = u64::MAX;

/// A PE's name among those of all trees: what counters know it by.
///
/// As a [`SlotName`](crate::SlotName) it names one occupant of a slot for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeKey(u64);

impl PeKey {
    /// The tree's slot sits where a name has nothing.
    #[inline]
    pub(crate) fn new(place: u16, name: Name) -> Self {
        Self(name.bits() | (u64::from(place) << 16))
    }
}

impl From<PeId> for PeKey {
    #[inline]
    fn from(pe: PeId) -> Self {
        Self::new(pe.tree.slot(), pe.name)
    }
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
                    runaway_pe: AtomicU64::new(NOBODY),
                    runaway_reads: AtomicU64::new(0),
                    apart: core::array::from_fn(|_| Apart::new()),
                }
            }

            #[inline]
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
pub struct Stats<E: Env> {
    cpus: E::Slice<CpuStats>,
    /// Counts where there are none.
    spare: CpuStats,
}

impl<E: Env> Stats<E> {
    pub(crate) fn new(cpus: E::Slice<CpuStats>) -> Self {
        Self { cpus, spare: CpuStats::new() }
    }

    /// The counters of this CPU: nobody else counts there.
    ///
    /// # Context
    ///
    /// Any, NMI included. Whoever goes on on another CPU may cost a count.
    #[inline]
    #[must_use]
    pub fn here(&self) -> &CpuStats {
        let cpu = E::cpu();
        match self.cpus.get(cpu) {
            Some(here) => here,
            None => self.shared(cpu),
        }
    }

    /// CPUs beyond those that have counters share them.
    #[cold]
    fn shared(&self, cpu: usize) -> &CpuStats {
        let nth = cpu.checked_rem(self.cpus.len());
        nth.and_then(|nth| self.cpus.get(nth)).unwrap_or(&self.spare)
    }

    /// Counts one on this CPU.
    ///
    /// # Context
    ///
    /// Any, NMI included.
    #[inline]
    pub fn count(&self, counter: Counter) {
        self.here().count(counter);
    }

    /// Counts `n` on this CPU.
    ///
    /// # Context
    ///
    /// Any, NMI included.
    #[inline]
    pub fn add(&self, counter: Counter, n: u64) {
        self.here().add(counter, n);
    }

    /// Counts a check of `pe` that was not frozen, in the sum of all and for the PE alone.
    ///
    /// # Context
    ///
    /// Any, NMI included. An interrupt that counts in between may cost a count.
    #[inline]
    pub fn count_false_positive(&self, pe: impl Into<PeKey>) {
        self.here().count_false_positive(pe.into());
    }

    /// The checks of `pe` that were not frozen: all of them, unless many PEs are polled in vain at a time.
    /// What a CPU had no room for is in the sum of all only.
    ///
    /// # Context
    ///
    /// Any.
    #[must_use]
    pub fn false_positives(&self, pe: PeId) -> u64 {
        let key = PeKey::from(pe);
        let places = self.all().filter_map(|cpu| cpu.apart(key));
        let of_pe = places.filter(|apart| apart.pe.load(Relaxed) == key.0);
        of_pe.fold(0, |sum, apart| sum.saturating_add(apart.count.load(Relaxed)))
    }

    /// The sum over all CPUs.
    ///
    /// # Context
    ///
    /// Any.
    #[must_use]
    pub fn sum(&self, counter: Counter) -> u64 {
        self.all().fold(0, |sum, cpu| sum.wrapping_add(cpu.of(counter).load(Relaxed)))
    }

    fn all(&self) -> impl Iterator<Item = &CpuStats> {
        self.cpus.iter().chain([&self.spare])
    }
}

impl CpuStats {
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
        let counter = self.of(counter);
        counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Counts a read of the isolated PE `pe`; true once, at the [`RUNAWAY_READS`]th in a row that
    /// this CPU makes of it.
    ///
    /// # Context
    ///
    /// Any, NMI included. An interrupt that counts in between may cost a count, no more.
    #[inline]
    #[must_use]
    pub fn count_isolated_read(&self, pe: impl Into<PeKey>) -> bool {
        let PeKey(key) = pe.into();
        if self.runaway_pe.load(Relaxed) != key {
            self.runaway_pe.store(key, Relaxed);
            self.runaway_reads.store(1, Relaxed);
            return false;
        }
        let reads = self.runaway_reads.load(Relaxed).wrapping_add(1);
        self.runaway_reads.store(reads, Relaxed);
        reads == RUNAWAY_READS
    }

    /// Counts a check of `pe` that was not frozen: see [`Stats::count_false_positive`].
    #[inline]
    fn count_false_positive(&self, pe: PeKey) {
        self.count(Counter::FalsePositives);
        let Some(apart) = self.apart(pe) else { return };
        let before = if apart.pe.load(Relaxed) == pe.0 { apart.count.load(Relaxed) } else { 0 };
        apart.pe.store(pe.0, Relaxed);
        apart.count.store(before.wrapping_add(1), Relaxed);
    }

    /// The place of a PE among those that are counted apart.
    #[inline]
    fn apart(&self, PeKey(key): PeKey) -> Option<&Apart> {
        // The PE's index, and the tree's place above it.
        let [index, _, place, ..] = key.to_le_bytes();
        self.apart.get(usize::from(index ^ place).checked_rem(APART)?)
    }
}
