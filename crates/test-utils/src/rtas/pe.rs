// SPDX-License-Identifier: GPL-2.0-or-later
//! A PE's state, and the calls that change it (LoPAR, "PE State Control" and "PE State Transitions").

use core::time::Duration;

use eeh_pe::{Bdf, Time};
use eeh_pseries::rtas::{SlotResetState, info, option, reset};

use super::reset::Held;
use super::{Call, Fundamental, rc};
use crate::hw::Stopped;

/// What firmware remembers of a PE beside what the hardware has.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// The reset that is active.
    pub(super) held: Option<Held>,
    /// Unavailable until then.
    pub(super) until: Time,
    /// Permanently unavailable.
    pub(super) given_up: bool,
    /// Error information is kept: since when.
    pub(super) cached: Option<Time>,
    /// Busy answers that a configuration still gets.
    pub(super) busy: Option<u32>,
}

/// A PE's state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// 0
    Runs,
    /// 1
    Reset,
    /// 2
    Stopped,
    /// 4
    DmaStopped,
    /// 5, for so long
    Away(Duration),
    /// 5, for good
    GivenUp,
}

impl Call<'_> {
    /// The PE of a configuration address with its register field 0: of a function in it, or of its
    /// primary bus. `None`: it is in none, or the partition does not have it.
    pub(super) fn pe_at(&self, config_addr: u32) -> Option<u32> {
        let [0, bus, devfn, 0 | 1] = config_addr.to_be_bytes() else { return None };
        let bdf = Bdf(u16::from_be_bytes([bus, devfn]));
        if self.is_isolated(bdf) {
            return None;
        }
        let pe = self.phb.pe_of(bdf).or_else(|| {
            let on_bus = |b: &Bdf| devfn == 0 && b.bus() == bus && !self.is_isolated(*b);
            self.phb.homes().into_iter().filter(on_bus).find_map(|b| self.phb.pe_of(b))
        });
        pe.filter(|&pe| !self.is_fabric(pe))
    }

    /// Bridges with nothing else: they have a state of their own, which is the platform's affair (EEH
    /// option requirements, R-16).
    pub(super) fn is_fabric(&self, pe: u32) -> bool {
        self.phb.members(pe).iter().all(|&bdf| self.phb.is_bridge(bdf))
    }

    pub(super) fn record(&mut self, pe: u32) -> &mut Record {
        self.state.pes.entry(pe).or_default()
    }

    pub(super) fn state(&self, pe: u32) -> State {
        let (dead, _) = self.phb.condition();
        let record = self.state.pes.get(&pe);
        if dead || record.is_some_and(|r| r.given_up) {
            return State::GivenUp;
        }
        if let Some(until) = record.map(|r| r.until).filter(|&until| until > self.now) {
            return State::Away(until.since(self.now));
        }
        if record.is_some_and(|r| r.held.is_some()) {
            return State::Reset;
        }
        match self.phb.stopped(pe) {
            Stopped { mmio: true, .. } => State::Stopped,
            Stopped { mmio: false, dma: true } => State::DmaStopped,
            Stopped { mmio: false, dma: false } => State::Runs,
        }
    }

    /// The words of `ibm,read-slot-reset-state2`. The capability word of an unavailable PE is
    /// indeterminate (R-2, note b): 0 here.
    pub(super) fn state_of(&self, pe: u32) -> SlotResetState {
        let ms = |d: Duration| u32::try_from(d.as_millis()).unwrap_or(u32::MAX).max(1);
        let (state, capabilities, unavailable_ms) = match self.state(pe) {
            State::Runs => (0, 1, 0),
            State::Reset => (1, 1, 0),
            State::Stopped => (2, 1, 0),
            State::DmaStopped => (4, 1, 0),
            State::Away(left) => (5, 0, ms(left)),
            State::GivenUp => (5, 0, 0),
        };
        SlotResetState { state, capabilities, unavailable_ms }
    }

    pub(super) fn config_addr_info(&self, config_addr: u32, function: u32, out: &mut u32) -> i32 {
        let pe = self.pe_at(config_addr);
        match (function, pe) {
            (info::PE_ADDRESS, Some(pe)) => *out = self.address_of(pe),
            (info::PE_MODE, None) => *out = 0,
            (info::PE_MODE, Some(pe)) => *out = if self.phb.members(pe).len() == 1 { 1 } else { 2 },
            _ => return rc::PARAMETER,
        }
        rc::SUCCESS
    }

    /// The address of a PE's primary bus: the one nearest to the PHB. A function that is alone on a bus
    /// with others' PEs has its own.
    pub(super) fn address_of(&self, pe: u32) -> u32 {
        let members = self.phb.members(pe);
        let Some(first) = members.iter().copied().min() else { return 0 };
        let foreign = |b: &Bdf| b.bus() == first.bus() && self.phb.pe_of(*b).is_some_and(|p| p != pe);
        let shared_bus = self.phb.homes().iter().any(foreign);
        let devfn = if shared_bus { first.0.to_be_bytes()[1] } else { 0 };
        u32::from_be_bytes([0, first.bus(), devfn, self.behaviour.low_byte])
    }

    /// functions 0 and 1 are no-ops where EEH is always enabled; R-7: 4 and 5 are refused.
    pub(super) fn set_eeh_option(&mut self, pe: u32, function: u32) -> i32 {
        let state = self.state(pe);
        match (function, state) {
            (option::DISABLE | option::ENABLE, _) => rc::SUCCESS,
            (option::THAW_MMIO, State::Stopped) => {
                self.phb.release(pe, Stopped { mmio: true, dma: false });
                rc::SUCCESS
            }
            (option::THAW_DMA, State::DmaStopped) => {
                self.phb.release(pe, Stopped::ALL);
                self.record(pe).cached = None;
                rc::SUCCESS
            }
            (option::THAW_MMIO, State::Runs | State::DmaStopped) | (option::THAW_DMA, State::Runs) => {
                rc::PARAMETER
            }
            (option::THAW_MMIO | option::THAW_DMA, _) => rc::UNEXPECTED_STATE,
            _ => rc::PARAMETER,
        }
    }

    pub(super) fn set_slot_reset(&mut self, pe: u32, function: u32) -> i32 {
        match function {
            reset::DEACTIVATE => self.deactivate(pe),
            reset::HOT => self.activate(pe, false),
            reset::FUNDAMENTAL => match self.behaviour.fundamental {
                Fundamental::Works => self.activate(pe, true),
                Fundamental::NotHere => rc::NO_FUNDAMENTAL,
                Fundamental::Unknown => rc::PARAMETER,
            },
            _ => rc::PARAMETER,
        }
    }

    fn activate(&mut self, pe: u32, fundamental: bool) -> i32 {
        match self.state(pe) {
            State::Reset => return rc::SUCCESS,
            State::Away(_) | State::GivenUp => return rc::UNEXPECTED_STATE,
            State::Runs | State::Stopped | State::DmaStopped => {}
        }
        let Some(held) = self.assert_reset(pe, fundamental) else {
            return if fundamental { rc::NO_FUNDAMENTAL } else { rc::HARDWARE };
        };
        // In reset it looks stopped; what was known of its error is gone.
        self.phb.stop(pe, Stopped::ALL);
        let busy = self.behaviour.busy.times;
        let record = self.record(pe);
        record.held = Some(held);
        record.cached = None;
        record.busy = Some(busy);
        rc::SUCCESS
    }

    fn deactivate(&mut self, pe: u32) -> i32 {
        match self.state(pe) {
            State::Runs => return rc::SUCCESS,
            State::DmaStopped => return rc::PARAMETER,
            State::Stopped | State::Away(_) | State::GivenUp => return rc::UNEXPECTED_STATE,
            State::Reset => {}
        }
        self.release_reset(pe);
        // The transition from 1 to 0 takes the PE out of the stopped states too.
        self.phb.release(pe, Stopped::ALL);
        let until = self.now.after(self.behaviour.away);
        self.record(pe).until = until;
        rc::SUCCESS
    }
}
