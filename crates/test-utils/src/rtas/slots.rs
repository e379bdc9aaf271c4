// SPDX-License-Identifier: GPL-2.0-or-later
//! Slots that leave and join the partition (LoPAR, "Dynamic Reconfiguration"): isolation and
//! allocation are indicators 9001 and 9003 of `set-indicator`, presence is sensor 9003 of
//! `get-sensor-state`. Whole PHBs come and go with the machine's.

use eeh_pe::Bdf;

use super::{Call, Firmware, buid_of, rc};
use crate::hw::Stopped;

/// What `dr-entity-sense` finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sense {
    /// Nothing is plugged in.
    Empty,
    /// It is there and the partition has it.
    Present,
    /// The partition does not have it.
    Unusable,
}

impl Firmware {
    /// Takes a function's slot, and all behind it, from the partition: isolate, then unusable.
    pub fn remove_slot(&self, phb: u32, bdf: Bdf) -> i32 {
        self.run(buid_of(phb), |c| c.isolate(bdf))
    }

    /// Gives it back, as at power-on: usable, then unisolate.
    pub fn add_slot(&self, phb: u32, bdf: Bdf) -> i32 {
        self.run(buid_of(phb), |c| c.unisolate(bdf))
    }

    /// Whether the slot can be had.
    #[must_use]
    pub fn sense_slot(&self, phb: u32, bdf: Bdf) -> Option<Sense> {
        let call = self.call(buid_of(phb))?;
        call.phb.pe_of(bdf)?;
        Some(match (call.is_isolated(bdf), call.phb.is_present(bdf)) {
            (true, _) => Sense::Unusable,
            (false, true) => Sense::Present,
            (false, false) => Sense::Empty,
        })
    }

    /// The address of the PE that a function is in, if it is in one.
    #[must_use]
    pub fn pe_number(&self, phb: u32, bdf: Bdf) -> Option<u32> {
        let call = self.call(buid_of(phb))?;
        let [bus, devfn] = bdf.0.to_be_bytes();
        let pe = call.pe_at(u32::from_be_bytes([0, bus, devfn, 0]))?;
        Some(call.address_of(pe))
    }

    /// Whether firmware calls the hardware's PE permanently unavailable.
    #[must_use]
    pub fn has_given_up(&self, phb: u32, pe: u32) -> bool {
        let call = self.call(buid_of(phb));
        call.is_some_and(|c| c.state.pes.get(&pe).is_some_and(|r| r.given_up))
    }
}

impl Call<'_> {
    pub(super) fn is_isolated(&self, bdf: Bdf) -> bool {
        self.state.isolated.contains(&bdf)
    }

    /// The functions of a slot: those beside it and all behind.
    fn slot(&self, bdf: Bdf) -> Vec<Bdf> {
        let same = |b: &Bdf| b.bus() == bdf.bus() && b.device() == bdf.device();
        let beside: Vec<Bdf> = self.phb.homes().into_iter().filter(same).collect();
        let behind: Vec<Bdf> = beside.iter().flat_map(|b| self.phb.homes_behind(*b)).collect();
        beside.into_iter().chain(behind).collect()
    }

    fn isolate(&mut self, bdf: Bdf) -> i32 {
        let slot = self.slot(bdf);
        if slot.is_empty() || self.is_isolated(bdf) {
            return rc::PARAMETER;
        }
        for bdf in slot {
            if let Some(pe) = self.phb.pe_of(bdf) {
                // Its lines and what was known of it go with it.
                self.forget(pe);
            }
            self.phb.pull(bdf);
            self.state.isolated.insert(bdf);
        }
        rc::SUCCESS
    }

    fn unisolate(&mut self, bdf: Bdf) -> i32 {
        if !self.is_isolated(bdf) {
            return rc::PARAMETER;
        }
        for bdf in self.slot(bdf) {
            self.state.isolated.remove(&bdf);
            self.phb.push(bdf);
            // Firmware numbers the buses behind it.
            self.phb.configure_bridge(bdf);
        }
        rc::SUCCESS
    }

    /// What stopped a PE or made it unavailable is over when its slot lost its power and got it back (EEH
    /// option requirements, R-8; `ibm,slot-error-detail`, R-13).
    pub(super) fn notice_power(&mut self) {
        let all = self.phb.all_pushes();
        if all == self.state.all_pushes {
            return;
        }
        self.state.all_pushes = all;
        for bdf in self.phb.homes() {
            let Some(pe) = self.phb.pe_of(bdf) else { continue };
            let pushes = self.phb.pushes(pe);
            if self.state.pushes.insert(pe, pushes).unwrap_or(0) != pushes {
                self.forget(pe);
            }
        }
    }

    fn forget(&mut self, pe: u32) {
        self.release_reset(pe);
        self.state.pes.remove(&pe);
        self.phb.release(pe, Stopped::ALL);
    }
}
