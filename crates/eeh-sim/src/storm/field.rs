// SPDX-License-Identifier: GPL-2.0-or-later
//! What all threads of a storm share, and what each actor has of its own.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;

use eeh_pe::Bdf;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use test_utils::hw::Phb;
use test_utils::linux::{SimDevice, SimLinux, SimPhb};
use test_utils::topology::{PciAddress, PhbSpec};

use super::functions;
use super::journal::Journal;
use super::owner::Slots;
use super::pulse::{Pulse, Pulses};
use super::workers::Pool;

/// How many seconds of the machine pass in one of the host's.
pub(super) const SCALE: u32 = 1000;

/// Nothing takes so long, on a slow host either.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was done, counted by those who did it.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Detections by address and by device.
    pub(super) checks: AtomicU64,
    /// Removed and found again, or pulled and pushed.
    pub(super) hotplugs: AtomicU64,
    /// PHBs removed and added.
    pub(super) phbs: AtomicU64,
    /// Drivers unbound and bound.
    pub(super) binds: AtomicU64,
    /// Reports read, all of them once.
    pub(super) reads: AtomicU64,
    /// Handles kept beyond the removal, and found stale.
    pub(super) stale: AtomicU64,
    /// Virtual functions switched on, or off.
    pub(super) numvfs: AtomicU64,
    /// Devices passed through to a guest.
    pub(super) opened: AtomicU64,
    /// What froze in an owner's hands, and stayed so.
    pub(super) kept: AtomicU64,
    /// What owners, drivers and administrators asked for and got, or did not.
    pub(super) granted: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// Counts one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Shared by all threads.
pub(super) struct Field<'a> {
    pub(super) linux: &'a SimLinux,
    /// The PHBs of the machine, there or not.
    pub(super) specs: Vec<Arc<PhbSpec>>,
    /// The functions that can have virtual ones.
    pub(super) pfs: Vec<PciAddress>,
    /// Held by who writes a `sriov_numvfs`, and shared by those who remove devices.
    pub(super) numvfs: RwLock<()>,
    /// What is passed through, or reset by its driver.
    pub(super) slots: Mutex<Slots>,
    pub(super) seed: u64,
    pub(super) counts: Counts,
    pub(super) journal: &'a Journal,
    pub(super) pulses: Pulses,
    pub(super) pool: Pool,
    /// A thread that does one thing for longer hangs.
    pub(super) patience: Duration,
    /// No more faults: actors end.
    pub(super) calm: AtomicBool,
    /// No more checks: detectors end.
    pub(super) silent: AtomicBool,
    /// Workers and helpers end.
    pub(super) over: AtomicBool,
    findings: Mutex<Vec<String>>,
}

impl<'a> Field<'a> {
    pub(super) fn new(
        linux: &'a SimLinux,
        specs: Vec<Arc<PhbSpec>>,
        seed: u64,
        journal: &'a Journal,
    ) -> Self {
        Self {
            linux,
            pfs: functions::physical(&specs),
            numvfs: RwLock::default(),
            slots: Mutex::default(),
            specs,
            seed,
            counts: Counts::default(),
            journal,
            pulses: Pulses::default(),
            pool: Pool::default(),
            patience: PATIENCE,
            calm: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            over: AtomicBool::new(false),
            findings: Mutex::default(),
        }
    }

    /// Something is wrong.
    pub(super) fn find(&self, text: String) {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// What was found wrong so far.
    pub(super) fn findings(&self) -> Vec<String> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Acquire)
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// An actor, whose choices depend on the storm's seed and on its number.
    pub(super) fn actor(&self, kind: &str, number: u64) -> Actor<'_, 'a> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(number);
        Actor { field: self, rng, pulse: self.pulses.add(format!("{kind} (actor {number})")) }
    }
}

/// One of those who make the storm.
pub(super) struct Actor<'f, 'a> {
    pub(super) field: &'f Field<'a>,
    rng: ChaCha8Rng,
    pub(super) pulse: Arc<Pulse>,
}

impl<'f, 'a> Actor<'f, 'a> {
    pub(super) fn linux(&self) -> &'a SimLinux {
        self.field.linux
    }

    /// A number below `n`; 0 when that is 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        let word = usize::try_from(self.rng.next_u32()).unwrap_or(0);
        word.checked_rem(n).unwrap_or(0)
    }

    /// True `n` times in a hundred.
    pub(super) fn percent(&mut self, n: usize) -> bool {
        self.below(100) < n
    }

    /// One of them.
    pub(super) fn choose<'s, T>(&mut self, all: &'s [T]) -> Option<&'s T> {
        let at = self.below(all.len());
        all.get(at)
    }

    /// Rests for some of the host's milliseconds, fewer than `most`.
    pub(super) fn rest(&mut self, least: usize, most: usize) {
        let micros = 1000 * least + self.below(1000 * (most - least));
        self.pulse.rests();
        thread::sleep(Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
    }

    /// A PHB that Linux has at this moment.
    pub(super) fn phb(&mut self) -> Option<Arc<SimPhb>> {
        let phbs = self.linux().phbs();
        self.choose(&phbs).cloned()
    }

    /// A device that Linux has at this moment, of those that `fits` says.
    pub(super) fn device(&mut self, fits: impl Fn(&SimDevice) -> bool) -> Option<Arc<SimDevice>> {
        let devices: Vec<_> = self.phb()?.devices().into_iter().filter(|d| fits(d)).collect();
        self.choose(&devices).cloned()
    }

    /// The hardware of a device, and the PE that it belongs to.
    pub(super) fn hardware(&self, phb: u32, bdf: Bdf) -> Option<(Arc<Phb>, u32)> {
        let hardware = self.linux().hardware(phb)?;
        let pe = hardware.pe_of(bdf)?;
        Some((hardware, pe))
    }
}
