// SPDX-License-Identifier: GPL-2.0-or-later
//! Rounds of calls: each driver concerned is called once, nobody else is, and in Linux's order. And who
//! is told of a reset finds a device that was reset.

use std::collections::BTreeMap;

use eeh_pe::Bdf;
use eeh_recovery::{DeviceEvent, Phase, Step as Said, Subject, What};

use super::check::{Checker, Verdict};
use super::run::Evidence;
use crate::drivers::Step;
use crate::engine::{Affected, Round, step_of};
use crate::linux::Call;

pub(super) fn check(evidence: &Evidence<'_>, verdict: &mut Verdict) {
    for round in &evidence.run.rounds {
        if let Some(step) = step_of(round.phase) {
            judge(evidence, round, step, verdict);
        }
    }
    for kept in &evidence.kept {
        verdict.add(
            Checker::Real,
            format!("{:04x}:{} at {:?}: slot_reset, and it was not reset", kept.phb, kept.bdf, kept.at),
        );
    }
}

fn within<T>(all: &[T], (from, to): (usize, usize)) -> &[T] {
    all.get(from..to.min(all.len())).unwrap_or_default()
}

/// Whether the recovery says that it came to the end of the round.
fn is_finished(evidence: &Evidence<'_>, round: &Round) -> bool {
    let mut events = within(&evidence.run.events, round.events).iter();
    events.any(|(_, e)| e.recovery == Some(round.id) && matches!(e.what, What::Step(Said::Finished(..))))
}

/// Whether a device takes part: of those that were told of the error, in this recovery, and have not
/// been bound anew since.
#[expect(clippy::wildcard_enum_match_arm, reason = "the rest ask whether the device was told")]
fn takes_part(evidence: &Evidence<'_>, round: &Round, device: &Affected) -> bool {
    if round.phase == Phase::ReportFrozen {
        return true;
    }
    let mut rounds = evidence.run.rounds.iter();
    let begun = rounds.find(|r| r.id == round.id && r.phase == Phase::ReportFrozen);
    // A failure that is known from the beginning is told to everybody.
    let Some(begun) = begun else { return round.phase == Phase::ReportFailure };
    let before = within(&evidence.calls, (begun.calls.0, round.calls.0));
    let mut mine = before.iter().filter(|c| (c.phb, c.bdf) == (round.phb, device.bdf));
    if round.phase == Phase::ReportFailure {
        return !mine.any(|call| call.step == Step::Probe);
    }
    let told = mine.fold(None, |told, call| match call.step {
        Step::ErrorDetected => Some(false),
        Step::SlotReset => told.map(|_| true),
        Step::Probe | Step::Remove | Step::Resume | Step::Failure => None,
        Step::MmioEnabled => told,
    });
    match round.phase {
        // Once in a recovery.
        Phase::ReportReset => told == Some(false),
        _ => told.is_some(),
    }
}

fn judge(evidence: &Evidence<'_>, round: &Round, step: Step, verdict: &mut Verdict) {
    let calls: Vec<&Call> =
        within(&evidence.calls, round.calls).iter().filter(|call| call.phb == round.phb).collect();
    let mut told: BTreeMap<Bdf, u32> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.step == step) {
        *told.entry(call.bdf).or_default() += 1;
    }
    let before = evidence.calls.get(..round.calls.0).unwrap_or_default();
    let came_or_went = |bdf: Bdf| {
        let mut earlier = before.iter().rev().filter(|call| (call.phb, call.bdf) == (round.phb, bdf));
        // Its driver may be leaving it when the round begins.
        earlier.next().is_some_and(|call| call.step == Step::Remove)
            || calls.iter().any(|call| call.bdf == bdf && matches!(call.step, Step::Probe | Step::Remove))
    };
    // A helper that died before it had called the driver.
    let lost = |bdf: Bdf| {
        let mut events = within(&evidence.run.events, round.events).iter();
        evidence.plan.helpers_die
            && events.any(|(_, e)| {
                e.phb.0 == round.phb
                    && matches!(e.subject, Subject::Device(at, _) if at == bdf)
                    && matches!(e.what, What::Device(DeviceEvent::HelperLost { .. }))
            })
    };
    // Somebody who holds a device's lock may wait for that of hotplug for ever: Linux's own exception.
    let stuck = evidence.hotplug_stuck && evidence.plan.has_stuck_drivers();
    let finished = is_finished(evidence, round) && !stuck;
    let what = || format!("PHB {:x} recovery {} {:?}", round.phb, round.id, round.phase);
    for device in &round.devices {
        let count = told.remove(&device.bdf).unwrap_or(0);
        let due = u32::from(takes_part(evidence, round, device));
        let missing = finished && count < due && !came_or_went(device.bdf) && !lost(device.bdf);
        verdict.expect(Checker::Told, !missing, || format!("{}: {} is not told", what(), device.bdf));
        verdict.expect(Checker::Told, count <= 1, || {
            format!("{}: {} is told {count} times", what(), device.bdf)
        });
    }
    for (bdf, count) in told {
        verdict.expect(Checker::Told, came_or_went(bdf), || {
            format!("{}: {bdf} is told {count} times, and not concerned", what())
        });
    }
    order(round, &calls, step, verdict);
}

/// Linux visits PEs from above, the oldest first: a physical function before its virtual ones, and what
/// has been there since boot as the scan has found it.
fn order(round: &Round, calls: &[&Call], step: Step, verdict: &mut Verdict) {
    let known = |bdf: Bdf| round.devices.iter().find(|device| device.bdf == bdf);
    let order: Vec<&Affected> =
        calls.iter().filter(|call| call.step == step).filter_map(|call| known(call.bdf)).collect();
    for (at, device) in order.iter().enumerate() {
        let before = order.get(..at).unwrap_or_default();
        let late = |other: &&&Affected| {
            other.physfn == Some(device.bdf) || (other.booted && device.booted && other.bdf > device.bdf)
        };
        if let Some(other) = before.iter().find(late) {
            verdict.add(
                Checker::Told,
                format!("PHB {:x} {:?}: {} before {}", round.phb, round.phase, other.bdf, device.bdf),
            );
        }
    }
}
