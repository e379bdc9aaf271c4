// SPDX-License-Identifier: GPL-2.0-or-later
//! Each freeze of the hardware against what EEH made of it: none lost, none recovered twice.
//!
//! Drawn up afterwards from two records with one clock, that of the hardware ([`Change`]) and that of
//! what EEH told ([`Entry`]). It knows nothing of the code under test but its announcements.

use std::collections::BTreeMap;

use eeh_pe::Time;
use eeh_recovery::Outcome;
use test_utils::hw::{Change, Happened, Phb};
use test_utils::topology::PhbSpec;

use super::journal::{Entry, Told, Unit};

/// Which PEs are below which.
#[derive(Debug, Default)]
pub(super) struct Cover {
    parent: BTreeMap<u32, u32>,
}

impl Cover {
    /// As the machine is built. The PEs of virtual functions are below those of their physical functions.
    pub(super) fn of(spec: &PhbSpec, hardware: &Phb) -> Self {
        let mut parent = BTreeMap::new();
        for function in &spec.functions {
            let above = spec.parent_of(function.bdf).and_then(|bridge| bridge.pe);
            if let (Some(pe), Some(above)) = (function.pe, above)
                && pe != above
            {
                parent.entry(pe).or_insert(above);
            }
        }
        for vf in hardware.homes().into_iter().filter(|bdf| spec.function(*bdf).is_none()) {
            let above = spec.physical_function(vf).and_then(|function| function.pe);
            if let (Some(pe), Some(above)) = (hardware.pe_of(vf), above) {
                parent.entry(pe).or_insert(above);
            }
        }
        Self { parent }
    }

    /// The PE above, if it is not the PHB's own.
    pub(super) fn parent(&self, pe: u32) -> Option<u32> {
        self.parent.get(&pe).copied()
    }

    /// Whether a recovery of `unit` covers a freeze of `other`.
    fn covers(&self, unit: Unit, other: Unit) -> bool {
        match (unit, other) {
            (Unit::Phb, _) => true,
            (Unit::Pe(_), Unit::Phb) => false,
            (Unit::Pe(pe), Unit::Pe(other)) => {
                let mut above = core::iter::successors(Some(other), |&at| self.parent(at));
                // No PE has more PEs above it than there are buses.
                above.by_ref().take(256).any(|at| at == pe)
            }
        }
    }
}

/// One freeze.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Epoch {
    unit: Unit,
    opened: Time,
    closed: Option<Time>,
    /// How often a detector has reported it.
    detected: u32,
    /// A recovery was begun for it, or it was dealt with in one.
    claimed: bool,
}

/// A recovery that may begin without a freeze: of something that was asked for, that the host has stopped for an
/// owner, or that was thawed on request after it had been reported.
#[derive(Clone, Copy, Debug)]
struct Licence {
    unit: Unit,
    /// A recovery has begun that did not need it.
    passed: bool,
}

/// What became of a PHB's freezes.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    /// How many there were.
    pub(super) freezes: u64,
    /// Recoveries by their end.
    pub(super) recovered: u64,
    pub(super) failed: u64,
    pub(super) gone: u64,
    pub(super) fenced: u64,
    /// Reports that became part of another recovery, or were of PEs that had gone.
    pub(super) taken: u64,
    /// Freezes that nobody had a PE for.
    pub(super) unowned: u64,
    /// What is wrong.
    pub(super) wrong: Vec<String>,
}

/// How a PHB stands at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// It is there, and quiet.
    Quiet,
    /// It was removed, or has died.
    Gone,
}

/// How much of what came before is shown with what is wrong.
const TRAIL: usize = 12;

struct Audit<'a> {
    cover: &'a Cover,
    epochs: Vec<Epoch>,
    running: Option<(u64, Unit, Time)>,
    /// The PHB has just been reset as a whole.
    resets: bool,
    /// What runs was asked for, and is no recovery.
    asked: bool,
    /// What is asked for at this moment, and may be reported without a freeze.
    wishes: Vec<Unit>,
    licences: Vec<Licence>,
    /// The PEs that nobody had, and whose freezes may be cleared.
    unowned: Vec<Unit>,
    dead: bool,
    account: Account,
    /// All of it so far, to be shown with what is wrong.
    trail: Vec<String>,
}

/// Draws up the account of one PHB's life.
pub(super) fn audit(cover: &Cover, changes: &[Change], entries: &[Entry], end: End) -> Account {
    let mut audit = Audit {
        cover,
        epochs: Vec::new(),
        running: None,
        resets: false,
        asked: false,
        wishes: Vec::new(),
        licences: Vec::new(),
        unowned: Vec::new(),
        dead: false,
        account: Account::default(),
        trail: Vec::new(),
    };
    let mut changes = changes.iter().peekable();
    for entry in entries {
        while let Some(change) = changes.next_if(|change| change.at <= entry.at) {
            audit.trail.push(format!("{} hardware: {:x?}", show(change.at), change.what));
            audit.change(change);
        }
        audit.trail.push(format!("{} EEH: {:x?}", show(entry.at), entry.told));
        audit.entry(entry);
    }
    changes.for_each(|change| audit.change(change));
    audit.close(end)
}

impl Audit<'_> {
    fn change(&mut self, change: &Change) {
        self.resets = match change.what {
            Happened::Reset => true,
            Happened::Thawed(_) | Happened::Unfenced => self.resets,
            Happened::Froze(_)
            | Happened::FrozeAgain(_)
            | Happened::Fenced
            | Happened::Died
            | Happened::Went(_) => false,
        };
        match change.what {
            Happened::Froze(pe) => self.open(Unit::Pe(pe), change.at),
            Happened::Fenced => self.open(Unit::Phb, change.at),
            Happened::Thawed(pe) => self.shut(Unit::Pe(pe), change.at),
            Happened::Unfenced => self.shut(Unit::Phb, change.at),
            Happened::FrozeAgain(_) | Happened::Went(_) | Happened::Reset => {}
            Happened::Died => {
                self.dead = true;
                self.open(Unit::Phb, change.at);
            }
        }
    }

    fn open(&mut self, unit: Unit, opened: Time) {
        self.account.freezes += 1;
        self.epochs.push(Epoch { unit, opened, closed: None, detected: 0, claimed: false });
    }

    fn shut(&mut self, unit: Unit, at: Time) {
        let mut open = self.epochs.iter_mut().rev().filter(|epoch| epoch.closed.is_none());
        let Some(epoch) = open.find(|epoch| epoch.unit == unit) else { return };
        epoch.closed = Some(at);
        if self.asked && self.running.is_some() {
            // A detector may have seen it before.
            self.licences.push(Licence { unit, passed: false });
        }
        let cover = self.cover;
        // Resetting the root port, or the bus below it, is a reset of the PHB where that is fenced or the link does
        // not come up.
        let top = |pe| cover.parent(pe).and_then(|above| cover.parent(above)).is_none();
        let resets = self.resets;
        let whole = |running| (unit == Unit::Phb || resets) && matches!(running, Unit::Pe(pe) if top(pe));
        let covered =
            self.running.is_some_and(|(_, running, _)| cover.covers(running, unit) || whole(running));
        if covered {
            return;
        }
        if let Some(place) = self.unowned.iter().position(|unowned| *unowned == unit) {
            self.unowned.swap_remove(place);
            // A PE that was inserted meanwhile may have been reported: its recovery finds it healthy.
            epoch.claimed = epoch.detected == 0;
            self.account.unowned += 1;
        } else {
            self.wrong(format_args!("{unit} was thawed at {} outside of any recovery of it", show(at)));
        }
    }

    fn entry(&mut self, entry: &Entry) {
        match entry.told {
            Told::Detected(unit) => {
                let epoch = self.epochs.iter_mut().rev().find(|epoch| epoch.unit == unit);
                if let Some(epoch) = epoch {
                    epoch.detected += 1;
                }
            }
            Told::Taken(count) => {
                self.account.taken += u64::from(count);
            }
            Told::Unowned(unit) => self.unowned.push(unit),
            Told::Stale(unit) => {
                self.account.taken += 1;
                self.unowned.push(unit);
            }
            Told::Began(id, unit) => self.begin(id, unit, entry.at),
            Told::Ended(id, outcome) => self.end(id, outcome),
            Told::Asked(id, unit) => {
                self.run(id, unit, entry.at);
                self.asked = true;
            }
            Told::Answered(id) => {
                let answered = self.running.take().is_some_and(|(running, ..)| running == id);
                if !answered {
                    self.wrong(format_args!("request {id} was answered, but was not running"));
                }
            }
            Told::Wishes(unit) => self.wishes.push(unit),
            Told::Wished(unit) => self.wished(unit),
            Told::Rests => self.licences.clear(),
            Told::Refrozen(unit) => self.licences.push(Licence { unit, passed: false }),
        }
    }

    /// A recovery or a request runs from now on.
    fn run(&mut self, id: u64, unit: Unit, at: Time) {
        if let Some((other, ..)) = self.running {
            self.wrong(format_args!("recovery {} began before {} ended", id, other));
        }
        self.running = Some((id, unit, at));
        self.asked = false;
    }

    /// A wish was answered that stops a PE, or reports it as it is.
    fn wished(&mut self, unit: Unit) {
        if let Some(place) = self.wishes.iter().position(|wish| *wish == unit) {
            self.wishes.swap_remove(place);
        }
        self.licences.push(Licence { unit, passed: false });
    }

    /// Whether a recovery of `unit` may begin without a freeze. That it begins is told some time after it has
    /// begun: what was asked for in between is for the next.
    fn is_licensed(&mut self, unit: Unit, needed: bool) -> bool {
        let cover = self.cover;
        let covers = |other: Unit| cover.covers(unit, other) || cover.covers(other, unit);
        let wished = self.wishes.iter().any(|wish| covers(*wish));
        let place = self.licences.iter().position(|licence| covers(licence.unit));
        let mut place = place.filter(|_| needed && !wished);
        let found = place.is_some();
        let mut nth = 0;
        self.licences.retain_mut(|licence| {
            let used = place.take_if(|place| *place == nth).is_some();
            nth += 1;
            let over = covers(licence.unit) && core::mem::replace(&mut licence.passed, true);
            !used && !over
        });
        found || wished
    }

    fn begin(&mut self, id: u64, unit: Unit, at: Time) {
        self.run(id, unit, at);
        let cover = self.cover;
        let mut claims = 0;
        let mine = self.epochs.iter_mut().filter(|epoch| !epoch.claimed && cover.covers(unit, epoch.unit));
        for epoch in mine.filter(|epoch| epoch.closed.is_none() || epoch.detected > 0) {
            epoch.claimed = true;
            claims += 1;
        }
        if self.is_licensed(unit, claims == 0) || claims > 0 || self.dead {
            return;
        }
        self.wrong(format_args!(
            "recovery {id} of {unit} began at {} though all its freezes had been recovered: one was reported \
             twice",
            show(at)
        ));
    }

    fn end(&mut self, id: u64, outcome: Outcome) {
        let Some((_, unit, began)) = self.running.take().filter(|(running, ..)| *running == id) else {
            return self.wrong(format_args!("recovery {} ended, but was not running", id));
        };
        let counter = match outcome {
            Outcome::Recovered => &mut self.account.recovered,
            Outcome::Failed => &mut self.account.failed,
            Outcome::Gone => &mut self.account.gone,
            Outcome::Fenced => &mut self.account.fenced,
            // Its PHB has gone: nothing of it counts any more.
            Outcome::Cancelled => return,
        };
        *counter += 1;
        // What froze and thawed within it, and nobody reported.
        let cover = self.cover;
        let within = |epoch: &&mut Epoch| {
            cover.covers(unit, epoch.unit)
                && epoch.opened >= began
                && epoch.closed.is_some()
                && epoch.detected == 0
        };
        self.epochs.iter_mut().filter(within).for_each(|epoch| epoch.claimed = true);
        // What it did not get to, because the PE had gone or a fence came: whoever comes next may.
        let open = |epoch: &&mut Epoch| cover.covers(unit, epoch.unit) && epoch.closed.is_none();
        self.epochs.iter_mut().filter(open).for_each(|epoch| epoch.claimed = false);
    }

    fn close(mut self, end: End) -> Account {
        if end == End::Gone || self.dead {
            return self.account;
        }
        let open: Vec<_> = self.epochs.iter().filter(|epoch| epoch.closed.is_none()).copied().collect();
        for epoch in open {
            self.wrong(format_args!("the freeze of {} at {} was lost", epoch.unit, show(epoch.opened)));
        }
        if let Some((id, unit, at)) = self.running {
            self.wrong(format_args!("recovery {} of {unit}, begun at {}, never ended", id, show(at)));
        }
        self.account
    }

    fn wrong(&mut self, what: core::fmt::Arguments<'_>) {
        let mut text = what.to_string();
        let from = self.trail.len().saturating_sub(TRAIL);
        for line in self.trail.iter().skip(from) {
            text += "\n      ";
            text += line;
        }
        self.account.wrong.push(text);
    }
}

fn show(at: Time) -> String {
    format!("{:.3} s", at.as_nanos() as f64 / 1e9)
}

#[cfg(test)]
mod tests;
