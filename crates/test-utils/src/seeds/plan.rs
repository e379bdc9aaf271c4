// SPDX-License-Identifier: GPL-2.0-or-later
//! What a seed decides: the machine, its firmware and drivers, and what is done to it when.

use core::time::Duration;
use std::collections::BTreeSet;

use eeh_pe::Bdf;
use eeh_recovery::{Params, Phase};

use super::dice::Dice;
use crate::drivers::{Step, Temperament};
use crate::engine::{Fault, Within};
use crate::hw::Timing;
use crate::linux::Options;
use crate::opal::{Quirks, Version};
use crate::rtas::{Behaviour, Busy, Fundamental, Partition};
use crate::topology::{FunctionSpec, MachineSpec, PciAddress, Synthetic, synthetic};

/// The plan of a seed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// The machine.
    pub spec: MachineSpec,
    /// How Linux boots on it.
    pub options: Options,
    /// How devices come back from resets, where it is not as the rest.
    pub timings: Vec<(PciAddress, Timing)>,
    /// What is done when, counted from the end of boot.
    pub timed: Vec<(Duration, Fault)>,
    /// What is done after how many observed events.
    pub moments: Vec<(usize, Fault)>,
    /// What is done so long after a recovery first enters a phase.
    pub phases: Vec<(Phase, Duration, Fault)>,
    /// The same for requests too, and for drivers that take no time.
    pub meets: Vec<(Within, Duration, Fault)>,
    /// A helper dies.
    pub helpers_die: bool,
    /// Functions that have virtual ones.
    pub pfs: Vec<PciAddress>,
    /// Devices of which somebody asks something.
    pub owned: BTreeSet<PciAddress>,
    /// Devices whose drivers fail, hang or die.
    pub wild: BTreeSet<PciAddress>,
    /// Nothing is done to the machine that it may not survive whole: no driver in `wild`, no card
    /// pulled, no PHB killed.
    pub gentle: bool,
}

/// Faults come within so long after boot.
pub(super) const ACTION: Duration = Duration::from_secs(12);
/// Recoveries have observed so many events, about, when several of them have run.
pub(super) const EVENTS: u64 = 600;

/// Tells the chance of what came later from that of what was there first.
const MORE: u64 = 0x6d6f_7265;
/// The same of what came after that.
const MEET: u64 = 0x6d65_6574;
/// The same of what came after that.
const SCENE: u64 = 0x7363_656e;

const GENTLE: [&str; 16] = [
    "none",
    "aware",
    "unaware",
    "can-recover",
    "can-recover,slow=40ms",
    "fundamental",
    "slow=700ms",
    "slow=0s",
    "mmio=error_detected",
    "mmio=slot_reset,mmio=resume",
    "can-recover,mmio=mmio_enabled",
    "mmio=probe,mmio=remove",
    "refreeze",
    "refreeze,can-recover",
    "adds",
    "adds=resume,removes=error_detected",
];
const WILD: [&str; 14] = [
    "disconnect",
    "fail=error_detected",
    "fail=slot_reset",
    "fail=resume",
    "fail=probe",
    "can-recover,fail=mmio_enabled",
    "hang=error_detected",
    "hang=slot_reset",
    "hang=resume",
    "hang=failure",
    "die=error_detected",
    "die=slot_reset",
    "unaware,hang=remove",
    "unaware,die=probe",
];

impl Plan {
    /// The plan of `seed`; `fixtures` are machines to choose from, beside those that are made up.
    #[must_use]
    pub fn new(seed: u64, fixtures: &[MachineSpec]) -> Self {
        let mut plan = Self::meeting(seed, fixtures);
        plan.choose_scene(&mut Dice::new(seed.rotate_left(32) ^ SCENE));
        plan
    }

    /// The same, and drivers that take no time, what does not come back, and what meets requests.
    #[must_use]
    pub fn meeting(seed: u64, fixtures: &[MachineSpec]) -> Self {
        let mut plan = Self::asking(seed, fixtures);
        plan.choose_meetings(&mut Dice::new(seed.rotate_left(32) ^ MEET));
        plan
    }

    /// Both platforms, virtual functions, and what owners and administrators ask for.
    #[must_use]
    pub fn asking(seed: u64, fixtures: &[MachineSpec]) -> Self {
        let mut plan = Self::powernv(seed, fixtures);
        // Chance of its own: what else a seed decides is as if there were one platform.
        let mut dice = Dice::new(!seed);
        if dice.chance(30) {
            plan.options.firmware = behaviour(&mut dice).into();
        }
        plan.choose_more(&mut Dice::new(seed.rotate_left(32) ^ MORE));
        plan
    }

    /// Faults and hotplug only, and on PowerNV.
    #[must_use]
    pub fn powernv(seed: u64, fixtures: &[MachineSpec]) -> Self {
        let mut dice = Dice::new(seed);
        let gentle = dice.chance(60);
        let spec = machine(&mut dice, fixtures);
        let mut options = Options { seed, firmware: firmware(&mut dice).into(), ..Options::default() };
        let ready = [0, 20, 100, 400, 3000];
        options.ready_after = Duration::from_millis(dice.pick(&ready).copied().unwrap_or(100));
        options.params = params(&mut dice, gentle);
        let mut plan = Self {
            seed,
            spec,
            options,
            timings: Vec::new(),
            timed: Vec::new(),
            moments: Vec::new(),
            phases: Vec::new(),
            meets: Vec::new(),
            helpers_die: false,
            pfs: Vec::new(),
            owned: BTreeSet::new(),
            wild: BTreeSet::new(),
            gentle,
        };
        plan.choose_hardware(&mut dice);
        plan.choose_drivers(&mut dice);
        plan.choose_faults(&mut dice);
        plan
    }

    fn choose_hardware(&mut self, dice: &mut Dice) {
        // Configuration space of a frozen PE works: no fixture is a P7IOC, which alone blocks it. Nor does
        // a scan freeze PEs: Linux, which clears such freezes as it goes, is not simulated in that.
        for (at, function) in self.spec.functions() {
            if !dice.chance(15) {
                continue;
            }
            // Within what PCIe 6.0 6.6.1 allows; who needs more says so.
            let says_rrs = dice.chance(50);
            let ready = Duration::from_millis(dice.below(if says_rrs { 5000 } else { 900 }));
            let link_after = Duration::from_millis(dice.below(300));
            let ready_after = if function.is_bridge() { Duration::ZERO } else { ready };
            self.timings.push((at, Timing { link_after, ready_after, says_rrs }));
        }
        // A conventional device cannot ask for more time than Trhfa (PCI 3.0 4.3.2).
        let express = |f: &FunctionSpec| f.is_bridge() || f.find_cap(0x10).is_some();
        for (at, _) in self.spec.functions().filter(|(_, f)| !express(f)) {
            self.timings.retain(|(other, _)| *other != at);
            self.timings.push((at, Timing { ready_after: Duration::from_millis(500), ..Timing::default() }));
        }
    }

    fn choose_drivers(&mut self, dice: &mut Dice) {
        let endpoints: Vec<PciAddress> =
            self.spec.functions().filter(|(_, f)| !f.is_bridge()).map(|(at, _)| at).collect();
        let mut growing: BTreeSet<(u32, u8, u8)> = BTreeSet::new();
        for at in endpoints {
            let words = if !self.gentle && dice.chance(12) {
                self.wild.insert(at);
                dice.word(&WILD)
            } else if dice.chance(35) {
                dice.word(&GENTLE)
            } else {
                continue;
            };
            let Ok(mut temperament) = words.parse::<Temperament>() else { continue };
            // One in each slot: there may be room for one function only.
            let slot = (at.phb, at.bdf.bus(), at.bdf.device());
            if temperament.adds.is_some() && !(self.has_room(at) && growing.insert(slot)) {
                temperament.adds = None;
            }
            self.options.temperaments.insert(at, temperament);
        }
    }

    /// Whether another function fits into the slot.
    pub(super) fn has_room(&self, at: PciAddress) -> bool {
        let phb = self.spec.phbs.iter().find(|phb| phb.number == at.phb);
        phb.is_some_and(|phb| {
            (1..8)
                .filter_map(|f| Bdf::new(at.bdf.bus(), at.bdf.device(), f))
                .any(|bdf| phb.function(bdf).is_none())
        })
    }

    fn choose_faults(&mut self, dice: &mut Dice) {
        let (all, ends): (Vec<PciAddress>, Vec<PciAddress>) = {
            let all: Vec<_> = self.spec.functions().collect();
            let ends = all.iter().filter(|(_, f)| !f.is_bridge()).map(|(at, _)| *at).collect();
            (all.iter().map(|(at, _)| *at).collect(), ends)
        };
        // Most of it happens on one PHB: what never meets, never disturbs.
        let focus = dice.pick(&all).map_or(0, |at| at.phb);
        let near = |all: &[PciAddress]| -> Vec<PciAddress> {
            all.iter().filter(|at| at.phb == focus).copied().collect()
        };
        let (near_all, near_ends) = (near(&all), near(&ends));
        let count = 2 + dice.below(9);
        for n in 0..count {
            let far = dice.chance(20) || near_ends.is_empty();
            let (all, ends) = if far { (&all, &ends) } else { (&near_all, &near_ends) };
            let (Some(any), Some(end)) = (dice.pick(all).copied(), dice.pick(ends).copied()) else {
                continue;
            };
            let faults = self.fault(dice, n == 0, any, end);
            let at = if n == 0 { Duration::from_millis(10) } else { dice.span(ACTION) };
            if n > 0 && dice.chance(50) {
                let mut events = 1 + dice.below(EVENTS);
                for fault in faults {
                    self.moments.push((usize::try_from(events).unwrap_or(0), fault));
                    events += dice.below(60);
                }
            } else {
                let mut at = at;
                for fault in faults {
                    self.timed.push((at, fault));
                    at += dice.span(Duration::from_secs(3));
                }
            }
        }
    }

    /// Something to do, and what undoes it, if it is not left to the end.
    fn fault(&self, dice: &mut Dice, first: bool, any: PciAddress, end: PciAddress) -> Vec<Fault> {
        let freeze = |dice: &mut Dice| match dice.below(10) {
            0..=4 => Fault::Break(end.phb, end.bdf),
            5..=7 => Fault::Freeze(any.phb, any.bdf),
            _ => Fault::Fence(any.phb),
        };
        if first {
            return vec![freeze(dice)];
        }
        let undo = dice.chance(70);
        let mut faults = match dice.below(24) {
            0..=9 => return vec![freeze(dice)],
            10..=13 => vec![Fault::Remove(any.phb, any.bdf), Fault::Rescan(any.phb)],
            14..=15 => vec![Fault::Remove(end.phb, end.bdf), Fault::Rescan(end.phb)],
            16..=17 => vec![Fault::Unbind(end.phb, end.bdf), Fault::Bind(end.phb, end.bdf)],
            18 => return vec![Fault::Rescan(any.phb)],
            19..=20 => vec![Fault::RemovePhb(any.phb), Fault::AddPhb(any.phb)],
            21 => return vec![Fault::Bind(end.phb, end.bdf)],
            // A root port is soldered in; a card in its slot comes back through firmware, which is not here.
            22 if !self.gentle && any.bdf.bus() > 1 => {
                vec![Fault::Pull(any.phb, any.bdf), Fault::Push(any.phb, any.bdf)]
            }
            _ if !self.gentle => vec![Fault::Kill(any.phb)],
            _ => vec![Fault::Break(end.phb, end.bdf), freeze(dice)],
        };
        if !undo {
            faults.truncate(1);
        }
        faults
    }

    /// Whether some driver hangs or dies, and keeps its `device_lock` for ever; or a helper, with the same
    /// outcome for EEH.
    #[must_use]
    pub fn has_stuck_drivers(&self) -> bool {
        let stuck = |t: &Temperament| Step::ALL.iter().any(|s| t.hangs.has(*s) || t.dies.has(*s));
        self.helpers_die || self.wild.iter().filter_map(|at| self.options.temperaments.get(at)).any(stuck)
    }
}

fn machine(dice: &mut Dice, fixtures: &[MachineSpec]) -> MachineSpec {
    let (phbs, more, seed) = (1 + dice.below(3), dice.below(12), dice.below(u64::MAX));
    let size = Synthetic { phbs: phbs as u32, functions: (2 * phbs + 2 + more) as u32, seed };
    match (dice.pick(fixtures), dice.chance(50), synthetic(&size)) {
        (Some(fixture), true, _) | (Some(fixture), false, Err(_)) => fixture.clone(),
        (_, _, Ok(made)) => made,
        (None, _, Err(_)) => MachineSpec { phbs: Vec::new(), notes: Vec::new() },
    }
}

fn firmware(dice: &mut Dice) -> Version {
    match dice.below(4) {
        0 => Version::Ideal,
        1 => Version::Skiboot(Quirks { diag_takes: Duration::ZERO, ..Quirks::default() }),
        2 => Version::Skiboot(Quirks { leaves_link_unstable: false, ..Quirks::default() }),
        _ => Version::skiboot(),
    }
}

/// A partition's firmware.
fn behaviour(dice: &mut Dice) -> Behaviour {
    let statuses = [9900, 9901, 9902, -2];
    Behaviour {
        partition: if dice.chance(50) { Partition::Bus } else { Partition::Card },
        fundamental: dice
            .pick(&[Fundamental::Works, Fundamental::NotHere, Fundamental::Unknown])
            .copied()
            .unwrap_or(Fundamental::Works),
        busy: Busy { status: dice.pick(&statuses).copied().unwrap_or(-2), times: dice.below(3) as u32 },
        away: Duration::from_millis(dice.below(3) * 700),
        recovers_in: Duration::from_secs(1 + dice.below(10)),
        low_byte: u8::from(dice.chance(50)),
        ..Behaviour::default()
    }
}

fn params(dice: &mut Dice, gentle: bool) -> Params {
    let pause = if dice.chance(20) { Duration::from_secs(2) } else { Duration::ZERO };
    let max_freezes = if gentle { 1000 } else { 1 + dice.below(6) as u32 };
    Params { max_freezes, add_back_pause: pause, ..Params::default() }
}
