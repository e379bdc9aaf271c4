// SPDX-License-Identifier: GPL-2.0-or-later
//! What must be there and work in the end.

use std::collections::BTreeSet;

use eeh_pe::{Bdf, Time, TreeId};
use eeh_recovery::{ChannelState, Outcome, RecoveryId, Step, What};

use super::check::{Checker, Verdict};
use super::run::Evidence;
use crate::hw::{Change, Happened};

pub(super) fn check(evidence: &Evidence<'_>, verdict: &mut Verdict) {
    let plan = evidence.plan;
    reasons(evidence, verdict);
    // Linux's own exception: whoever removes a device whose driver is stuck holds the lock of hotplug.
    if evidence.hotplug_stuck && plan.has_stuck_drivers() {
        return;
    }
    let wild: BTreeSet<u32> = plan.wild.iter().map(|at| at.phb).collect();
    for (at, _) in plan.spec.functions().filter(|(at, _)| !wild.contains(&at.phb)) {
        works(evidence, at.phb, at.bdf, verdict);
    }
}

fn works(evidence: &Evidence<'_>, phb: u32, bdf: Bdf, verdict: &mut Verdict) {
    let works = evidence.linux.works(phb, bdf);
    verdict.expect(Checker::Works, works.is_ok(), || {
        format!("{phb:04x}:{bdf}: {}", works.err().map(|e| e.to_string()).unwrap_or_default())
    });
    if let Ok(device) = evidence.linux.device(phb, bdf) {
        let state = device.channel_state();
        verdict.expect(Checker::Works, state == ChannelState::Normal, || {
            format!("{phb:04x}:{bdf}: its channel is {state:?}")
        });
    }
}

/// Whether it makes a recovery fail that it happens to.
const fn hinders(what: Happened) -> bool {
    match what {
        Happened::Froze(_)
        | Happened::FrozeAgain(_)
        | Happened::Fenced
        | Happened::Died
        | Happened::Went(_) => true,
        Happened::Thawed(_) | Happened::Unfenced | Happened::Reset => false,
    }
}

/// On a machine whose drivers all behave, only the budget gives a device up, or what happens to it while it
/// is recovered: another freeze, somebody who stops a PE on purpose, a function that goes.
fn reasons(evidence: &Evidence<'_>, verdict: &mut Verdict) {
    if !evidence.plan.gentle {
        return;
    }
    let over: BTreeSet<RecoveryId> = evidence
        .run
        .events
        .iter()
        // Nor can anything be done for a card that is pulled out, as the lost ones are in the end.
        .filter(|(_, e)| matches!(e.what, What::Step(Step::TooManyFailures { .. } | Step::Empty)))
        .filter_map(|(_, e)| e.recovery)
        .collect();
    let there = |tree: TreeId| evidence.linux.phb_of(tree).is_some();
    // Of a PHB that is taken away, cards are missing.
    for recovery in evidence.run.recoveries.iter().filter(|recovery| there(recovery.id.tree)) {
        let failed = recovery.ended.is_some_and(|(_, outcome)| outcome == Outcome::Failed);
        let until = recovery.ended.map_or(Time::NEVER, |(at, _)| at);
        let again = || {
            let stopped = evidence.hardware().iter().filter(|phb| phb.number() == recovery.phb).any(|phb| {
                let within = |c: &&Change| c.at > recovery.began && c.at <= until;
                phb.history().iter().filter(within).any(|change| hinders(change.what))
            });
            stopped || evidence.account.stops_within(recovery.phb, recovery.began, until)
        };
        verdict.expect(Checker::Reason, !failed || over.contains(&recovery.id) || again(), || {
            format!("PHB {:x} PE {:?} is given up for no reason", recovery.phb, recovery.pe)
        });
    }
}
