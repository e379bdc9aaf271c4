// SPDX-License-Identifier: GPL-2.0-or-later
//! Linux's promises to drivers, and what is told of freezes.

use std::collections::BTreeMap;
use std::sync::Arc;

use eeh_pe::Bdf;
use eeh_recovery::{FirmwareEvent, FreezeState, Subject, What};

use super::check::{Checker, Verdict};
use super::run::Evidence;
use crate::drivers::Step;
use crate::hw::{Happened, Phb};

/// What a driver was told of its device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    /// Nothing bad.
    Fine,
    /// `error_detected`
    Error,
    /// `slot_reset`
    Reset,
    /// A permanent failure.
    Failure,
    /// It has left the device.
    Left,
}

/// What it knows after another call; `None` when that must not be.
const fn after(told: Told, step: Step) -> Option<Told> {
    match (told, step) {
        (_, Step::Probe) => Some(Told::Fine),
        (Told::Left, _) => None,
        (_, Step::Remove) => Some(Told::Left),
        (Told::Failure, _) => None,
        (_, Step::ErrorDetected) => Some(Told::Error),
        (_, Step::Failure) => Some(Told::Failure),
        (Told::Error, Step::MmioEnabled) => Some(Told::Error),
        (Told::Error, Step::SlotReset) => Some(Told::Reset),
        (Told::Error | Told::Reset, Step::Resume) => Some(Told::Fine),
        (Told::Fine, Step::MmioEnabled | Step::SlotReset | Step::Resume) => None,
        (Told::Reset, Step::MmioEnabled | Step::SlotReset) => None,
    }
}

pub(super) fn check(evidence: &Evidence<'_>, verdict: &mut Verdict) {
    let mut all: BTreeMap<(u32, Bdf), Told> = BTreeMap::new();
    for call in &evidence.calls {
        let at = (call.phb, call.bdf);
        verdict.expect(Checker::Removed, !call.gone || !call.step.is_error_handler(), || {
            format!("{:04x}:{} is gone, and its driver's {} is called", call.phb, call.bdf, call.step)
        });
        let told = all.get(&at).copied().unwrap_or(Told::Fine);
        let next = after(told, call.step);
        verdict.expect(Checker::Order, next.is_some(), || {
            format!("{:04x}:{}: {} after {told:?}", call.phb, call.bdf, call.step)
        });
        all.insert(at, next.unwrap_or(Told::Fine));
    }
    once(evidence, verdict);
}

/// How often each PE of a PHB froze (`None`: the PHB was fenced), by what its hardware remembers.
fn freezes(all: &[Arc<Phb>]) -> BTreeMap<(u32, Option<u32>), usize> {
    let mut found = BTreeMap::new();
    for phb in all {
        for change in phb.history() {
            let what = match change.what {
                Happened::Froze(pe) => Some(pe),
                Happened::Fenced => None,
                Happened::Thawed(_) | Happened::Unfenced | Happened::Died => continue,
            };
            *found.entry((phb.number(), what)).or_default() += 1;
        }
    }
    found
}

/// No more reports of a PE than freezes. One that went away unrecovered is told of again by the one
/// that comes in its place.
fn once(evidence: &Evidence<'_>, verdict: &mut Verdict) {
    let freezes = freezes(&evidence.hardware());
    let mut reports: BTreeMap<(u32, Option<u32>), usize> = BTreeMap::new();
    for (_, event) in &evidence.run.events {
        let fence = match event.what {
            What::Detected(state) => state == FreezeState::PhbFenced,
            What::Firmware(FirmwareEvent::Frozen { .. }) => false,
            What::Firmware(FirmwareEvent::Fenced(_)) => true,
            What::Firmware(_)
            | What::Queue(_)
            | What::Progress(_)
            | What::Step(_)
            | What::Reset(_)
            | What::Device(_) => continue,
        };
        let pe = match event.subject {
            Subject::Phb => None,
            Subject::Pe(pe) | Subject::Device(_, pe) => Some(pe.0),
        };
        *reports.entry((event.phb.0, pe.filter(|_| !fence))).or_default() += 1;
    }
    // A partition's PEs are stopped with the PHB, and with the fabric above them.
    let partition = evidence.linux.rtas().is_some();
    for ((phb, pe), count) in reports {
        let mine = |(key, _): &(&(u32, Option<u32>), &usize)| {
            if partition { key.0 == phb } else { **key == (phb, pe) }
        };
        let froze: usize = freezes.iter().filter(mine).map(|(_, count)| *count).sum();
        let came = evidence.calls.iter().filter(|c| c.phb == phb && c.step == Step::Probe).count();
        verdict.expect(Checker::Once, count <= froze + came, || {
            format!("PHB {phb:x} PE {pe:x?} froze {froze} times and was reported {count} times")
        });
    }
}
