// SPDX-License-Identifier: GPL-2.0-or-later
//! The firmware of a simulated machine: OPAL's PCI services over [`crate::hw`].
//!
//! Two versions: [`Version::Skiboot`] has skiboot's slot state machines with their waits and refusals
//! and is checked against recorded calls (`tests/opal_traces.rs`); [`Version::Ideal`] asks for no wait
//! beyond PCIe's own and never refuses.
//!
//! A call that takes its time spends it on the machine's clock with its PHB's firmware lock held, as
//! skiboot does: another call for the same PHB waits. PHBs share no lock.

mod config;
mod diag;
mod errors;
mod garbage;
mod ideal;
mod inject;
mod pcie_slot;
mod phb_slot;
mod resets;
mod restore;
mod slot;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use eeh_powernv::opal::{FreezeStatus, NextErrorOut, Opal, rc};

pub use self::garbage::{Garbage, Lie, Named};

use crate::hw::{Machine, Phb};
use crate::journal::{Journal, Made};
use crate::topology::PhbKind;
use slot::Slot;

/// Which firmware.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// skiboot's behaviour.
    Skiboot(Quirks),
    /// Nothing but what the specifications ask for.
    Ideal,
}

impl Version {
    /// skiboot as QEMU ships it: what the recorded traces show.
    #[must_use]
    pub fn skiboot() -> Self {
        Self::Skiboot(Quirks::default())
    }
}

/// Where skiboot differs from place to place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quirks {
    /// The slot of a PHB4 or PHB5 is left waiting for a stable link, so that the first hot or fundamental reset
    /// after boot, and after each real one, answers OPAL_HARDWARE and only re-arms the slot (QEMU).
    /// Otherwise the last poll of a reset waits one second more, restores the bus numbers behind the
    /// root port, and the next reset is not refused (real machines).
    pub leaves_link_unstable: bool,
    /// PHB4 and PHB5 do not tell of a fence through OPAL_PCI_NEXT_ERROR; it is found by reads of all
    /// ones only (skiboot's `phb4_eeh_next_error` as published). Off by default, so that a fence
    /// raises an event on every PHB.
    pub fence_is_silent: bool,
    /// How long OPAL_PCI_GET_PHB_DIAG_DATA2 takes: skiboot prints the registers on its console.
    pub diag_takes: Duration,
}

impl Default for Quirks {
    fn default() -> Self {
        Self { leaves_link_unstable: true, fence_is_silent: false, diag_takes: Duration::from_millis(24) }
    }
}

/// What firmware knows about one PHB.
#[derive(Debug, Default)]
struct PhbFirmware {
    /// Which incarnation of the PHB this is about.
    phb: Weak<Phb>,
    root: Slot,
    /// Slots of functions below, by their BDF.
    slots: BTreeMap<u16, Slot>,
    /// Configuration cycles below the root port are refused while the link is down on purpose.
    config_blocked: bool,
}

/// OPAL, over a machine.
#[derive(Debug)]
pub struct Firmware {
    machine: Arc<Machine>,
    version: Version,
    phbs: Box<[(u32, Mutex<PhbFirmware>)]>,
    journal: Journal,
}

/// A call in progress: the PHB, and what firmware knows about it, locked.
struct Call<'a> {
    firmware: &'a Firmware,
    phb: Arc<Phb>,
    state: MutexGuard<'a, PhbFirmware>,
}

impl Firmware {
    /// Firmware that has booted `machine`.
    #[must_use]
    pub fn new(machine: Arc<Machine>, version: Version) -> Self {
        let phbs = machine.numbers().map(|n| (n, Mutex::default())).collect();
        Self { machine, version, phbs, journal: Journal::default() }
    }

    /// The machine it runs.
    #[must_use]
    pub const fn machine(&self) -> &Arc<Machine> {
        &self.machine
    }

    /// What it was asked.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Which firmware it is.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Whether any PHB has an error event (OPAL_EVENT_PCI_ERROR) for the operating system.
    #[must_use]
    pub fn event_pending(&self) -> bool {
        self.machine.phbs().any(|p| p.error_raised())
    }

    const fn quirks(&self) -> Quirks {
        match self.version {
            Version::Skiboot(q) => q,
            Version::Ideal => {
                Quirks { leaves_link_unstable: false, fence_is_silent: false, diag_takes: Duration::ZERO }
            }
        }
    }

    /// Begins a call for the PHB with OPAL id `id`; `None`: there is none (OPAL_PARAMETER).
    fn call(&self, id: u64) -> Option<Call<'_>> {
        let number = u32::try_from(id).ok()?;
        let place = self.phbs.iter().find(|p| p.0 == number)?;
        let phb = self.machine.phb(number)?;
        let mut state = place.1.lock().unwrap_or_else(PoisonError::into_inner);
        if !core::ptr::eq(state.phb.as_ptr(), Arc::as_ptr(&phb)) {
            let new = matches!(phb.kind(), PhbKind::Phb4 | PhbKind::Phb5);
            let root = Slot::booted(new && self.quirks().leaves_link_unstable && phb.has_card());
            *state = PhbFirmware { phb: Arc::downgrade(&phb), root, ..PhbFirmware::default() };
        }
        Some(Call { firmware: self, phb, state })
    }

    fn run(&self, id: u64, f: impl FnOnce(&mut Call<'_>) -> i64) -> i64 {
        self.call(id).map_or(rc::PARAMETER, |mut c| f(&mut c))
    }

    /// The same, noted as the call with this opcode.
    fn noted(&self, name: &'static str, id: u64, f: impl FnOnce(&mut Call<'_>) -> i64) -> i64 {
        let at = self.machine.clock().now();
        let answer = self.run(id, f);
        let took = self.machine.clock().now().since(at);
        self.journal.note(Made { name, function: 0, answer, state: 0, at, took });
        answer
    }
}

impl Call<'_> {
    fn spend(&self, d: Duration) {
        if !d.is_zero() {
            self.firmware.machine.clock().spend(d);
        }
    }
}

impl Opal for Firmware {
    fn pci_eeh_freeze_status(&self, phb: u64, pe: u64, out: &mut FreezeStatus) -> i64 {
        self.noted("23", phb, |c| c.freeze_status(pe, out))
    }

    fn pci_eeh_freeze_clear(&self, phb: u64, pe: u64, action: u64) -> i64 {
        self.noted("26", phb, |c| c.freeze_clear(pe, action))
    }

    fn pci_eeh_freeze_set(&self, phb: u64, pe: u64, action: u64) -> i64 {
        self.noted("97", phb, |c| c.freeze_set(pe, action))
    }

    fn pci_reset(&self, id: u64, scope: u8, assert: u8) -> i64 {
        self.noted("49", slot::phb_of(id), |c| c.reset(id, scope, assert))
    }

    fn pci_poll(&self, id: u64) -> i64 {
        self.noted("62", slot::phb_of(id), |c| c.poll(id))
    }

    fn pci_next_error(&self, phb: u64, out: &mut NextErrorOut) -> i64 {
        self.noted("60", phb, |c| c.next_error(out))
    }

    fn pci_get_phb_diag_data2(&self, phb: u64, buffer: &mut [u8]) -> i64 {
        self.noted("64", phb, |c| c.phb_diag(buffer))
    }

    fn pci_get_hub_diag_data(&self, hub: u64, buffer: &mut [u8]) -> i64 {
        self.hub_diag(hub, buffer)
    }

    fn pci_reinit(&self, phb: u64, scope: u64, data: u64) -> i64 {
        self.run(phb, |c| c.reinit(scope, data))
    }

    fn pci_err_inject(&self, phb: u64, pe: u32, kind: u32, function: u32, address: u64, mask: u64) -> i64 {
        self.run(phb, |c| c.err_inject(pe, kind, function, address, mask))
    }

    fn pci_config_read(&self, phb: u64, bdf: u16, offset: u16, size: u8, out: &mut u32) -> i64 {
        *out = u32::MAX >> (32 - 8 * u32::from(size.clamp(1, 4)));
        self.run(phb, |c| c.config_read(bdf, offset, size, out))
    }

    fn pci_config_write(&self, phb: u64, bdf: u16, offset: u16, size: u8, value: u32) -> i64 {
        self.run(phb, |c| c.config_write(bdf, offset, size, value))
    }
}
