// SPDX-License-Identifier: GPL-2.0-or-later
//! The one word of a slot: generation, live bit, flags and reference count, changed together.
//!
//! ```text
//!  63            36  35   34        23 22           0
//! +----------------+----+------------+--------------+
//! |   generation   |live|   flags    |    count     |
//! +----------------+----+------------+--------------+
//! ```
//!
//! | live | count | the slot is |
//! |---|---|---|
//! | 1 | >= 1 | occupied: one count for existence, one per holder |
//! | 0 | >= 1 | a tombstone: removed, still held |
//! | 0 | 0 | on the reap stack, or free |
//!
//! Generation and live bit are compared in the same exchange that changes flags or count, so
//! nobody can touch a slot's next occupant.

use crate::mutant::mutant;
use crate::name::Name;
#[cfg(eeh_mutant = "exchange_is_relaxed")]
use crate::sync::Relaxed;
use crate::sync::{Acquire, AtomicU64, Full, Release};

pub(crate) const COUNT_BITS: u32 = 23;
pub(crate) const GENERATION_BITS: u32 = 28;
const FLAG_SHIFT: u32 = COUNT_BITS;
const LIVE_SHIFT: u32 = 35;
pub(crate) const LIVE: u64 = 1 << LIVE_SHIFT;
pub(crate) const GENERATION_SHIFT: u32 = 36;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const FLAG_MASK: u64 = 0xfff;

/// The value of a word at one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Snapshot(u64);

impl Snapshot {
    /// A free slot whose next occupant gets the generation after `generation`.
    pub(crate) const fn free(generation: u32) -> Self {
        Self(u64_of(generation) << GENERATION_SHIFT)
    }

    #[inline]
    pub(crate) fn generation(self) -> u32 {
        low_bits(self.0 >> GENERATION_SHIFT)
    }

    #[inline]
    pub(crate) const fn is_live(self) -> bool {
        self.0 & LIVE != 0
    }

    #[inline]
    pub(crate) fn flags(self) -> u16 {
        u16::try_from((self.0 >> FLAG_SHIFT) & FLAG_MASK).unwrap_or(0)
    }

    #[inline]
    pub(crate) fn count(self) -> u32 {
        low_bits(self.0 & COUNT_MASK)
    }

    /// True while the slot has the occupant called `name`, not removed. The index is the caller's
    /// to get right.
    #[inline]
    pub(crate) const fn is(self, name: Name) -> bool {
        (self.0 ^ name.bits()) >> LIVE_SHIFT == 0
    }

    /// True also when the occupant called `name` was removed.
    #[inline]
    pub(crate) const fn is_even_removed(self, name: Name) -> bool {
        (self.0 ^ name.bits()) >> GENERATION_SHIFT == 0
    }

    #[inline]
    pub(crate) fn with_flags(self, flags: u16) -> Self {
        Self((self.0 & !(FLAG_MASK << FLAG_SHIFT)) | ((u64::from(flags) & FLAG_MASK) << FLAG_SHIFT))
    }

    pub(crate) fn with_live(self) -> Self {
        Self(self.0 | LIVE)
    }

    fn without_live(self) -> Self {
        Self(self.0 & !LIVE)
    }

    /// One more reference; `None` when `max` are out.
    #[inline]
    pub(crate) fn plus_one(self, max: u32) -> Option<Self> {
        if mutant!(eeh_mutant = "counts_have_no_end", self.count() >= max, false) {
            return None;
        }
        self.0.checked_add(1).map(Self)
    }

    /// One reference less; unchanged when there is none, which nobody can bring about.
    fn minus_one(self) -> Self {
        debug_assert!(self.count() > 0, "a reference was put twice");
        if self.count() == 0 { self } else { Self(self.0.saturating_sub(1)) }
    }
}

/// What a put left behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Put {
    /// Others hold the slot.
    Held,
    /// That was the last reference to a removed occupant: the caller pushes the slot for reaping.
    Last,
}

/// A slot's word.
pub(crate) struct Word(AtomicU64);

impl Word {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The value now, with everything that was written before it was reached.
    #[inline]
    pub(crate) fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Acquire))
    }

    /// Takes a reference to a live occupant; refuses when it is another, removed, or held `max` times.
    pub(crate) fn get(&self, name: Name, max: u32) -> Option<Snapshot> {
        let got = self.update(|now| {
            let there = mutant!(eeh_mutant = "get_ignores_live", now.is(name), now.is_even_removed(name));
            if !there {
                return Err(());
            }
            now.plus_one(max).ok_or(())
        });
        got.ok().map(|(_, new)| new)
    }

    /// Takes another reference where the caller has one already, tombstone or not.
    pub(crate) fn get_again(&self, max: u32) -> bool {
        self.update(|now| now.plus_one(max).ok_or(())).is_ok()
    }

    /// Drops a reference.
    pub(crate) fn put(&self) -> Put {
        let put =
            mutant!(eeh_mutant = "put_is_not_atomic", self.update(|now| Ok::<_, ()>(now.minus_one())), {
                let now = self.load();
                self.0.store(now.minus_one().0, Release);
                Ok::<_, ()>((now, now.minus_one()))
            });
        match put {
            Ok((_, new)) if new.count() == 0 && !new.is_live() => Put::Last,
            Ok(_) | Err(()) => Put::Held,
        }
    }

    /// Drops a reference and clears flags, in one exchange.
    pub(crate) fn put_and_clear(&self, flags: u16) -> Put {
        let put = self.update(|now| Ok::<_, ()>(now.with_flags(now.flags() & !flags).minus_one()));
        match put {
            Ok((_, new)) if new.count() == 0 && !new.is_live() => Put::Last,
            Ok(_) | Err(()) => Put::Held,
        }
    }

    /// Removes the occupant: clears the live bit and keeps the reference of existence, which the
    /// caller puts. False when it was gone already.
    pub(crate) fn kill(&self, name: Name) -> bool {
        let killed = self.update(|now| if now.is(name) { Ok(now.without_live()) } else { Err(()) });
        killed.is_ok()
    }

    /// Changes flags as `change` says while `accept` holds, and returns the flags before.
    pub(crate) fn change_flags(
        &self,
        accept: impl Fn(Snapshot) -> bool,
        change: impl Fn(u16) -> u16,
    ) -> Option<u16> {
        let apply = |now: Snapshot| {
            if accept(now) { Ok(now.with_flags(change(now.flags()))) } else { Err(()) }
        };
        let changed = mutant!(eeh_mutant = "flags_are_not_atomic", self.update(apply), {
            let now = self.load();
            apply(now).map(|new| self.0.store(new.0, Release)).map(|()| (now, now))
        });
        changed.ok().map(|(old, _)| old.flags())
    }

    /// Turns a free slot into a live one with one reference, that of its existence.
    ///
    /// Only under the lock that owns the free slots; publishes what was written before.
    pub(crate) fn occupy(&self, flags: u16) -> u32 {
        let now = Snapshot(self.0.load(Acquire));
        let new = Snapshot::free(now.generation()).with_flags(flags).with_live();
        self.0.store(new.0 | 1, Release);
        now.generation()
    }

    /// Makes a reaped slot free for its next occupant; false when its generations are used up.
    ///
    /// Only under the lock, when count and live bit are 0: no other thread writes the word then.
    pub(crate) fn retire_occupant(&self, max_generation: u32) -> bool {
        let generation = Snapshot(self.0.load(Acquire)).generation();
        let next = mutant!(
            eeh_mutant = "generations_wrap",
            generation.saturating_add(1),
            generation.wrapping_add(1) & max_generation
        );
        if next > max_generation {
            self.0.store(Snapshot::free(generation).0, Release);
            return false;
        }
        self.0.store(Snapshot::free(next).0, Release);
        true
    }

    /// Replaces the value by `f`'s until nobody came in between, and returns both.
    ///
    /// # Errors
    ///
    /// `f`'s, as soon as it refuses.
    #[inline]
    pub(crate) fn update<R>(
        &self,
        f: impl Fn(Snapshot) -> Result<Snapshot, R>,
    ) -> Result<(Snapshot, Snapshot), R> {
        let mut now = self.load();
        loop {
            let new = f(now)?;
            if new == now {
                return Ok((now, new));
            }
            let order = mutant!(eeh_mutant = "exchange_is_relaxed", Full, Relaxed);
            match self.0.cmpxchg(now.0, new.0, order) {
                Ok(_) => return Ok((now, new)),
                // What a failed exchange met is ordered with nothing.
                Err(_) => now = self.load(),
            }
        }
    }
}

#[inline]
const fn u64_of(value: u32) -> u64 {
    let [a, b, c, d] = value.to_be_bytes();
    u64::from_be_bytes([0, 0, 0, 0, a, b, c, d])
}

#[inline]
fn low_bits(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
