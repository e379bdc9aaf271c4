// SPDX-License-Identifier: GPL-2.0-or-later
//! A sorted table of address ranges in two copies: readers use one while the writer fills the other.
//!
//! The sequence's lowest bit names the copy that readers use. An update writes the whole other
//! copy, then moves the sequence on. A reader keeps its result when the sequence did not move: then
//! nobody wrote to its copy. It tries again only when a whole update went by, so a reader that
//! interrupts the writer, at any point, finishes from the copy it finds in use.
//!
//! The writer's stores are release, and a reader has an acquire fence between what it read and its
//! second look at the sequence: an entry of update n + 2 in the reader's copy was stored after
//! sequence n + 1, so whoever read it sees the sequence moved.
//!
//! A copy is made of leaves of a fixed length, each in three arrays, so that a search touches
//! little but the keys. Free entries follow the used ones and start above all addresses; how much
//! of the copy is used stands in the sequence as well.

use crate::env::{Env, Memory};
use crate::mutant::mutant;
use crate::search::{last_at_most, last_in_row};
use crate::sync::{Acquire, AtomicU64, Relaxed, Release, acquire_fence};

/// Rows of a leaf, and entries of a row: a cache line of keys. Powers of two.
#[cfg(not(eeh_loom))]
const ROW: usize = 8;
#[cfg(eeh_loom)]
const ROW: usize = 2;

/// One field of a leaf's entries, row by row.
type Field = [[AtomicU64; ROW]; ROW];

/// Entries of a leaf.
const LEAF: usize = ROW * ROW;

/// The value of a free entry.
pub(crate) const FREE: u64 = u64::MAX;

/// A range and what it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Range {
    pub(crate) start: u64,
    /// The last address, below `u64::MAX`.
    pub(crate) end: u64,
    /// Anything but [`FREE`].
    pub(crate) value: u64,
}

impl Range {
    const FREE: Self = Self { start: u64::MAX, end: 0, value: FREE };

    pub(crate) const fn overlaps(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

/// Ranges as readers load them.
pub(crate) struct Leaf {
    starts: Field,
    ends: Field,
    values: Field,
}

impl Leaf {
    fn new() -> Self {
        let all = |value| core::array::from_fn(|_| core::array::from_fn(|_| AtomicU64::new(value)));
        Self { starts: all(Range::FREE.start), ends: all(Range::FREE.end), values: all(Range::FREE.value) }
    }

    fn entry(&self, nth: usize) -> Option<Entry<'_>> {
        let (row, at) = (nth.checked_div(ROW)?, nth.checked_rem(ROW)?);
        let Self { starts, ends, values } = self;
        Some(Entry {
            start: starts.get(row)?.get(at)?,
            end: ends.get(row)?.get(at)?,
            value: values.get(row)?.get(at)?,
        })
    }

    /// The value of the range that contains `address`.
    #[inline]
    fn find(&self, address: u64) -> Option<u64> {
        self.find_in(last_in_row(&self.starts, address, |[first, ..]| first.load(Relaxed)), address)
    }

    /// The same, in a row.
    #[inline]
    fn find_in(&self, row: usize, address: u64) -> Option<u64> {
        let starts = self.starts.get(row)?;
        let at = last_in_row(starts, address, |start| start.load(Relaxed));
        let (start, end) = (starts.get(at)?.load(Relaxed), self.ends.get(row)?.get(at)?.load(Relaxed));
        if start <= address && address <= end {
            Some(self.values.get(row)?.get(at)?.load(Relaxed))
        } else {
            None
        }
    }
}

/// One range of a leaf.
struct Entry<'l> {
    start: &'l AtomicU64,
    end: &'l AtomicU64,
    value: &'l AtomicU64,
}

impl Entry<'_> {
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

/// The place of the copy's range number `nth`.
fn entry(copy: &[Leaf], nth: usize) -> Option<Entry<'_>> {
    copy.get(nth.checked_div(LEAF)?)?.entry(nth.checked_rem(LEAF)?)
}

/// The ranges of a copy, in order.
pub(crate) struct Ranges<'l> {
    copy: &'l [Leaf],
    next: usize,
}

impl Iterator for Ranges<'_> {
    type Item = Range;

    fn next(&mut self) -> Option<Range> {
        let range = entry(self.copy, self.next)?.load();
        self.next = self.next.saturating_add(1);
        (range.value != FREE).then_some(range)
    }
}

/// Of a sequence: how much is used. 0: the first row; n: 2 to the power of n - 1 leaves.
const USED_SHIFT: u32 = 1;
const USED_MASK: u64 = 0x3f << USED_SHIFT;
const ONE_ROW: u64 = 0 << USED_SHIFT;
const ONE_LEAF: u64 = 1 << USED_SHIFT;
/// Of a sequence: one update.
const UPDATE: u64 = 1 << 7;

/// The value of the range that contains `address`, in a copy that uses more than one leaf.
#[inline(always)]
fn find_in_many(leaves: &[Leaf], sequence: u64, address: u64) -> Option<u64> {
    let log = u32::try_from((sequence & USED_MASK) >> USED_SHIFT).ok()?.checked_sub(1)?;
    let leaves = leaves.get(..1_usize.checked_shl(log)?)?;
    leaves.get(last_at_most(leaves, address, Leaf::first))?.find(address)
}

/// The sequence after `now`, with the other copy, of `ranges` ranges.
fn next(now: u64, ranges: usize) -> u64 {
    let leaves = ranges.div_ceil(LEAF).next_power_of_two();
    let row = mutant!(eeh_mutant = "a_row_is_too_long", ROW, ROW.saturating_add(1));
    let used = if ranges <= row { 0 } else { leaves.trailing_zeros().saturating_add(1) };
    let counted = (now & !USED_MASK).wrapping_add(UPDATE) ^ 1;
    counted | (u64::from(used) << USED_SHIFT)
}

/// Memory for the two copies.
pub(crate) struct LatchStorage<E: Env> {
    copies: [E::Slice<Leaf>; 2],
    ranges: usize,
}

impl<E: Env> LatchStorage<E> {
    /// Ranges that fit.
    pub(crate) const fn ranges(&self) -> usize {
        self.ranges
    }
}

impl<E: Memory> LatchStorage<E> {
    /// Room for `ranges` ranges; `None` when there is no memory.
    pub(crate) fn reserve(ranges: usize) -> Option<Self> {
        let leaves = ranges.div_ceil(LEAF).checked_next_power_of_two()?;
        let copy = || E::slice(leaves, |_| Some(Leaf::new()));
        Some(Self { copies: [copy()?, copy()?], ranges })
    }
}

/// The two copies.
pub(crate) struct Latch<E: Env> {
    sequence: AtomicU64,
    storage: LatchStorage<E>,
}

impl<E: Env> Latch<E> {
    /// An empty table.
    pub(crate) fn new(storage: LatchStorage<E>) -> Self {
        Self { sequence: AtomicU64::new(0), storage }
    }

    /// Ranges that fit.
    pub(crate) fn capacity(&self) -> usize {
        self.storage.ranges
    }

    /// The value of the range that contains `address`.
    ///
    /// # Context
    ///
    /// Any, including an interrupt of the writer.
    #[inline(always)]
    pub(crate) fn find(&self, address: u64) -> Option<u64> {
        loop {
            let before = self.sequence.load(Acquire);
            let leaves = self.copy(before);
            let found = match before & USED_MASK {
                ONE_ROW => leaves.first()?.find_in(0, address),
                ONE_LEAF => leaves.first()?.find(address),
                _ => find_in_many(leaves, before, address),
            };
            mutant!(eeh_mutant = "map_reader_has_no_fence", acquire_fence(), ());
            let same = self.sequence.load(Relaxed) == before;
            if mutant!(eeh_mutant = "map_reader_looks_once", same, true) {
                return found;
            }
        }
    }

    /// The ranges in order of address. Only for the writer: nobody writes meanwhile.
    pub(crate) fn ranges(&self) -> Ranges<'_> {
        Ranges { copy: self.copy(self.sequence.load(Acquire)), next: 0 }
    }

    /// Drops the ranges that `keep` refuses and adds `add`; false, and nothing changed, when they
    /// do not fit. Only for the writer.
    #[must_use]
    pub(crate) fn rewrite(&self, keep: &dyn Fn(&Range) -> bool, add: Option<Range>) -> bool {
        let sequence = self.sequence.load(Acquire);
        let kept = self.ranges().filter(keep).count().saturating_add(usize::from(add.is_some()));
        if kept > self.capacity() {
            return false;
        }
        let next = next(sequence, kept);
        let target = self.copy(mutant!(eeh_mutant = "map_writes_in_place", next, sequence));
        let mut place: usize = 0;
        let mut put = |range: &Range| {
            if let Some(entry) = entry(target, place) {
                entry.store(range);
                place = place.saturating_add(1);
            }
        };
        let mut add = add;
        for range in self.ranges().filter(keep) {
            if let Some(new) = add.take_if(|new| new.start < range.start) {
                put(&new);
            }
            put(&range);
        }
        if let Some(new) = add {
            put(&new);
        }
        while let Some(left) = entry(target, place).filter(|entry| entry.value.load(Relaxed) != FREE) {
            left.store(&Range::FREE);
            place = place.saturating_add(1);
        }
        self.sequence.store(next, Release);
        true
    }

    #[inline]
    fn copy(&self, sequence: u64) -> &[Leaf] {
        let [even, odd] = &self.storage.copies;
        if sequence & 1 == 0 { even } else { odd }
    }
}

impl Leaf {
    /// Where the leaf's first range starts: above all addresses when it is free.
    #[inline]
    fn first(&self) -> u64 {
        let [[first, ..], ..] = &self.starts;
        first.load(Relaxed)
    }
}
