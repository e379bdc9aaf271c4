// SPDX-License-Identifier: GPL-2.0-or-later
//! The machine: its PHBs, by number, each under a lock of its own.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::clock::SimClock;
use super::fabric::Layouts;
use super::phb::{ErrorHook, Phb};
use crate::topology::{MachineSpec, PhbSpec, WindowSpec};

/// A place for a PHB. Its number and windows stay while the PHB is removed and added.
#[derive(Debug)]
struct Slot {
    number: u32,
    windows: Box<[WindowSpec]>,
    phb: RwLock<Option<Arc<Phb>>>,
}

/// The hardware of a machine. Threads may use it at once; PHBs share nothing but the clock.
pub struct Machine {
    clock: Arc<dyn SimClock>,
    slots: Box<[Slot]>,
    hook: Arc<OnceLock<ErrorHook>>,
}

impl core::fmt::Debug for Machine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Machine").field("slots", &self.slots).finish_non_exhaustive()
    }
}

impl Machine {
    /// The machine that `spec` describes, running and enumerated as its dumps show it.
    #[must_use]
    pub fn new(spec: &MachineSpec, clock: Arc<dyn SimClock>) -> Self {
        let hook = Arc::new(OnceLock::new());
        let mut layouts = Layouts::default();
        let slots = spec
            .phbs
            .iter()
            .map(|p| Slot {
                number: p.number,
                windows: p.windows.clone().into(),
                phb: RwLock::new(Some(Arc::new(Phb::new(
                    p,
                    Arc::clone(&clock),
                    Arc::clone(&hook),
                    &mut layouts,
                )))),
            })
            .collect();
        Self { clock, slots, hook }
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn SimClock> {
        &self.clock
    }

    /// Who is told when a PHB raises its error interrupt; once, before the first error. `false`: it
    /// was set before.
    pub fn on_error(&self, hook: ErrorHook) -> bool {
        self.hook.set(hook).is_ok()
    }

    fn slot(&self, number: u32) -> Option<&Slot> {
        self.slots.iter().find(|s| s.number == number)
    }

    /// The PHB of that number, if it is there.
    #[must_use]
    pub fn phb(&self, number: u32) -> Option<Arc<Phb>> {
        self.slot(number)?.phb.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The PHBs that are there, in the order of the spec.
    pub fn phbs(&self) -> impl Iterator<Item = Arc<Phb>> + '_ {
        self.slots.iter().filter_map(|s| self.phb(s.number))
    }

    /// The numbers of all PHBs, there or not.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots.iter().map(|s| s.number)
    }

    /// The number of the PHB whose window holds the CPU address.
    #[must_use]
    pub fn owner(&self, address: u64) -> Option<u32> {
        self.slots.iter().find(|s| s.windows.iter().any(|w| w.contains(address))).map(|s| s.number)
    }

    /// A load of `size` bytes from the CPU address; all ones where no PHB has a window.
    #[must_use]
    pub fn read(&self, address: u64, size: u8) -> u64 {
        match self.owner(address).and_then(|n| self.phb(n)) {
            Some(phb) => phb.read(address, size),
            None => u64::MAX >> (64 - 8 * u32::from(size.clamp(1, 8))),
        }
    }

    /// A store.
    pub fn write(&self, address: u64, size: u8, value: u64) {
        if let Some(phb) = self.owner(address).and_then(|n| self.phb(n)) {
            phb.write(address, size, value);
        }
    }

    /// Takes the PHB away (DLPAR). Who still holds it keeps a PHB that nobody finds. `None`: it is
    /// not there.
    pub fn remove_phb(&self, number: u32) -> Option<Arc<Phb>> {
        self.slot(number)?.phb.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts a fresh PHB where one was removed. `false`: no such place, or one is there.
    pub fn add_phb(&self, spec: &PhbSpec) -> bool {
        let Some(slot) = self.slot(spec.number) else { return false };
        let fresh = Phb::new(spec, Arc::clone(&self.clock), Arc::clone(&self.hook), &mut Layouts::default());
        let mut place = slot.phb.write().unwrap_or_else(PoisonError::into_inner);
        if place.is_some() {
            return false;
        }
        *place = Some(Arc::new(fresh));
        true
    }
}
