// SPDX-License-Identifier: GPL-2.0-or-later
//! A sorted table of address ranges in two copies: readers use one while the writer fills the other.
//!
//! The sequence number's lowest bit names the copy that readers use. An update writes the whole
//! other copy, then moves the sequence on by one. A reader keeps its result when the sequence did
//! not move: then nobody wrote to its copy. It tries again only when a whole update went by, so a
//! reader that interrupts the writer, at any point, finishes from the copy it finds in use.
//!
//! All stores are release and all loads acquire: an entry of update n + 2 in the reader's copy
//! was stored after sequence n + 1, so whoever read it sees the sequence moved.

use crate::env::Env;
use crate::mutant::mutant;
use crate::search::rank;
#[cfg(eeh_mutant = "map_stores_relaxed")]
use crate::sync::Relaxed;
use crate::sync::{Acquire, AtomicU64, Release};

/// A range and what it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Range {
    pub(crate) start: u64,
    /// The last address.
    pub(crate) end: u64,
    pub(crate) value: u64,
}

impl Range {
    pub(crate) const fn overlaps(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

/// A range as readers load it.
pub(crate) struct Entry {
    start: AtomicU64,
    end: AtomicU64,
    value: AtomicU64,
}

impl Entry {
    pub(crate) fn new() -> Self {
        Self { start: AtomicU64::new(0), end: AtomicU64::new(0), value: AtomicU64::new(0) }
    }

    #[inline]
    fn load(&self) -> Range {
        Range {
            start: self.start.load(Acquire),
            end: self.end.load(Acquire),
            value: self.value.load(Acquire),
        }
    }

    fn store(&self, range: &Range) {
        self.start.store(range.start, mutant!(eeh_mutant = "map_stores_relaxed", Release, Relaxed));
        self.end.store(range.end, mutant!(eeh_mutant = "map_stores_relaxed", Release, Relaxed));
        self.value.store(range.value, mutant!(eeh_mutant = "map_stores_relaxed", Release, Relaxed));
    }
}

struct Table<E: Env> {
    len: AtomicU64,
    entries: E::Slice<Entry>,
}

impl<E: Env> Table<E> {
    fn new(entries: E::Slice<Entry>) -> Self {
        Self { len: AtomicU64::new(0), entries }
    }

    #[inline]
    fn filled(&self) -> &[Entry] {
        let len = usize::try_from(self.len.load(Acquire)).unwrap_or(0);
        self.entries.get(..len).unwrap_or(&[])
    }

    /// The value of the range that contains `address`. In a copy that is being written it may find
    /// nonsense, but it ends: each step halves what is left.
    #[inline]
    fn find(&self, address: u64) -> Option<u64> {
        let entries = self.filled();
        let after = rank(entries, address, |e| e.start.load(Acquire));
        // The last one that does not start above `address`, if there is one.
        let entry = entries.get(after.wrapping_sub(1))?;
        if address <= entry.end.load(Acquire) { Some(entry.value.load(Acquire)) } else { None }
    }
}

/// The two copies.
pub(crate) struct Latch<E: Env> {
    sequence: AtomicU64,
    even: Table<E>,
    odd: Table<E>,
}

impl<E: Env> Latch<E> {
    /// An empty table that holds what the smaller of the two arrays does.
    pub(crate) fn new([even, odd]: [E::Slice<Entry>; 2]) -> Self {
        Self { sequence: AtomicU64::new(0), even: Table::new(even), odd: Table::new(odd) }
    }

    /// Ranges that fit.
    pub(crate) fn capacity(&self) -> usize {
        self.even.entries.len().min(self.odd.entries.len())
    }

    /// The value of the range that contains `address`.
    ///
    /// # Context
    ///
    /// Any, including an interrupt of the writer.
    #[inline]
    pub(crate) fn find(&self, address: u64) -> Option<u64> {
        let mut before = self.sequence.load(Acquire);
        loop {
            let found = self.in_use(before).find(address);
            let after = self.sequence.load(Acquire);
            if mutant!(eeh_mutant = "map_reader_looks_once", after == before, true) {
                return found;
            }
            before = after;
        }
    }

    /// The ranges in order of address. Only for the writer: nobody writes meanwhile.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range> {
        self.in_use(self.sequence.load(Acquire)).filled().iter().map(Entry::load)
    }

    /// Drops the ranges that `keep` refuses and adds `add`; false, and nothing changed, when they
    /// do not fit. Only for the writer.
    #[must_use]
    pub(crate) fn rewrite(&self, keep: impl Fn(&Range) -> bool, add: Option<Range>) -> bool {
        let sequence = self.sequence.load(Acquire);
        let next = sequence.wrapping_add(1);
        let kept = self.ranges().filter(&keep).count();
        if kept.saturating_add(usize::from(add.is_some())) > self.capacity() {
            return false;
        }
        let target = self.in_use(mutant!(eeh_mutant = "map_writes_in_place", next, sequence));
        let mut places = target.entries.iter();
        let mut len: u64 = 0;
        let mut put = |range: &Range| {
            if let Some(entry) = places.next() {
                entry.store(range);
                len = len.saturating_add(1);
            }
        };
        let mut add = add;
        for range in self.ranges().filter(&keep) {
            if let Some(new) = add.take_if(|new| new.start < range.start) {
                put(&new);
            }
            put(&range);
        }
        if let Some(new) = add {
            put(&new);
        }
        target.len.store(len, Release);
        self.sequence.store(next, Release);
        true
    }

    #[inline]
    fn in_use(&self, sequence: u64) -> &Table<E> {
        if sequence & 1 == 0 { &self.even } else { &self.odd }
    }
}
