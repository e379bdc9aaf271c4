// SPDX-License-Identifier: GPL-2.0-or-later
//! Linux's promises to each driver.

use std::collections::BTreeMap;

use eeh_pe::Bdf;

use super::check::{Checker, Verdict};
use super::run::Evidence;
use crate::drivers::Step;

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
}
