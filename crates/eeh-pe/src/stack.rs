// SPDX-License-Identifier: GPL-2.0-or-later
//! A lock-free stack of slots, linked by index: anyone pushes one, one taker takes all.
//!
//! Taking all leaves no slot behind whose link could change meaning, so there is no ABA. The
//! caller guarantees that a slot is on one such stack at most once: for reaping because only one
//! put is the last, for the pending queue because only one detector sets the bit.

use crate::mutant::mutant;
use crate::sync::{AtomicU32, Full, Relaxed};

/// No slot; anything else is an index plus one.
const END: u32 = 0;

/// A link to the next slot of a chain.
pub(crate) struct Link(AtomicU32);

impl Link {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(END))
    }

    /// The slot after this one. Only the owner of the chain asks.
    pub(crate) fn next(&self) -> Option<u16> {
        index(self.0.load(Relaxed))
    }

    /// Puts `next` after this one. Only the owner of the chain does.
    pub(crate) fn set_next(&self, next: Option<u16>) {
        self.0.store(code(next), Relaxed);
    }
}

/// The stack's head.
pub(crate) struct Stack(AtomicU32);

impl Stack {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(END))
    }

    /// Pushes the slot `index`, whose link is `link`.
    ///
    /// # Context
    ///
    /// Any.
    pub(crate) fn push(&self, index: u16, link: &Link) {
        loop {
            let head = self.0.load(Relaxed);
            if !cfg!(eeh_mutant = "push_links_late") {
                link.0.store(head, Relaxed);
            }
            // Full: the taker sees the link and all that was written before the push.
            let order = mutant!(eeh_mutant = "push_is_relaxed", Full, Relaxed);
            if self.0.cmpxchg(head, code(Some(index)), order).is_ok() {
                if cfg!(eeh_mutant = "push_links_late") {
                    link.0.store(head, Relaxed);
                }
                return;
            }
        }
    }

    /// Takes the whole chain, the slot pushed last first.
    pub(crate) fn take_all(&self) -> Option<u16> {
        if self.0.load(Relaxed) == END {
            return None;
        }
        index(self.0.xchg(END, Full))
    }
}

fn code(index: Option<u16>) -> u32 {
    index.map_or(END, |i| u32::from(i).saturating_add(1))
}

fn index(code: u32) -> Option<u16> {
    code.checked_sub(1).and_then(|i| u16::try_from(i).ok())
}
