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
//! A copy is made of leaves of a fixed length. Free entries follow the used ones and start above all
//! addresses; how much of the copy is used stands in the sequence as well.

use crate::env::{Env, Memory};
use crate::mutant::mutant;
use crate::search::{Sorted, last_at_most};
use crate::sync::{Acquire, AtomicU64, Relaxed, Release, acquire_fence};

/// What is searched when few ranges are used: 8 entries.
#[cfg(not(eeh_loom))]
type Row = [[[Entry; 2]; 2]; 2];
#[cfg(eeh_loom)]
type Row = [Entry; 2];

/// 8 rows.
#[cfg(not(eeh_loom))]
type Rows = [[[Row; 2]; 2]; 2];
#[cfg(eeh_loom)]
type Rows = [Row; 2];

const ROW: usize = Row::LEN;
const LEAF: usize = Rows::LEN;

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

/// One range as readers load it.
struct Entry {
    start: AtomicU64,
    end: AtomicU64,
    value: AtomicU64,
}

impl Entry {
    fn new() -> Self {
        let Range { start, end, value } = Range::FREE;
        Self { start: AtomicU64::new(start), end: AtomicU64::new(end), value: AtomicU64::new(value) }
    }

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

    /// The value when the range contains `address`, else [`FREE`].
    #[inline(always)]
    fn value_at(&self, address: u64) -> u64 {
        let (start, end) = (self.start.load(Relaxed), self.end.load(Relaxed));
        // One comparison: what is below the start wraps around. (A free entry seems to contain address 0.)
        if address.wrapping_sub(start) <= end.wrapping_sub(start) { self.value.load(Relaxed) } else { FREE }
    }
}

impl Sorted for Entry {
    type Item = Self;
    const LEN: usize = 1;

    fn of(entry: impl Fn() -> Self + Copy) -> Self {
        entry()
    }

    #[inline(always)]
    fn first(&self) -> &Self {
        self
    }

    #[inline(always)]
    fn last_at_most(&self, _: u64, _: impl Fn(&Self) -> u64 + Copy) -> &Self {
        self
    }

    fn nth(&self, nth: usize) -> Option<&Self> {
        (nth == 0).then_some(self)
    }
}

/// Ranges in order of address.
pub(crate) struct Leaf(Rows);

impl Leaf {
    fn new() -> Self {
        Self(Rows::of(Entry::new))
    }

    /// The first row.
    #[inline(always)]
    fn row(&self) -> &Row {
        #[cfg(not(eeh_loom))]
        let [[[row, _], _], _] = &self.0;
        #[cfg(eeh_loom)]
        let [row, _] = &self.0;
        row
    }

    /// Where the leaf's first range starts: above all addresses when it is free.
    #[inline(always)]
    fn start(&self) -> u64 {
        start(self.0.first())
    }
}

#[inline(always)]
fn start(entry: &Entry) -> u64 {
    entry.start.load(Relaxed)
}

/// The place of the copy's range number `nth`.
fn entry(copy: &[Leaf], nth: usize) -> Option<&Entry> {
    copy.get(nth.checked_div(LEAF)?)?.0.nth(nth.checked_rem(LEAF)?)
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

/// The leaves that are used, or some of them: a power of two.
#[inline]
fn used_leaves(leaves: &[Leaf], sequence: u64) -> &[Leaf] {
    let log = u32::try_from((sequence & USED_MASK) >> USED_SHIFT).unwrap_or(0).saturating_sub(1);
    leaves.get(..1_usize.checked_shl(log).unwrap_or(0)).unwrap_or(leaves)
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

    /// The value of the range that contains `address`, [`FREE`] when there is none; `None` of what is rare:
    /// many leaves, or an update.
    ///
    /// # Context
    ///
    /// Any, including an interrupt of the writer.
    #[inline(always)]
    pub(crate) fn find_in_first(&self, address: u64) -> Option<u64> {
        let before = self.sequence.load(Acquire);
        let used = before & USED_MASK;
        if used > ONE_LEAF {
            return None;
        }
        let first = self.copy(before).first()?;
        let entry = if used == ONE_ROW {
            first.row().last_at_most(address, start)
        } else {
            first.0.last_at_most(address, start)
        };
        self.settle(before, entry, address)
    }

    /// The same, of all that is used, and until no update comes in between.
    ///
    /// # Context
    ///
    /// Any, including an interrupt of the writer.
    #[cold]
    #[inline(never)]
    pub(crate) fn find_in_all(&self, address: u64) -> u64 {
        loop {
            let before = self.sequence.load(Acquire);
            let leaves = used_leaves(self.copy(before), before);
            let Some(leaf) = leaves.get(last_at_most(leaves, address, Leaf::start)) else { return FREE };
            if let Some(found) = self.settle(before, leaf.0.last_at_most(address, start), address) {
                return found;
            }
        }
    }

    /// What `entry` says of `address`, [`FREE`] when that is not in it; `None` when the copy that it is in
    /// may have been written meanwhile.
    #[inline(always)]
    fn settle(&self, before: u64, entry: &Entry, address: u64) -> Option<u64> {
        let value = entry.value_at(address);
        mutant!(eeh_mutant = "map_reader_has_no_fence", acquire_fence(), ());
        let same = self.sequence.load(Relaxed) == before;
        mutant!(eeh_mutant = "map_reader_looks_once", same, true).then_some(value)
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

    #[inline(always)]
    fn copy(&self, sequence: u64) -> &[Leaf] {
        let nth = usize::from(sequence & 1 != 0);
        self.storage.copies.get(nth).map_or(&[], |copy| copy)
    }
}
