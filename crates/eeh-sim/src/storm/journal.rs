// SPDX-License-Identifier: GPL-2.0-or-later
//! What EEH told during a storm, and which PHBs there were: the ledger is drawn up from it, and from
//! what the hardware remembers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use eeh_pe::{PeNumber, Time, TreeId};
use eeh_recovery::{Event, FirmwareEvent, FreezeState, Outcome, Progress, QueueEvent, Step, Subject, What};
use test_utils::hw::Phb;
use test_utils::linux::SimLinux;

/// What can freeze.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Unit {
    /// A PHB as a whole.
    Phb,
    /// One PE.
    Pe(u32),
}

impl core::fmt::Display for Unit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Phb => f.write_str("the PHB"),
            Self::Pe(number) => write!(f, "PE {number:x}"),
        }
    }
}

/// Something that EEH told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// A detector found a freeze and reported it.
    Detected(Unit),
    /// A report was taken that needs no recovery of its own.
    Taken(u32),
    /// A report was taken whose PE is gone.
    Stale(Unit),
    /// The recovery of this number began.
    Began(u64, Unit),
    /// It ended.
    Ended(u64, Outcome),
    /// Something that was asked for began.
    Asked(u64, Unit),
    /// It ended.
    Answered(u64),
    /// Somebody asks for something that stops a PE, or reports it without a freeze.
    Wishes(Unit),
    /// He is answered.
    Wished(Unit),
    /// What a reset has thawed is frozen again for its owner.
    Refrozen(Unit),
    /// The freeze of a PE that nobody has is cleared.
    Unowned(Unit),
    /// All is quiet: what was asked for is over.
    Rests,
}

/// Something that EEH told, and when it arrived here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) at: Time,
    /// Of which tree, where it said so.
    pub(super) tree: Option<TreeId>,
    pub(super) told: Told,
}

/// A PHB from when it was added to when it was removed.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) number: u32,
    pub(super) tree: TreeId,
    pub(super) hardware: Arc<Phb>,
    pub(super) from: Time,
    pub(super) until: Option<Time>,
}

#[derive(Debug, Default)]
struct Content {
    entries: BTreeMap<u32, Vec<Entry>>,
    lives: Vec<Life>,
}

/// Collects.
#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<Content>);

impl Journal {
    fn with<T>(&self, f: impl FnOnce(&mut Content) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Enters what EEH tells, at `at`.
    pub(super) fn listen(&self, at: Time, event: &Event) {
        if let Some(told) = told(event) {
            let tree = event.recovery.map(|recovery| recovery.tree);
            self.with(|c| c.entries.entry(event.phb.0).or_default().push(Entry { at, tree, told }));
        }
    }

    fn enter(&self, at: Time, phb: u32, told: Told) {
        self.with(|c| c.entries.entry(phb).or_default().push(Entry { at, tree: None, told }));
    }

    /// Somebody is about to ask for something that stops a PE, or reports it without a freeze.
    pub(super) fn wishes(&self, at: Time, phb: u32, unit: Unit) {
        self.enter(at, phb, Told::Wishes(unit));
    }

    /// He has been answered.
    pub(super) fn wished(&self, at: Time, phb: u32, unit: Unit) {
        self.enter(at, phb, Told::Wished(unit));
    }

    /// All is quiet.
    pub(super) fn rests(&self, linux: &SimLinux) {
        for phb in linux.phbs() {
            self.enter(linux.now(), phb.number().0, Told::Rests);
        }
    }

    /// Whether anything was asked for on a PHB since then.
    pub(super) fn was_asked(&self, phb: u32, since: Time) -> bool {
        let asked = |entry: &Entry| matches!(entry.told, Told::Asked(..));
        self.with(|c| {
            let entries = c.entries.get(&phb).map(Vec::as_slice).unwrap_or_default();
            entries.iter().rev().take_while(|entry| entry.at >= since).any(asked)
        })
    }

    /// Enters the PHBs that came since `from`: what is told and asked for during their first scan is theirs.
    pub(super) fn begins(&self, linux: &SimLinux, from: Time) {
        for phb in linux.phbs() {
            let (number, tree) = (phb.number().0, phb.tree());
            let Some(hardware) = linux.hardware(number) else { continue };
            self.with(|c| {
                if !c.lives.iter().any(|life| life.tree == tree) {
                    c.lives.push(Life { number, tree, hardware, from, until: None });
                }
            });
        }
    }

    /// A PHB is about to be removed: nothing that happens to it from now on counts.
    pub(super) fn ends(&self, linux: &SimLinux, number: u32) {
        let now = linux.now();
        self.with(|c| {
            let mut lives = c.lives.iter_mut();
            if let Some(life) = lives.find(|life| life.number == number && life.until.is_none()) {
                life.until = Some(now);
            }
        });
    }

    /// The lives of PHBs, each with what was told of it.
    pub(super) fn lives(&self) -> Vec<(Life, Vec<Entry>)> {
        self.with(|c| {
            let lives = c.lives.iter().map(|life| {
                let during = |at: &Time| *at >= life.from && life.until.is_none_or(|until| *at <= until);
                let entries = c.entries.get(&life.number).map(Vec::as_slice).unwrap_or_default();
                let own =
                    |entry: &&Entry| during(&entry.at) && entry.tree.is_none_or(|tree| tree == life.tree);
                let told = |told| Entry { at: life.from, tree: None, told };
                let begun = begun(entries, life.from).into_iter().map(|unit| told(Told::Wishes(unit)));
                let entries = begun.chain(entries.iter().filter(own).copied()).collect();
                (life.clone(), entries)
            });
            lives.collect()
        })
    }
}

/// What was asked for before `at` and is not answered by then: of the PHB that was there before, perhaps, but who
/// asks finds the one that came.
fn begun(entries: &[Entry], at: Time) -> Vec<Unit> {
    let mut begun = Vec::new();
    for entry in entries.iter().take_while(|entry| entry.at < at) {
        if let Told::Wishes(unit) = entry.told {
            begun.push(unit);
        }
        if let Told::Wished(unit) = entry.told
            && let Some(place) = begun.iter().position(|other| *other == unit)
        {
            begun.swap_remove(place);
        }
    }
    begun
}

fn unit(subject: Subject) -> Unit {
    match subject {
        Subject::Phb => Unit::Phb,
        Subject::Pe(PeNumber(number)) | Subject::Device(_, PeNumber(number)) => Unit::Pe(number),
    }
}

fn told(event: &Event) -> Option<Told> {
    match (event.what, event.recovery) {
        (What::Detected(FreezeState::PhbFenced), _) => Some(Told::Detected(Unit::Phb)),
        (What::Detected(_), _) => Some(Told::Detected(unit(event.subject))),
        (What::Queue(QueueEvent::Absorbed { count }), _) => Some(Told::Taken(count)),
        (What::Queue(QueueEvent::Dropped), _) => Some(Told::Taken(1)),
        (What::Queue(QueueEvent::Stale), _) => Some(Told::Stale(unit(event.subject))),
        (What::Progress(Progress::Began), Some(id)) => Some(Told::Began(id.serial, unit(event.subject))),
        (What::Progress(Progress::Ended(outcome)), Some(id)) => Some(Told::Ended(id.serial, outcome)),
        (What::Progress(Progress::Asked(_)), Some(id)) => Some(Told::Asked(id.serial, unit(event.subject))),
        (What::Progress(Progress::Answered(_)), Some(id)) => Some(Told::Answered(id.serial)),
        (What::Step(Step::Refrozen { number }), _) => Some(Told::Refrozen(Unit::Pe(number.0))),
        (What::Firmware(FirmwareEvent::ClearUnknown { number, .. }), _) => {
            Some(Told::Unowned(Unit::Pe(number.0)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_when_a_phb_comes_may_be_that_ones() {
        let entry = |at, told| Entry { at: Time::from_nanos(at), tree: None, told };
        let (one, two) = (Unit::Pe(1), Unit::Pe(2));
        let entries = [
            entry(1, Told::Wishes(one)),
            entry(2, Told::Wishes(two)),
            entry(3, Told::Wished(one)),
            entry(5, Told::Wished(two)),
        ];
        let begun = |at| super::begun(&entries, Time::from_nanos(at));
        assert_eq!(begun(3), [one, two]);
        assert_eq!(begun(4), [two]);
        assert_eq!(begun(6), []);
    }
}
