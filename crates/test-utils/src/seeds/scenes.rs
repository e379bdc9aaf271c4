// SPDX-License-Identifier: GPL-2.0-or-later
//! Scenes: some seeds play one on one PHB and nothing else, so that what needs three things to meet happens
//! as often as the rest. The seed decides which, with whom, and when.

use core::time::Duration;

use eeh_recovery::{OwnerReset, PcieReset, Phase};

use super::dice::Dice;
use super::plan::{ACTION, Plan};
use crate::engine::{Fault, Within};
use crate::hw::Timing;
use crate::linux::{FirmwareKind, Wish};
use crate::topology::{FunctionSpec, PciAddress};

/// Link Capabilities in the PCI Express capability, and its bit for a port that reports its link.
const LINK_CAPS: usize = 0x0c;
const REPORTS_LINK: u8 = 1 << 4;

/// Phases in which a helper is asked about one device after the other.
const VISITS: [Phase; 10] = [
    Phase::Presence,
    Phase::ReportFrozen,
    Phase::ReportMmio,
    Phase::ReportMmio,
    Phase::RemoveUnaware,
    Phase::RemoveLate,
    Phase::ReportReset,
    Phase::ReportResume,
    Phase::ClearAttention,
    Phase::ReportFailure,
];
const THAWS: [Within; 4] = [
    Within::Recovery(Phase::ThawMmio),
    Within::Recovery(Phase::ThawDma),
    Within::Recovery(Phase::ThawDma),
    Within::Request(Phase::Asked),
];
const WISHES: [Wish; 6] = [
    Wish::ResetAndRecover,
    Wish::ResetAndRecover,
    Wish::Thaw,
    Wish::Pcie(PcieReset::Hot),
    Wish::Pcie(PcieReset::Deassert),
    Wish::Step(OwnerReset::Hot),
];
/// What a driver that sends its device a command waits in.
const AWAITS: [&str; 3] = ["await=error_detected", "await=slot_reset", "await=resume"];
/// A device that comes back in time takes so long for its link, and until it answers.
const LINK: Duration = Duration::from_millis(300);
const READY: Duration = Duration::from_millis(900);
const THAWED: &str = "can-recover,slow=0s";
const RESET: &str = "slow=0s";

impl Plan {
    /// One of the scenes, for some seeds.
    pub(super) fn choose_scene(&mut self, dice: &mut Dice) {
        if !dice.chance(30) {
            return;
        }
        let Some(at) = self.first(dice) else { return };
        self.clear_stage();
        match dice.below(8) {
            0 | 1 => self.gone_before_its_job(dice, at),
            2 => self.bound_late(dice, at),
            3 => self.link_is_down(dice, at),
            4 => self.not_ready(dice, at),
            5 => self.broken_in_a_thaw(dice, at),
            6 => self.gone_when_given_up(dice, at),
            _ => self.virtual_functions_and_no_phb(dice, at),
        }
    }

    fn clear_stage(&mut self) {
        self.timed.clear();
        self.moments.clear();
        self.phases.clear();
        self.meets.clear();
        self.pfs.clear();
        self.owned.clear();
    }

    /// What a scene begins with, again and again.
    fn breaks(&mut self, dice: &mut Dice, at: PciAddress) {
        let above = self.port_above(at);
        for _ in 0..2 + dice.below(3) {
            let fault = match dice.below(6) {
                0..=2 => Fault::Break(at.phb, at.bdf),
                3..=4 => Fault::Freeze(above.phb, above.bdf),
                _ => Fault::Fence(at.phb),
            };
            self.timed.push((dice.span(ACTION), fault));
            self.timed.push((dice.span(ACTION), Fault::Rescan(at.phb)));
        }
    }

    /// The drivers of a PHB. Its devices come back in time.
    fn cast(&mut self, dice: &mut Dice, at: PciAddress, others: &str, own: &str) {
        let late = |t: &Timing| t.link_after > LINK || (t.ready_after > READY && !t.says_rrs);
        self.timings.retain(|(o, timing)| o.phb != at.phb || !late(timing));
        let awaits = dice.chance(25);
        let own = if awaits { format!("{own},{}", dice.word(&AWAITS)) } else { own.to_owned() };
        let ends = self.spec.functions().filter(|(o, f)| o.phb == at.phb && !f.is_bridge());
        let ends: Vec<PciAddress> = ends.map(|(o, _)| o).collect();
        for end in ends {
            self.wild.remove(&end);
            self.set_driver(end, others);
        }
        self.set_driver(at, &own);
        if awaits {
            // Given up when its device freezes again meanwhile.
            self.gentle = false;
            self.wild.insert(at);
        }
    }

    /// Nobody expects the PHB's devices to come through.
    fn loses(&mut self, phb: u32) {
        self.gentle = false;
        // What is never at rest ends with its budget.
        self.options.params.max_freezes = self.options.params.max_freezes.min(6);
        let all = self.spec.functions().filter(|(o, _)| o.phb == phb);
        let all: Vec<PciAddress> = all.map(|(o, _)| o).collect();
        self.wild.extend(all);
    }

    fn wishes(&mut self, dice: &mut Dice, at: PciAddress) {
        self.owned.insert(at);
        for _ in 0..3 + dice.below(5) {
            if let Some(wish) = dice.pick(&WISHES).copied() {
                self.timed.push((dice.span(ACTION), Fault::Wish(at.phb, at.bdf, wish)));
            }
        }
    }

    fn meet(&mut self, within: impl Into<Within>, fault: Fault) {
        self.meets.push((within.into(), Duration::ZERO, fault));
    }

    /// A device goes between the moment at which the worker asks its helper and that at which the helper asks.
    fn gone_before_its_job(&mut self, dice: &mut Dice, at: PciAddress) {
        let own = dice.word(&["unaware,slow=0s", RESET, THAWED]);
        let others = dice.word(&[RESET, RESET, THAWED]);
        self.cast(dice, at, others, own);
        self.breaks(dice, at);
        for _ in 0..1 + dice.below(3) {
            if let Some(phase) = dice.pick(&VISITS).copied() {
                self.meet(Within::Job(phase), Fault::Remove(at.phb, at.bdf));
            }
        }
    }

    /// A driver goes when it has heard of the error, and another comes when the reset is over.
    fn bound_late(&mut self, dice: &mut Dice, at: PciAddress) {
        self.cast(dice, at, RESET, RESET);
        self.breaks(dice, at);
        self.meet(Phase::Reset, Fault::Unbind(at.phb, at.bdf));
        self.meet(Phase::RemoveLate, Fault::Bind(at.phb, at.bdf));
        match dice.below(4) {
            0..=1 => self.meet(Within::Job(Phase::RemoveLate), Fault::Remove(at.phb, at.bdf)),
            2 => {
                self.loses(at.phb);
                self.helpers_die = true;
                self.meet(Within::Job(Phase::RemoveLate), Fault::LoseHelper(at.phb));
            }
            _ => {}
        }
    }

    /// Ports tell of their links, and one takes too long for a reset, or for all three.
    fn link_is_down(&mut self, dice: &mut Dice, at: PciAddress) {
        let phb = self.spec.phbs.iter_mut().find(|phb| phb.number == at.phb);
        for function in phb.into_iter().flat_map(|phb| &mut phb.functions).filter(|f| f.is_bridge()) {
            let caps = function.find_cap(0x10).map(|cap| usize::from(cap) + LINK_CAPS + 2);
            if let Some(byte) = caps.and_then(|at| function.config.get_mut(at)) {
                *byte |= REPORTS_LINK;
            }
        }
        self.loses(at.phb);
        self.cast_wild(dice, at, RESET);
        let port = self.port_above(at);
        let link_after = Duration::from_millis(900 + dice.below(2000));
        self.timings.retain(|(other, _)| *other != port);
        self.timings.push((port, Timing { link_after, ..Timing::default() }));
        self.wishes(dice, at);
        self.breaks(dice, at);
    }

    /// Nothing in the slot comes back from its reset, or one function does not.
    fn not_ready(&mut self, dice: &mut Dice, at: PciAddress) {
        self.loses(at.phb);
        self.cast_wild(dice, at, RESET);
        let beside = |o: PciAddress| o.phb == at.phb && o.bdf.bus() == at.bdf.bus();
        let mut cards: Vec<PciAddress> =
            self.spec.functions().map(|(o, _)| o).filter(|o| beside(*o)).collect();
        if dice.chance(50) {
            // The others come back in the end, and then the PHB breaks.
            cards = vec![at];
            self.meet(Within::Request(Phase::Unfreeze), Fault::Kill(at.phb));
            self.meet(Phase::Unfreeze, Fault::Kill(at.phb));
        }
        let ready_after = Duration::from_secs(2 + dice.below(100));
        for card in cards {
            self.timings.retain(|(other, _)| *other != card);
            self.timings.push((card, Timing { ready_after, ..Timing::default() }));
        }
        self.wishes(dice, at);
        self.timed.push((dice.span(ACTION), Fault::Freeze(at.phb, at.bdf)));
    }

    fn cast_wild(&mut self, dice: &mut Dice, at: PciAddress, words: &str) {
        let wild = core::mem::take(&mut self.wild);
        self.cast(dice, at, words, words);
        self.wild = wild;
    }

    /// The PHB breaks while something is let through; a partition's platform brings it back by itself.
    fn broken_in_a_thaw(&mut self, dice: &mut Dice, at: PciAddress) {
        self.cast(dice, at, THAWED, THAWED);
        self.timed.push((Duration::from_millis(10), Fault::Break(at.phb, at.bdf)));
        self.timed.push((dice.span(ACTION), Fault::Break(at.phb, at.bdf)));
        self.wishes(dice, at);
        if dice.chance(25) {
            let above = self.port_above(at);
            return self.meet(Within::Request(Phase::Asked), Fault::Remove(above.phb, above.bdf));
        }
        if matches!(self.options.firmware, FirmwareKind::PSeries(_)) {
            self.meet(Within::Request(Phase::Asked), Fault::Fence(at.phb));
        }
        let Some(within) = dice.pick(&THAWS).copied() else { return };
        if dice.chance(50) {
            self.meet(within, Fault::Fence(at.phb));
        } else {
            self.loses(at.phb);
            self.cast_wild(dice, at, THAWED);
            self.meet(within, Fault::Kill(at.phb));
        }
    }

    /// A PE that froze too often, or whose helper died at once, goes before its log is written.
    fn gone_when_given_up(&mut self, dice: &mut Dice, at: PciAddress) {
        self.cast(dice, at, RESET, RESET);
        self.loses(at.phb);
        self.cast_wild(dice, at, RESET);
        self.options.params.max_freezes = 1;
        let above = self.port_above(at);
        for nth in 0..3 {
            let fault = Fault::Break(at.phb, at.bdf);
            self.timed.push((Duration::from_millis(10 + 5000 * nth) + dice.span(ACTION / 12), fault));
        }
        if dice.chance(30) {
            self.helpers_die = true;
            self.meet(Within::Job(Phase::Presence), Fault::LoseHelper(at.phb));
        }
        self.meet(Phase::PermLog, Fault::Remove(above.phb, above.bdf));
    }

    /// A PHB goes while the virtual functions of one of its devices are added back.
    fn virtual_functions_and_no_phb(&mut self, dice: &mut Dice, at: PciAddress) {
        self.switch_on_at_boot(dice);
        let Some(pf) = self.pfs.first().copied() else { return };
        self.cast(dice, pf, RESET, RESET);
        for vf in self.vfs_of(pf) {
            self.set_driver(vf, "unaware,slow=0s");
        }
        self.timed.push((Duration::from_secs(3), Fault::Break(pf.phb, pf.bdf)));
        if dice.chance(30) {
            self.loses(pf.phb);
            self.helpers_die = true;
            return self.meet(Within::Job(Phase::AddVfs), Fault::LoseHelper(pf.phb));
        }
        let phase = if dice.chance(70) { Phase::AddVfs } else { Phase::ReportResume };
        let within = if dice.chance(50) { Within::Job(phase) } else { Within::Recovery(phase) };
        self.meet(within, Fault::RemovePhb(pf.phb));
        if at.phb != pf.phb {
            // Whoever removes the function while somebody writes its `sriov_numvfs` meets the PCI core's own
            // inversion of locks: that is over by then.
            self.timed.push((ACTION / 2 + dice.span(ACTION), Fault::Break(at.phb, at.bdf)));
        }
    }

    /// The bridge that leads to a function's bus, else the function itself.
    pub(super) fn port_above(&self, at: PciAddress) -> PciAddress {
        let leads = |f: &FunctionSpec| f.is_bridge() && f.secondary() == Some(at.bdf.bus());
        let above = self.spec.functions().find(|(o, f)| o.phb == at.phb && leads(f));
        above.map_or(at, |(o, _)| o)
    }
}
