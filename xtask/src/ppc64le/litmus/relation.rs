// SPDX-License-Identifier: GPL-2.0-or-later
//! Relations between the few events of a litmus test.

use core::ops::{BitAnd, BitOr};

/// The most events of a test.
pub(super) const MOST: usize = 32;

/// Pairs of events, as a matrix of bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Relation([u32; MOST]);

impl Relation {
    pub(super) const EMPTY: Self = Self([0; MOST]);

    /// The pairs for which `holds`.
    pub(super) fn of(count: usize, holds: impl Fn(usize, usize) -> bool) -> Self {
        let mut all = Self::EMPTY;
        for a in 0..count {
            for b in (0..count).filter(|&b| holds(a, b)) {
                all.0[a] |= 1 << b;
            }
        }
        all
    }

    pub(super) fn has(&self, a: usize, b: usize) -> bool {
        self.0[a] & (1 << b) != 0
    }

    /// The pairs of this for which `holds`.
    pub(super) fn only(&self, holds: impl Fn(usize, usize) -> bool) -> Self {
        Self::of(MOST, |a, b| self.has(a, b) && holds(a, b))
    }

    /// One step of this, then one of `next`.
    pub(super) fn then(&self, next: &Self) -> Self {
        let mut all = Self::EMPTY;
        for a in 0..MOST {
            for b in (0..MOST).filter(|&b| self.has(a, b)) {
                all.0[a] |= next.0[b];
            }
        }
        all
    }

    /// One step or more.
    pub(super) fn plus(&self) -> Self {
        let mut all = *self;
        loop {
            let more = all | all.then(&all);
            if more == all {
                return all;
            }
            all = more;
        }
    }

    /// Any number of steps, none too.
    pub(super) fn star(&self) -> Self {
        self.plus() | Self::of(MOST, |a, b| a == b)
    }

    pub(super) fn is_irreflexive(&self) -> bool {
        (0..MOST).all(|a| !self.has(a, a))
    }

    pub(super) fn is_acyclic(&self) -> bool {
        self.plus().is_irreflexive()
    }
}

impl BitOr for Relation {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(core::array::from_fn(|a| self.0[a] | other.0[a]))
    }
}

impl BitAnd for Relation {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(core::array::from_fn(|a| self.0[a] & other.0[a]))
    }
}
