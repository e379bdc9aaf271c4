// SPDX-License-Identifier: GPL-2.0-or-later
//! Each freeze is reported once, by what the hardware remembers.

use std::collections::{BTreeMap, BTreeSet};

use eeh_pe::{Bdf, PeNumber, Time};
use eeh_recovery::{Event, FirmwareEvent, FreezeState, Subject, What};

use super::check::{Checker, Verdict};
use super::run::Evidence;
use crate::hw::Happened;

/// What is reported: a PE by EEH's number, or the PHB.
type Unit = (u32, Option<u32>);

/// What stops a unit: these PEs of the hardware; and the PHB in any case.
#[derive(Debug, Default)]
struct Causes {
    /// Of each PE by EEH's number, the hardware's PEs whose error stops it.
    pes: BTreeMap<(u32, u32), BTreeSet<u32>>,
    /// The functions in it.
    members: BTreeMap<(u32, u32), BTreeSet<Bdf>>,
    partition: bool,
}

impl Causes {
    fn of(evidence: &Evidence<'_>) -> Self {
        let rtas = evidence.linux.rtas();
        let mut causes = Self { partition: rtas.is_some(), ..Self::default() };
        for phb in evidence.hardware() {
            for bdf in phb.homes() {
                let Some(pe) = phb.pe_of(bdf) else { continue };
                let vf = evidence.plan.physical_function(phb.number(), bdf).is_some();
                let number = match rtas {
                    None => Some(pe),
                    Some(_) if vf => Some(eeh_pseries::pe_of_vf(bdf).0),
                    Some(rtas) => rtas.honest().pe_number(phb.number(), bdf),
                };
                let Some(number) = number else { continue };
                let key = (phb.number(), number);
                causes.members.entry(key).or_default().insert(bdf);
                let all = causes.pes.entry(key).or_default();
                all.insert(pe);
                if rtas.is_some() {
                    // An error in a bridge stops everything behind it.
                    let bridges = phb.homes().into_iter().filter(|b| phb.is_bridge(*b));
                    let above = bridges.filter(|b| phb.homes_behind(*b).contains(&bdf));
                    all.extend(above.filter_map(|b| phb.pe_of(b)));
                }
            }
        }
        causes
    }

    fn stops(&self, unit: Unit, what: Happened) -> bool {
        match (unit, what) {
            (_, Happened::Fenced | Happened::Died) => true,
            ((phb, Some(number)), Happened::Froze(pe) | Happened::FrozeAgain(pe)) => {
                match self.pes.get(&(phb, number)) {
                    Some(pes) => pes.contains(&pe),
                    // Of a partition's PHB that is gone, nobody tells the numbers.
                    None => self.partition || number == pe,
                }
            }
            ((_, None), Happened::Froze(_) | Happened::FrozeAgain(_))
            | (_, Happened::Thawed(_) | Happened::Unfenced | Happened::Reset | Happened::Went(_)) => false,
        }
    }
}

/// What an event reports, if it is a report.
fn reported(event: &Event) -> Option<Unit> {
    let phb = event.phb.0;
    let pe = match event.subject {
        Subject::Phb => None,
        Subject::Pe(PeNumber(pe)) | Subject::Device(_, PeNumber(pe)) => Some(pe),
    };
    match event.what {
        What::Detected(FreezeState::PhbFenced) | What::Firmware(FirmwareEvent::Fenced(_)) => {
            Some((phb, None))
        }
        What::Detected(_) | What::Firmware(FirmwareEvent::Frozen { .. }) => Some((phb, pe)),
        What::Firmware(_)
        | What::Queue(_)
        | What::Progress(_)
        | What::Step(_)
        | What::Reset(_)
        | What::Device(_) => None,
    }
}

/// No freeze is reported twice, unless what was frozen went away unrecovered: then it is told of again
/// by what comes in its place. And nothing is reported that did not freeze.
pub(super) fn check(evidence: &Evidence<'_>, verdict: &mut Verdict) {
    let causes = Causes::of(evidence);
    let histories: Vec<(u32, Vec<crate::hw::Change>)> =
        evidence.hardware().iter().map(|phb| (phb.number(), phb.history())).collect();
    // When what stopped a unit, up to a moment.
    let stopped = |unit: Unit, at: Time| -> Vec<Time> {
        let mine = histories.iter().filter(|(number, _)| *number == unit.0).flat_map(|(_, history)| history);
        let froze = mine.filter(|change| causes.stops(unit, change.what)).map(|change| change.at);
        let asked = unit.1.into_iter().flat_map(|pe| evidence.account.stopped(unit.0, pe));
        froze.chain(asked).filter(|moment| *moment <= at).collect()
    };
    let mut reports: BTreeMap<(Unit, Time), Vec<Time>> = BTreeMap::new();
    for (at, event) in &evidence.run.events {
        let Some(unit) = reported(event) else { continue };
        match stopped(unit, *at).into_iter().max() {
            Some(froze) => reports.entry((unit, froze)).or_default().push(*at),
            None => verdict.add(
                Checker::Once,
                format!("PHB {:x} PE {:x?} is reported at {at:?}, and never froze", unit.0, unit.1),
            ),
        }
    }
    // What somebody stops within a span is reported once within it.
    let mut spans: BTreeMap<Unit, Vec<(Time, Time)>> = BTreeMap::new();
    let mut is_asked_for = |unit: Unit, at: Time| {
        let of_unit = || unit.1.into_iter().flat_map(|pe| evidence.account.spans(unit.0, pe)).collect();
        let left = spans.entry(unit).or_insert_with(of_unit);
        let found = left.iter().position(|(from, to)| *from <= at && at <= *to);
        found.map(|nth| left.swap_remove(nth)).is_some()
    };
    for (&(unit, froze), times) in &reports {
        // It may freeze twice at one moment; and what froze before may be reported at that moment too.
        let all = stopped(unit, froze);
        let before = all.iter().copied().filter(|at| *at < froze).max();
        let told = before.is_some_and(|before| reports.contains_key(&(unit, before)));
        let often = all.iter().filter(|at| **at == froze).count() + usize::from(before.is_some() && !told);
        let mut earlier: Option<Time> = None;
        for (nth, &at) in times.iter().enumerate() {
            let excused = nth < often
                || earlier.is_none_or(|earlier| came(evidence, &causes, unit, earlier, at))
                || is_asked_for(unit, at);
            verdict.expect(Checker::Once, excused, || {
                format!(
                    "PHB {:x} PE {:x?} froze at {froze:?} and is reported again at {at:?}",
                    unit.0, unit.1
                )
            });
            earlier = Some(at);
        }
    }
}

/// Whether EEH got to know a device of the unit in between.
fn came(evidence: &Evidence<'_>, causes: &Causes, unit: Unit, from: Time, to: Time) -> bool {
    let members = unit.1.and_then(|number| causes.members.get(&(unit.0, number)));
    evidence.came.iter().any(|moment| {
        let within = moment.phb == unit.0 && moment.at >= from && moment.at <= to;
        within && (unit.1.is_none() || members.is_some_and(|members| members.contains(&moment.bdf)))
    })
}
