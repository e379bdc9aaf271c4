// SPDX-License-Identifier: GPL-2.0-or-later
//! What the platform does by itself, as far as the partition can see: noticed at its next call.

use eeh_pe::Bdf;

use super::Call;
use super::reset::Held;
use crate::hw::Stopped;

impl Call<'_> {
    pub(super) fn act_by_itself(&mut self) {
        let (dead, fenced) = self.phb.condition();
        if dead {
            self.let_go_of_lines();
            return;
        }
        if fenced {
            self.recover_phb();
        }
        if self.state.rebuild.is_some_and(|at| at <= self.now) {
            self.state.rebuild = None;
            for bdf in self.phb.homes() {
                self.phb.configure_bridge(bdf);
            }
        }
        self.spread_freezes();
        self.notice_power();
    }

    /// A PHB that broke for good: "the reset cannot be removed" is state 5 (`ibm,read-slot-reset-state2`,
    /// platform note 1).
    fn let_go_of_lines(&mut self) {
        let held: Vec<u32> =
            self.state.pes.iter().filter(|(_, r)| r.held.is_some()).map(|(pe, _)| *pe).collect();
        for pe in held {
            self.release_reset(pe);
        }
    }

    /// The platform resets the PHB and brings its bridges back; all PEs below are unavailable meanwhile
    /// and stopped afterwards (EEH option requirements, R-6), except those that were in reset.
    fn recover_phb(&mut self) {
        self.phb.perst(true);
        self.phb.reset_logic();
        self.phb.perst(false);
        let until = self.now.after(self.behaviour.recovers_in);
        self.state.rebuild = Some(until);
        for pe in self.card_pes() {
            self.phb.stop(pe, Stopped::ALL);
            let now = self.now;
            let record = self.record(pe);
            record.until = until;
            record.cached = Some(now);
            // Its line was released with all others.
            record.held = record.held.map(|_| Held::None);
        }
    }

    /// PEs with something that is no bridge: the bridges are the platform's.
    fn card_pes(&self) -> Vec<u32> {
        let homes = self.phb.homes();
        let cards = homes.into_iter().filter(|&bdf| !self.phb.is_bridge(bdf));
        let mut pes: Vec<u32> = cards.filter_map(|bdf| self.phb.pe_of(bdf)).collect();
        pes.sort_unstable();
        pes.dedup();
        pes
    }

    /// An error in a bridge stops everything behind it, and the platform gets its own bridges going
    /// again; an error is kept for who asks.
    fn spread_freezes(&mut self) {
        let freezes = self.phb.freezes();
        if freezes == self.state.freezes {
            return;
        }
        self.state.freezes = freezes;
        let (now, mut own) = (self.now, Vec::new());
        for bdf in self.phb.homes() {
            let Some(pe) = self.phb.pe_of(bdf).filter(|&pe| self.phb.stopped(pe).mmio) else { continue };
            if self.state.pes.get(&pe).is_some_and(|r| r.held.is_some()) {
                continue;
            }
            self.record(pe).cached.get_or_insert(now);
            if self.phb.is_bridge(bdf) {
                self.stop_behind(bdf);
            }
            if self.is_fabric(pe) {
                own.push(pe);
            }
        }
        for pe in own {
            self.phb.release(pe, Stopped::ALL);
        }
    }

    fn stop_behind(&mut self, bridge: Bdf) {
        for bdf in self.phb.homes_behind(bridge) {
            if let Some(pe) = self.phb.pe_of(bdf).filter(|&pe| !self.is_fabric(pe)) {
                self.phb.stop(pe, Stopped::ALL);
            }
        }
    }
}
