// SPDX-License-Identifier: GPL-2.0-or-later
//! What the hardware remembers of its freezes: the measure of whether software has lost one.

use eeh_pe::{Bdf, Time};

use super::phb::{Phb, State};

/// What happened to a PHB or to one of its PEs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Happened {
    /// An error has stopped a PE that was not stopped.
    Froze(u32),
    /// An error has stopped what was let through again of a PE that was stopped still.
    FrozeAgain(u32),
    /// Nothing of a PE is stopped any more.
    Thawed(u32),
    /// An error has fenced the PHB.
    Fenced,
    /// The PHB is reset as a whole: what is stopped thaws with it, next.
    Reset,
    /// The PHB was reset and is open again.
    Unfenced,
    /// The PHB broke for good.
    Died,
    /// A function is not there any more: its card was pulled, or it is a virtual one that was switched off.
    Went(Bdf),
}

/// When what happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// When, never before the change before.
    pub at: Time,
    /// What.
    pub what: Happened,
}

impl Phb {
    /// All that froze, thawed and went since the PHB was added, in order. What firmware stops on purpose is
    /// not in it, only that it goes on.
    #[must_use]
    pub fn history(&self) -> Vec<Change> {
        self.lock().history.clone()
    }
}

impl State {
    /// Notes what has just happened.
    pub(crate) fn note(&mut self, what: Happened) {
        let at = self.clock.now();
        self.history.push(Change { at, what });
    }
}
