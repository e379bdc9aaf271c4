// SPDX-License-Identifier: GPL-2.0-or-later
//! What became of each PE so far.

use core::fmt;

use eeh_pe::{Env, PeNumber, PhbNumber, Registry};

use super::{Address, Seconds};
use crate::history::PeHistory;
use crate::observe::Outcome;

/// A line for each PE that something happened to.
///
/// `next` answers the first entry after a PE: [`crate::History::after`], under the lock that the environment
/// keeps its history in.
pub struct HistoryReport<'r, E: Env, F> {
    /// The trees.
    pub registry: &'r Registry<E>,
    /// The next entry.
    pub next: F,
}

impl<E, F> fmt::Display for HistoryReport<'_, E, F>
where
    E: Env,
    F: Fn(Option<(PhbNumber, Option<PeNumber>)>) -> Option<PeHistory>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        while let Some(entry) = (self.next)(last) {
            last = Some((entry.phb, entry.pe));
            line(f, &entry, self.false_positives(&entry))?;
        }
        Ok(())
    }
}

impl<E: Env, F> HistoryReport<'_, E, F> {
    /// Of the PE that has the number now.
    fn false_positives(&self, entry: &PeHistory) -> u64 {
        let tree = self.registry.find_phb(entry.phb).and_then(|id| self.registry.tree(id));
        let pe = tree.and_then(|tree| tree.lock().find(entry.pe?).map(|pe| pe.id()));
        pe.map_or(0, |pe| self.registry.stats().false_positives(pe))
    }
}

fn line(f: &mut fmt::Formatter<'_>, entry: &PeHistory, false_positives: u64) -> fmt::Result {
    write!(f, "PHB#{}", entry.phb)?;
    if let Some(pe) = entry.pe {
        write!(f, "-PE#{pe}")?;
    }
    write!(f, ": {} freezes", entry.freezes)?;
    if let Some(at) = entry.last_freeze {
        write!(f, ", the last at {}", Seconds(at))?;
    }
    write!(f, ", {false_positives} false positives, {} recoveries", entry.recoveries)?;
    if let Some(outcome) = entry.last_outcome {
        write!(f, ", the last {}", outcome_word(outcome))?;
    }
    if let Some(slowest) = entry.slowest {
        let (took, device) = (slowest.took, Address(entry.phb, slowest.device));
        let how = if slowest.lost { "never came back in" } else { "took" };
        write!(f, ", slowest callback {}->{} of {device} {how} ", slowest.driver, slowest.handler)?;
        write!(f, "{}.{:03} s", took.as_secs(), took.subsec_millis())?;
    }
    writeln!(f)
}

const fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Recovered => "recovered",
        Outcome::Failed => "failed",
        Outcome::Gone => "gone",
        Outcome::Cancelled => "cancelled",
        Outcome::Fenced => "fenced",
    }
}
