// SPDX-License-Identifier: GPL-2.0-or-later
//! Who judges, and what they find.

use core::fmt;

use super::canary::Canary;

/// A judge.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Checker {
    /// Everything comes to rest, and every recovery that began has ended.
    Liveness,
    /// No task waits for ever where no driver hangs.
    Deadlock,
    /// No PE and no device keeps a mark of a recovery.
    Marks,
    /// No PE is frozen and no PHB fenced that nobody recovers.
    Frozen,
    /// Every reset that was asserted is released.
    Resets,
    /// Nothing that was removed is still held.
    Orphans,
    /// Each live function has its device and its PE, and that has the right parent.
    Tree,
    /// Every register address leads to its device.
    Addresses,
    /// Interrupts are enabled as often as disabled.
    Interrupts,
    /// Drivers are called in Linux's order.
    Order,
    /// No driver is called for a device that was removed.
    Removed,
    /// A freeze is reported once, and nothing that did not freeze.
    Once,
    /// Each round of calls reaches every driver concerned, once, in Linux's order, and nobody else.
    Told,
    /// Who is told of a reset finds a device that was reset.
    Real,
    /// Devices are open as often as they were opened, and what is frozen stays so for its owner.
    Owners,
    /// Virtual functions that are switched on are there, and no others; one that failed for good is gone.
    Vfs,
    /// A PE has a reference for each device and PE right below, and one of its own; a device one.
    Ledger,
    /// Nothing but links under a tree's lock, no error handler under that of hotplug.
    Locks,
    /// The framework loads and stores nothing to a stopped PE.
    Mmio,
    /// No recovery gives a device up without a reason.
    Reason,
    /// Everything that is not lost for good works in the end.
    Works,
    /// The same seed, the same run.
    Determinism,
}

impl Checker {
    /// A bug that this one must see. No wildcard: a new checker does not compile without its canary, and
    /// what is planted is checked against what this says.
    #[must_use]
    pub const fn canary(self) -> Canary {
        match self {
            Self::Liveness => Canary::NeverAtRest,
            Self::Deadlock => Canary::Hang,
            Self::Marks => Canary::Mark,
            Self::Frozen => Canary::Freeze,
            Self::Resets => Canary::Reset,
            Self::Orphans => Canary::Hold,
            Self::Tree => Canary::Forget,
            Self::Addresses => Canary::Addresses,
            Self::Interrupts => Canary::Interrupt,
            Self::Order => Canary::Again,
            Self::Removed => Canary::TooLate,
            Self::Once => Canary::Twice,
            Self::Told => Canary::Silence,
            Self::Real => Canary::NotReset,
            Self::Owners => Canary::Opened,
            Self::Vfs => Canary::FailedVf,
            Self::Ledger => Canary::Reference,
            Self::Locks => Canary::UnderTree,
            Self::Mmio => Canary::Touch,
            Self::Reason => Canary::GivesUp,
            Self::Works => Canary::Amnesia,
            Self::Determinism => Canary::Chance,
        }
    }
}

/// What a checker found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Who.
    pub checker: Checker,
    /// What.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.checker, self.text)
    }
}

/// What all checkers together found.
#[derive(Debug, Default)]
pub(super) struct Verdict(pub(super) Vec<Violation>);

impl Verdict {
    pub(super) fn add(&mut self, checker: Checker, text: String) {
        self.0.push(Violation { checker, text });
    }

    /// Notes a violation unless `holds`.
    pub(super) fn expect(&mut self, checker: Checker, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.add(checker, text());
        }
    }
}
