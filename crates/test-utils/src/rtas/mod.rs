// SPDX-License-Identifier: GPL-2.0-or-later
//! The firmware of a simulated partition: PAPR's RTAS calls for EEH over [`crate::hw`].
//!
//! Written from the text of the architecture (LoPAR, "EEH Option Functions"), not from what its client
//! does. A PE of the platform is a PE of the hardware with some function that is no bridge; its
//! configuration address is that of its primary bus, 0x00BB0000. Bridges outside PEs are the platform's:
//! an error there, as a fence of the PHB, is its own affair, after which every PE below is stopped.
//!
//! | concern                                       | file      |
//! |-----------------------------------------------|-----------|
//! | how firmware behaves where it may choose      | `behaviour` |
//! | a PE's state, and what changes it             | `pe`      |
//! | reset lines                                   | `reset`   |
//! | what the platform does by itself              | `platform` |
//! | error logs                                    | `log`     |
//! | configuration space, bridges                  | `config`  |
//! | slots that come and go (DLPAR)                | `slots`   |
//! | virtual functions                             | `sriov`   |
//! | error injection                               | `inject`  |
//! | firmware that lies                            | `garbage` |

mod behaviour;
mod config;
mod garbage;
mod inject;
mod log;
mod pe;
mod platform;
mod reset;
mod slots;
mod sriov;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use eeh_pe::{Bdf, Time};
use eeh_pseries::rtas::{Address, ErrorClass, Rtas, Services, SlotResetState};

pub use self::behaviour::{Behaviour, Busy, Fundamental, Partition};
pub use self::garbage::{Garbage, Lie, Named};
pub use self::slots::Sense;

use self::inject::Sessions;
use self::pe::Record;
use crate::hw::{ConfigWhenFrozen, Machine, Phb, PhbParams};
use crate::journal::{Journal, Made};

/// Status words (LoPAR, "RTAS Call Return Codes").
pub(crate) mod rc {
    pub(crate) const SUCCESS: i32 = 0;
    pub(crate) const NO_LOG: i32 = 1;
    pub(crate) const HARDWARE: i32 = -1;
    pub(crate) const PARAMETER: i32 = -3;
    pub(crate) const CANNOT: i32 = -4;
    pub(crate) const NOT_ENABLED: i32 = -5;
    pub(crate) const UNEXPECTED_STATE: i32 = -7;
    pub(crate) const NO_FUNDAMENTAL: i32 = -8;
}

/// The Unit ID of a PHB.
#[must_use]
pub const fn buid_of(number: u32) -> u64 {
    0x0800_0000_2000_0000 + number as u64
}

/// What firmware knows about one PHB.
#[derive(Debug, Default)]
struct PhbFirmware {
    /// Which incarnation of the PHB this is about.
    phb: Weak<Phb>,
    /// What is known of PEs, by the hardware's numbers. One that is not here is as at boot.
    pes: BTreeMap<u32, Record>,
    /// Slots that the partition does not have.
    isolated: BTreeSet<Bdf>,
    /// When bridges are given back what they lost by the platform's own reset.
    rebuild: Option<Time>,
    /// How many freezes the platform has taken note of.
    freezes: u64,
    /// How often functions were plugged in: all of them, and those of each PE.
    all_pushes: u32,
    pushes: BTreeMap<u32, u32>,
    /// PE numbers of virtual functions, by physical function.
    functions: BTreeMap<Bdf, BTreeSet<u16>>,
    /// What drivers put last into the logs of PEs.
    driver_logs: BTreeMap<u32, Vec<u8>>,
    /// What virtual functions it was allowed to unfreeze.
    allowed: Vec<(Bdf, Vec<u16>)>,
}

/// RTAS, over a machine.
#[derive(Debug)]
pub struct Firmware {
    machine: Arc<Machine>,
    behaviour: Behaviour,
    phbs: Box<[(u32, Mutex<PhbFirmware>)]>,
    sessions: Mutex<Sessions>,
    journal: Journal,
}

/// A call in progress: the PHB, and what firmware knows about it, locked.
struct Call<'a> {
    behaviour: &'a Behaviour,
    phb: Arc<Phb>,
    now: Time,
    state: MutexGuard<'a, PhbFirmware>,
}

impl Firmware {
    /// Firmware that has booted the partition that `machine` is.
    #[must_use]
    pub fn new(machine: Arc<Machine>, behaviour: Behaviour) -> Self {
        let phbs = machine.numbers().map(|n| (n, Mutex::default())).collect();
        Self { machine, behaviour, phbs, sessions: Mutex::default(), journal: Journal::default() }
    }

    /// The machine it runs.
    #[must_use]
    pub const fn machine(&self) -> &Arc<Machine> {
        &self.machine
    }

    /// What it was asked of EEH.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// How it behaves.
    #[must_use]
    pub const fn behaviour(&self) -> &Behaviour {
        &self.behaviour
    }

    /// Begins a call for the PHB with Unit ID `buid`; `None`: the partition has none (-3).
    fn call(&self, buid: u64) -> Option<Call<'_>> {
        let place = self.phbs.iter().find(|p| buid_of(p.0) == buid)?;
        let phb = self.machine.phb(place.0)?;
        let mut state = place.1.lock().unwrap_or_else(PoisonError::into_inner);
        if !core::ptr::eq(state.phb.as_ptr(), Arc::as_ptr(&phb)) {
            *state = PhbFirmware { phb: Arc::downgrade(&phb), ..PhbFirmware::default() };
            // Loads from a stopped PE, of configuration space too, are all ones (EEH option, R-8).
            let config_when_frozen = ConfigWhenFrozen::AllOnes;
            phb.set_params(PhbParams { config_when_frozen, ..phb.params() });
            self.behaviour.partition.apply(&phb);
        }
        let now = phb.now();
        let mut call = Call { behaviour: &self.behaviour, phb, now, state };
        call.act_by_itself();
        Some(call)
    }

    fn run(&self, buid: u64, f: impl FnOnce(&mut Call<'_>) -> i32) -> i32 {
        self.call(buid).map_or(rc::PARAMETER, |mut c| f(&mut c))
    }

    /// The same for a PE, by a configuration address in it.
    fn of_pe(&self, at: Address, f: impl FnOnce(&mut Call<'_>, u32) -> i32) -> i32 {
        self.run(at.buid, |c| c.pe_at(at.config_addr).map_or(rc::PARAMETER, |pe| f(c, pe)))
    }

    /// A call, noted with what it was asked for; it answers a status and a state.
    fn noted(&self, name: &'static str, function: u32, f: impl FnOnce() -> (i32, u32)) -> i32 {
        let at = self.machine.clock().now();
        let (status, state) = f();
        let took = self.machine.clock().now().since(at);
        self.journal.note(Made { name, function, answer: status.into(), state, at, took });
        status
    }

    fn has(&self, service: Services) -> bool {
        self.behaviour.services.contains(service)
    }
}

impl Rtas for Firmware {
    fn services(&self) -> Services {
        self.behaviour.services
    }

    fn error_log_max(&self) -> usize {
        self.behaviour.error_log_max
    }

    fn errinjct_token(&self, class: ErrorClass) -> Option<u32> {
        self.has(Services::ERRINJCT).then(|| inject::token(class))
    }

    fn set_eeh_option(&self, pe: Address, function: u32) -> i32 {
        let made = || (self.of_pe(pe, |c, pe| c.set_eeh_option(pe, function)), 0);
        self.noted("ibm,set-eeh-option", function, made)
    }

    fn set_slot_reset(&self, pe: Address, function: u32) -> i32 {
        let made = || (self.of_pe(pe, |c, pe| c.set_slot_reset(pe, function)), 0);
        self.noted("ibm,set-slot-reset", function, made)
    }

    fn read_slot_reset_state2(&self, pe: Address, out: &mut SlotResetState) -> i32 {
        self.noted("ibm,read-slot-reset-state2", 0, || {
            let status = self.run(pe.buid, |c| {
                // An address that is in no PE is not an error: EEH is not supported for it.
                *out = c.pe_at(pe.config_addr).map_or_else(SlotResetState::default, |pe| c.state_of(pe));
                rc::SUCCESS
            });
            (status, out.state)
        })
    }

    fn read_slot_reset_state(&self, pe: Address, out: &mut SlotResetState) -> i32 {
        let status = self.read_slot_reset_state2(pe, out);
        out.unavailable_ms = 0;
        status
    }

    fn get_config_addr_info2(&self, device: Address, function: u32, out: &mut u32) -> i32 {
        self.run(device.buid, |c| c.config_addr_info(device.config_addr, function, out))
    }

    fn get_config_addr_info(&self, device: Address, function: u32, out: &mut u32) -> i32 {
        self.get_config_addr_info2(device, function, out)
    }

    fn configure_pe(&self, pe: Address) -> i32 {
        self.noted("ibm,configure-pe", 0, || (self.of_pe(pe, |c, pe| c.configure(pe)), 0))
    }

    fn configure_bridge(&self, pe: Address) -> i32 {
        self.noted("ibm,configure-bridge", 0, || (self.of_pe(pe, |c, pe| c.configure(pe)), 0))
    }

    fn slot_error_detail(&self, pe: Address, driver: &[u8], log: &mut [u8], function: u32) -> i32 {
        let made = || (self.of_pe(pe, |c, pe| c.error_detail(pe, driver, log, function)), 0);
        self.noted("ibm,slot-error-detail", function, made)
    }

    fn open_sriov_allow_unfreeze(&self, pf: Address, pes: &[u16]) -> i32 {
        self.run(pf.buid, |c| c.allow_unfreeze(pf.config_addr, pes))
    }

    fn open_errinjct(&self, session: &mut u32) -> i32 {
        self.open_session(session)
    }

    fn errinjct(&self, class: u32, session: u32, work: &[u32]) -> i32 {
        self.inject(class, session, work)
    }

    fn close_errinjct(&self, session: u32) -> i32 {
        self.close_session(session)
    }

    fn read_pci_config(&self, register: Address, size: u32, out: &mut u32) -> i32 {
        *out = u32::MAX;
        self.run(register.buid, |c| c.config_read(register.config_addr, size, out))
    }

    fn write_pci_config(&self, register: Address, size: u32, value: u32) -> i32 {
        self.run(register.buid, |c| c.config_write(register.config_addr, size, value))
    }

    /// Simulated Linux has nobody who keeps RTAS events: they are printed.
    fn log_error(&self, _log: &[u8]) -> bool {
        false
    }
}
