// SPDX-License-Identifier: GPL-2.0-or-later
//! Rounds of calls of drivers: whom each concerns, as the machine has it when it begins, whatever EEH
//! thinks.

use std::sync::Arc;

use eeh_pe::{Bdf, DeviceFlags, PeFlags, PeType};
use eeh_recovery::{PeTarget, Phase, RecoveryId};

use super::coverage::{Coverage, word, words_of};
use super::run::Engine;
use crate::drivers::Step;
use crate::linux::{SimDevice, SimLinux};

/// A device that a round concerns: its driver has error handlers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Affected {
    /// Where.
    pub bdf: Bdf,
    /// Its physical function.
    pub physfn: Option<Bdf>,
    /// It has been there since boot, so that its place in Linux's order is known.
    pub booted: bool,
}

/// A round of calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Round {
    /// Of which recovery.
    pub id: RecoveryId,
    /// Linux's number of the PHB.
    pub phb: u32,
    /// The phase that makes the calls.
    pub phase: Phase,
    /// Whom it concerns.
    pub devices: Vec<Affected>,
    /// The calls of drivers from its beginning to its end.
    pub calls: (usize, usize),
    /// The same of events.
    pub events: (usize, usize),
}

/// The step of drivers that a phase calls.
#[must_use]
#[expect(clippy::wildcard_enum_match_arm, reason = "no other phase calls drivers")]
pub const fn step_of(phase: Phase) -> Option<Step> {
    match phase {
        Phase::ReportFrozen => Some(Step::ErrorDetected),
        Phase::ReportMmio => Some(Step::MmioEnabled),
        Phase::ReportReset => Some(Step::SlotReset),
        Phase::ReportResume => Some(Step::Resume),
        Phase::ReportFailure => Some(Step::Failure),
        _ => None,
    }
}

/// What was seen last of a worker's recovery.
#[derive(Debug, Default)]
pub(super) struct Seen {
    at: Option<(RecoveryId, Phase)>,
    /// The words of the drivers that its PE had so far.
    words: u16,
    /// The round that is under way, among all.
    round: Option<usize>,
}

impl Engine<'_> {
    /// Looks where a worker's recovery has come to.
    pub(super) fn follow(&mut self, seen: &mut Seen, now: Option<(RecoveryId, PeTarget, Phase)>) {
        let at = now.map(|(id, _, phase)| (id, phase));
        if seen.at == at {
            return;
        }
        let here = (self.linux.calls().count(), self.linux.watcher().observed());
        if let Some(round) = seen.round.take().and_then(|round| self.rounds.get_mut(round)) {
            (round.calls.1, round.events.1) = here;
        }
        let Some((id, target, phase)) = now else {
            *seen = Seen::default();
            return;
        };
        if seen.at.is_none_or(|(before, _)| before != id) {
            seen.words = 0;
        }
        seen.at = at;
        let devices = affected(self.linux, &target);
        for device in &devices {
            seen.words |= words(self.linux, device);
        }
        self.coverage.meet(phase, seen.words);
        if step_of(phase).is_some() {
            let devices = devices.iter().filter(|device| is_told(self.linux, device));
            let devices = devices.map(|device| Affected {
                bdf: device.bdf(),
                physfn: device.identity().physfn,
                booted: self.booted.iter().any(|known| Arc::ptr_eq(known, device)),
            });
            let round = Round {
                id,
                phb: target.phb.number.0,
                phase,
                devices: devices.collect(),
                calls: (here.0, usize::MAX),
                events: (here.1, usize::MAX),
            };
            seen.round = Some(self.rounds.len());
            self.rounds.push(round);
        }
    }

    /// What the run came to so far.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        let mut coverage = self.coverage;
        coverage.add(&self.linux.watcher().rows());
        coverage
    }
}

/// The number that EEH knows a device's PE by.
fn number_of(linux: &SimLinux, device: &SimDevice) -> Option<u32> {
    let (phb, bdf) = (device.phb_number(), device.bdf());
    match linux.rtas() {
        Some(_) if device.identity().physfn.is_some() => Some(eeh_pseries::pe_of_vf(bdf).0),
        Some(rtas) => rtas.honest().pe_number(phb, bdf),
        None => linux.hardware(phb)?.pe_of(bdf),
    }
}

/// What is above a device: a virtual function's physical one, else the bridge.
fn above(device: &SimDevice) -> Option<Arc<SimDevice>> {
    let phb = device.phb()?;
    match device.identity().physfn {
        Some(physfn) => phb.device(physfn),
        None => phb.bridge_to(device.bdf().bus()),
    }
}

/// The devices of a PE, and of those below it, that are no bridges.
fn affected(linux: &SimLinux, target: &PeTarget) -> Vec<Arc<SimDevice>> {
    let Some(phb) = linux.phb(target.phb.number.0) else { return Vec::new() };
    let within = |device: &Arc<SimDevice>| {
        let mut line = core::iter::successors(Some(device.clone()), |device| above(device));
        target.kind.contains(PeType::PHB)
            || line.any(|device| number_of(linux, &device) == Some(target.number.0))
    };
    let ends = phb.devices().into_iter().filter(|device| !device.is_bridge());
    ends.filter(within).collect()
}

fn words(linux: &SimLinux, device: &SimDevice) -> u16 {
    match device.driver() {
        Some(driver) => words_of(driver.temper()) | word(if driver.aware() { "aware" } else { "unaware" }),
        None if linux.wants_driver(device) => 0,
        None => word("none"),
    }
}

/// Whether its driver is to be told: it has handlers, the device has not been given up, and nobody has
/// it open.
fn is_told(linux: &SimLinux, device: &SimDevice) -> bool {
    let gone = DeviceFlags::PERM_FAILURE | DeviceFlags::LOCK_LOST | DeviceFlags::REMOVED;
    let view = device.eeh().and_then(|id| linux.registry().peek_device(id));
    let pe = view.as_ref().and_then(|view| linux.registry().peek(view.pe));
    device.driver().is_some_and(|driver| driver.aware())
        && view.is_some_and(|view| !view.flags.intersects(gone))
        && pe.is_some_and(|pe| !pe.flags.contains(PeFlags::PASSED))
}
