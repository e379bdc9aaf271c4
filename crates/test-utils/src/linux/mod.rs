// SPDX-License-Identifier: GPL-2.0-or-later
//! Simulated Linux: the PCI core over the simulated machine, with EEH inside.
//!
//! [`SimLinux`] is `Sync`: everything may be called from any thread. What takes time or waits for a
//! lock is a future (see [`crate::task`]), polled by an engine or by the thread that needs it.

mod access;
mod bind;
mod boot;
mod calls;
mod command;
mod console;
mod crew;
mod detect;
mod device;
mod dlpar;
mod env;
mod firmware;
mod hotplug;
mod jobs;
mod late;
mod mailbox;
mod observer;
mod owner;
mod phb;
mod phbs;
mod platform;
mod probe;
mod quiet;
mod scan;
mod sriov;
mod work;

use core::fmt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use eeh_pe::{Bdf, Registry, Time};
use eeh_recovery::{Params, WorkerStorage};

pub use bind::Died;
pub use boot::{BootError, Clock, Options};
pub use calls::{Call, Calls, Moment};
pub use console::{Console, Line};
pub use crew::Crew;
pub use device::{Buses, Identity, SimDevice};
pub use env::{SimEnv, SpinLock};
pub use firmware::{FirmwareKind, SimFirmware};
pub use hotplug::HotplugError;
pub use mailbox::{Letter, Mailboxes, Started};
pub use observer::{Listener, REMEMBERED, SimObserver, Tally};
pub use owner::{Grant, Wish};
pub use phb::SimPhb;
pub use platform::SimPhbs;
pub use work::CannotBreak;

use eeh_pseries::PSeries;

use crate::drivers::Temperament;
use crate::hw::Machine;
use crate::rtas::Garbage;
use crate::task::{Gate, Pace, SleepLock};

/// Linux on a simulated machine.
pub struct SimLinux {
    machine: Arc<Machine>,
    back_end: SimFirmware,
    registry: Registry<SimEnv>,
    /// Whether there was memory for that.
    has_eeh: bool,
    mailboxes: Arc<Mailboxes>,
    console: Arc<Console>,
    observer: SimObserver,
    pace: Pace,
    phbs: RwLock<BTreeMap<u32, Arc<SimPhb>>>,
    rescan: SleepLock,
    hanging: Gate,
    temperaments: RwLock<BTreeMap<(u32, Bdf), Temperament>>,
    params: Mutex<Params>,
    seed: u64,
    /// Address ranges of the PHB that has most: a place in the registry serves any.
    ranges: usize,
    new_trees: Mutex<Vec<eeh_pe::TreeId>>,
    /// Memory of the workers that are not there yet.
    storages: Mutex<BTreeMap<eeh_pe::TreeId, WorkerStorage<SimEnv>>>,
    calls: Calls,
    quiet: quiet::Quiet,
    grants: Mutex<Vec<Grant>>,
}

impl SimLinux {
    /// The hardware.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The firmware of a pSeries machine.
    #[must_use]
    pub fn rtas(&self) -> Option<&Garbage> {
        self.back_end.pseries().map(PSeries::rtas)
    }

    /// The firmware of a PowerNV machine.
    #[must_use]
    pub const fn opal(&self) -> Option<&crate::opal::Garbage> {
        match &self.back_end {
            SimFirmware::PowerNv(back) => Some(back.opal()),
            SimFirmware::PSeries(_) => None,
        }
    }

    /// The firmware back end.
    #[must_use]
    pub const fn back_end(&self) -> &SimFirmware {
        &self.back_end
    }

    /// The trees of PEs.
    #[must_use]
    pub const fn registry(&self) -> &Registry<SimEnv> {
        &self.registry
    }

    /// The mailboxes of workers and helpers.
    #[must_use]
    pub fn mailboxes(&self) -> &Mailboxes {
        &self.mailboxes
    }

    /// The log.
    #[must_use]
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// The observer, with its counters and record.
    #[must_use]
    pub const fn watcher(&self) -> &SimObserver {
        &self.observer
    }

    /// The calls of drivers.
    #[must_use]
    pub const fn calls(&self) -> &Calls {
        &self.calls
    }

    const fn quiet(&self) -> &quiet::Quiet {
        &self.quiet
    }

    /// How time passes.
    #[must_use]
    pub const fn pace(&self) -> &Pace {
        &self.pace
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Time {
        self.pace.now()
    }

    /// The PCI core's global lock around adding and removing. C: `pci_rescan_remove_lock`
    #[must_use]
    pub const fn rescan_lock(&self) -> &SleepLock {
        &self.rescan
    }

    /// What hanging drivers wait for. Opened, they come back late.
    #[must_use]
    pub const fn hanging(&self) -> &Gate {
        &self.hanging
    }

    /// The parameters of recovery.
    #[must_use]
    pub fn parameters(&self) -> Params {
        *self.params.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets them.
    pub fn set_parameters(&self, params: Params) {
        *self.params.lock().unwrap_or_else(PoisonError::into_inner) = params;
    }

    /// How the driver of a device behaves from its next binding on.
    pub fn set_temperament(&self, phb: u32, bdf: Bdf, temperament: Temperament) {
        let mut all = self.temperaments.write().unwrap_or_else(PoisonError::into_inner);
        all.insert((phb, bdf), temperament);
    }

    fn temperament(&self, device: &SimDevice) -> Temperament {
        let all = self.temperaments.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&(device.phb_number(), device.bdf())).cloned().unwrap_or_default()
    }

    /// A number that depends on the seed and `salt` only.
    #[must_use]
    pub(crate) fn random(&self, salt: u64) -> u64 {
        // One step of SplitMix64.
        let mut z = self.seed.wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// What a driver of the device writes into its settings: another value with each binding.
    fn token(&self, device: &SimDevice) -> u32 {
        let salt = u64::from(device.phb_number()) << 32 | u64::from(device.bdf().0);
        let [a, b, c, d, ..] = self.random(salt ^ self.now().as_nanos()).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// The number in the name of a device that its driver names itself (`nvme0`).
    fn instance_of(&self, device: &SimDevice) -> usize {
        let name = device.driver().map(|d| d.name().to_owned());
        let mut count = 0;
        for phb in self.phbs() {
            for other in phb.devices() {
                if (other.phb_number(), other.bdf()) == (device.phb_number(), device.bdf()) {
                    return count;
                }
                if other.driver().is_some_and(|d| Some(d.name()) == name.as_deref()) {
                    count += 1;
                }
            }
        }
        count
    }
}

impl fmt::Debug for SimLinux {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimLinux").field("machine", &self.machine).finish_non_exhaustive()
    }
}
