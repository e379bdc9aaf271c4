// SPDX-License-Identifier: GPL-2.0-or-later
//! What a seed decides so that everything is met everywhere: drivers that take no time, so that what is done
//! in a phase is done before the next; links and devices that do not come back; helpers that die; and what
//! happens in the middle of something that was asked for.

use core::time::Duration;

use eeh_recovery::{OwnerReset, PcieReset, Phase, SetOption};

use super::dice::Dice;
use super::plan::{ACTION, Plan};
use crate::engine::{Fault, Within};
use crate::hw::Timing;
use crate::linux::Wish;
use crate::topology::PciAddress;

const OTHERS: [&str; 4] = ["can-recover,slow=0s", "can-recover,slow=0s", "slow=0s", "none"];
const QUICK: [&str; 9] = [
    "can-recover,slow=0s",
    "can-recover,fundamental,slow=0s",
    "can-recover,adds=resume,slow=0s",
    "can-recover,removes=resume,slow=0s",
    "can-recover,mmio=mmio_enabled,slow=0s",
    "can-recover,refreeze,slow=0s",
    "unaware,slow=0s",
    "slow=0s",
    "none",
];
const QUICK_WILD: [&str; 9] = [
    "can-recover,hang=resume,slow=0s",
    "can-recover,die=resume,slow=0s",
    "can-recover,hang=mmio_enabled,slow=0s",
    "can-recover,die=mmio_enabled,slow=0s",
    "can-recover,fail=resume,slow=0s",
    "can-recover,fail=mmio_enabled,slow=0s",
    "die=slot_reset,slow=0s",
    "disconnect,slow=0s",
    "unaware,hang=remove",
];

/// The phases of what is asked for.
const ASKED: [Phase; 8] = [
    Phase::Asked,
    Phase::SaveState,
    Phase::RestoreState,
    Phase::Reset,
    Phase::Settle,
    Phase::Restore,
    Phase::Unfreeze,
    Phase::Release,
];

/// Those in which a helper has something to do that is no handler.
const HELPED: [Phase; 8] = [
    Phase::Presence,
    Phase::RemoveAll,
    Phase::RemoveUnaware,
    Phase::RemoveLate,
    Phase::AddBack,
    Phase::AddVfs,
    Phase::ClearAttention,
    Phase::RemoveFailed,
];

const ASKS: [Wish; 9] = [
    Wish::ResetAndRecover,
    Wish::ResetAndRecover,
    Wish::Thaw,
    Wish::Configure,
    Wish::Option(SetOption::Enable),
    Wish::Pcie(PcieReset::Hot),
    Wish::Pcie(PcieReset::Deassert),
    Wish::Step(OwnerReset::Hot),
    Wish::Step(OwnerReset::Deassert),
];

impl Plan {
    /// One PHB, its drivers, and what meets its recoveries and requests.
    pub(super) fn choose_meetings(&mut self, dice: &mut Dice) {
        if !dice.chance(75) {
            return;
        }
        let Some(at) = self.first(dice) else { return };
        self.choose_quick(dice, at);
        let asks = dice.chance(50);
        if asks {
            self.owned.insert(at);
            for _ in 0..2 + dice.below(6) {
                if let Some(wish) = dice.pick(&ASKS).copied() {
                    self.timed.push((dice.span(ACTION), Fault::Wish(at.phb, at.bdf, wish)));
                }
            }
        }
        let above = self.port_above(at);
        for _ in 0..2 + dice.below(4) {
            let within = match (asks && dice.chance(60), dice.pick(&ASKED), dice.pick(&Phase::ALL)) {
                (true, Some(phase), _) => Within::Request(*phase),
                (_, _, Some(phase)) => Within::Recovery(*phase),
                _ => continue,
            };
            let fault = match dice.below(10) {
                0..=2 => Fault::Remove(above.phb, above.bdf),
                3 => Fault::Remove(at.phb, at.bdf),
                4..=5 => Fault::RemovePhb(at.phb),
                6..=7 => Fault::Fence(at.phb),
                8 if !self.gentle && at.bdf.bus() > 1 => Fault::Pull(at.phb, at.bdf),
                8 => Fault::Bind(at.phb, at.bdf),
                _ => Fault::Freeze(at.phb, at.bdf),
            };
            self.meets.push((within, Duration::ZERO, fault));
            // More recoveries come to more phases.
            self.timed.push((dice.span(ACTION), Fault::Break(at.phb, at.bdf)));
            if dice.chance(40) {
                self.timed.push((dice.span(ACTION), Fault::Rescan(at.phb)));
                self.timed.push((dice.span(ACTION), Fault::AddPhb(at.phb)));
            }
        }
        if !self.gentle {
            self.choose_losses(dice, at);
        }
        for pf in self.pfs.clone() {
            self.spare(pf);
        }
    }

    /// Drivers that take no time, and one that behaves in its own way.
    fn choose_quick(&mut self, dice: &mut Dice, at: PciAddress) {
        let ends = self.spec.functions().filter(|(o, f)| o.phb == at.phb && !f.is_bridge());
        let ends: Vec<PciAddress> = ends.map(|(o, _)| o).collect();
        let others = dice.word(&OTHERS);
        for end in ends {
            self.wild.remove(&end);
            self.set_driver(end, others);
        }
        let wild = !self.gentle && dice.chance(60);
        let words = if wild { dice.word(&QUICK_WILD) } else { dice.word(&QUICK) };
        if !words.contains("adds") || self.has_room(at) {
            self.set_driver(at, words);
        }
        if wild {
            self.wild.insert(at);
        }
    }

    /// Somebody is lost: a helper, a card, a link, a device.
    fn choose_losses(&mut self, dice: &mut Dice, at: PciAddress) {
        if dice.chance(30) {
            self.helpers_die = true;
            self.wild.insert(at);
            for _ in 0..1 + dice.below(2) {
                if let Some(phase) = dice.pick(&HELPED).copied() {
                    self.meets.push((Within::Recovery(phase), Duration::ZERO, Fault::LoseHelper(at.phb)));
                }
            }
        }
        if dice.chance(20) {
            self.wild.insert(at);
            let slot = |o: PciAddress| o.phb == at.phb && o.bdf.bus() == at.bdf.bus();
            let cards: Vec<PciAddress> = self.spec.functions().map(|(o, _)| o).filter(|o| slot(*o)).collect();
            for card in cards {
                let yank = Fault::Yank(card.phb, card.bdf);
                self.meets.push((Within::Recovery(Phase::Presence), Duration::ZERO, yank));
            }
        }
        if dice.chance(30) {
            self.wild.insert(at);
            let link_after = Duration::from_millis(dice.below(3000));
            let ready_after = Duration::from_secs(dice.below(2) * 100);
            self.timings.retain(|(other, _)| *other != at);
            self.timings.push((at, Timing { link_after, ready_after, says_rrs: false }));
        }
    }
}
