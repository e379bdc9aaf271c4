// SPDX-License-Identifier: GPL-2.0-or-later
//! Powering a machine on and booting Linux on it.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, RwLock};

use eeh_pe::{
    Bdf, PeId, PeNumber, PeType, PhbNumber, Registry, RegistryLimits, RegistryStorage, Time, TreeId,
};
use eeh_powernv::PowerNv;
use eeh_pseries::PSeries;
use eeh_recovery::{
    FirmwareError, Params, PeTarget, PhbTarget, ResetKind, ResetPoint, ResetPoll, SlotControl,
};

use super::SimLinux;
use super::calls::Calls;
use super::console::Console;
use super::env::SimEnv;
use super::firmware::{self, FirmwareKind, SimFirmware};
use super::mailbox::Mailboxes;
use super::observer::SimObserver;
use super::platform::{Interrupts, SimPhbs};
use crate::drivers::Temperament;
use crate::hw::{Machine, ScaledClock, SimClock, Timing};
use crate::opal::{self, Version};
use crate::rtas::{self, Garbage};
use crate::task::{Gate, Pace, SleepLock, VirtualTime};
use crate::topology::{FunctionSpec, MachineSpec, PciAddress, PhbSpec};

/// Which clock a machine has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// Time moves when the engine says so.
    Virtual,
    /// So many seconds of the machine pass in one of the host's: for real threads.
    Scaled(u32),
}

/// How to boot.
#[derive(Clone, Debug)]
pub struct Options {
    /// The platform and its firmware.
    pub firmware: FirmwareKind,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// The clock.
    pub clock: Clock,
    /// Drivers that depart from the table.
    pub temperaments: BTreeMap<PciAddress, Temperament>,
    /// Parameters of recovery.
    pub params: Params,
    /// When devices are ready after a reset.
    pub ready_after: Duration,
    /// Whether the kernel follows one that crashed, or was told `reset_devices`: PHBs are reset.
    pub reset_devices: bool,
    /// Functions whose PEs the kernel before left frozen.
    pub left_frozen: Vec<PciAddress>,
    /// Whether the observer keeps a record and the console its lines.
    pub record: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            firmware: Version::skiboot().into(),
            seed: 0,
            clock: Clock::Virtual,
            temperaments: BTreeMap::new(),
            params: Params::default(),
            ready_after: Timing::default().ready_after,
            reset_devices: false,
            left_frozen: Vec::new(),
            record: true,
        }
    }
}

/// Why a machine does not boot.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BootError {
    /// It has no PHB.
    #[error("the machine has no PHB")]
    NoPhbs,
    /// A temperament for a device that does not exist.
    #[error("there is no device {0} to give a driver")]
    NoDevice(PciAddress),
    /// A temperament for a bridge.
    #[error("{0} is a bridge, and bridges have no driver here")]
    Bridge(PciAddress),
    /// `adds` for a device whose slot is full.
    #[error("the slot of {0} has no room for another function")]
    SlotFull(PciAddress),
    /// Firmware lacks a call that EEH needs.
    #[error(transparent)]
    Firmware(#[from] FirmwareError),
    /// There is no memory, not even for an empty registry of PEs.
    #[error("out of memory")]
    NoMemory,
    /// A PHB was refused.
    #[error(transparent)]
    Phb(#[from] super::HotplugError),
}

/// Virtual time when Linux is up.
const BOOTED: Time = Time::from_nanos(1_000_000_000);
/// CPUs that count apart.
const CPUS: usize = 64;

impl SimLinux {
    /// Powers a machine on and boots Linux: all buses scanned, EEH probed, drivers bound.
    ///
    /// # Errors
    ///
    /// A machine without PHBs, and options that do not fit it.
    pub fn boot(spec: &MachineSpec, options: &Options) -> Result<Self, BootError> {
        if spec.phbs.is_empty() {
            return Err(BootError::NoPhbs);
        }
        let (spec, spares) = with_spares(spec, &options.temperaments)?;
        let (clock, pace) = clocks(options.clock);
        let machine = Arc::new(Machine::new(&spec, clock));
        prepare(&machine, &spec, options.ready_after, &spares);
        for left in &options.left_frozen {
            let hardware = machine.phb(left.phb);
            if let Some((hardware, pe)) = hardware.and_then(|hw| hw.pe_of(left.bdf).map(|pe| (hw, pe))) {
                hardware.freeze(pe);
            }
        }
        let trees = spec.phbs.len() * 2 + 4;
        let news = options.clock == Clock::Virtual;
        let mailboxes = Arc::new(Mailboxes::new(trees, news));
        let console = Arc::new(Console::default());
        if !options.record {
            console.silence();
        }
        let back_end = match options.firmware {
            FirmwareKind::PowerNv(version) => {
                let opal = opal::Garbage::new(opal::Firmware::new(machine.clone(), version));
                let interrupts = Arc::new(Interrupts::new(&spec, mailboxes.clone()));
                let phbs =
                    SimPhbs::new(&spec, machine.clone(), interrupts.clone(), console.clone(), pace.clone());
                machine.on_error(Arc::new(move |number| interrupts.raise(number)));
                SimFirmware::PowerNv(PowerNv::new(opal, phbs))
            }
            // No interrupt tells of errors.
            FirmwareKind::PSeries(behaviour) => {
                let rtas = Garbage::new(rtas::Firmware::new(machine.clone(), behaviour));
                SimFirmware::PSeries(PSeries::new(rtas)?)
            }
        };
        let storage = RegistryStorage::<SimEnv>::reserve(limits(&spec, trees));
        let has_eeh = storage.is_some();
        if !has_eeh {
            console.kernel(pace.now(), &format_args!("EEH: initialization failure: out of memory"));
        }
        // One without a place for a PHB.
        let empty = RegistryLimits { phbs: 0, pes: 0, devices: 0, cpus: 1 };
        let storage = storage.or_else(|| RegistryStorage::reserve(empty)).ok_or(BootError::NoMemory)?;
        let linux = Self {
            back_end,
            machine,
            registry: Registry::new(storage),
            has_eeh,
            mailboxes,
            observer: SimObserver::new(console.clone(), options.record),
            console,
            pace,
            phbs: RwLock::default(),
            rescan: SleepLock::new(),
            hanging: Gate::default(),
            temperaments: RwLock::new(
                options.temperaments.iter().map(|(at, t)| ((at.phb, at.bdf), t.clone())).collect(),
            ),
            params: Mutex::new(options.params),
            seed: options.seed,
            ranges: most_ranges(&spec),
            new_trees: Mutex::default(),
            storages: Mutex::default(),
            calls: Calls::new(options.record),
            quiet: Default::default(),
            grants: Mutex::default(),
        };
        if options.reset_devices {
            linux.reset_phbs(&spec);
        }
        linux.find_all(spec)?;
        Ok(linux)
    }

    /// Resets each PHB: all of it, or on pSeries its first PE. What becomes of it shows when it is scanned.
    /// C: `pnv_pci_init_ioda_phb`, `eeh_pseries_init`
    fn reset_phbs(&self, spec: &MachineSpec) {
        self.console().kernel(self.now(), &format_args!("Issue PHB reset ..."));
        for phb in &spec.phbs {
            let number = PhbNumber(phb.number);
            let target = PhbTarget {
                tree: TreeId::NONE,
                number,
                firmware: firmware::phb_id(&self.back_end, phb.number),
            };
            let Some(back) = self.back_end.pseries() else {
                let pe = PeTarget { pe: PeId::NONE, phb: target, number: PeNumber(0), kind: PeType::PHB };
                let kind = ResetKind::Fundamental;
                let mut reset = self.back_end.begin_reset(&pe, &ResetPoint::Phb, kind);
                self.spend(|now| self.back_end.poll_reset(&mut reset, now));
                continue;
            };
            let begin = |f: &FunctionSpec| back.begin_start_reset(target.firmware, f.bdf).ok()?;
            if let Some(mut start) = phb.functions.iter().find_map(begin) {
                self.spend(|now| back.poll_start_reset(&mut start, now));
            }
        }
    }

    /// Lets a reset have the time that it wants.
    fn spend(&self, mut poll: impl FnMut(Time) -> ResetPoll) {
        while let ResetPoll::Wait { until, .. } = poll(self.now()) {
            self.machine.clock().spend(until.since(self.now()));
        }
    }

    fn find_all(&self, spec: MachineSpec) -> Result<(), BootError> {
        for phb in spec.phbs {
            let phb = self.register_phb(&Arc::new(phb))?;
            let (found, _) = self.scan(&phb, phb.root_bus());
            for device in &found {
                self.probe_eeh(&phb, device);
            }
            for device in &found {
                self.attach_at_boot(device);
            }
        }
        Ok(())
    }

    /// Virtual time, unless the machine has a real clock.
    #[must_use]
    pub fn virtual_time(&self) -> Option<&Arc<VirtualTime>> {
        match self.pace() {
            Pace::Virtual(time) => Some(time),
            Pace::Real(_) => None,
        }
    }
}

fn clocks(which: Clock) -> (Arc<dyn SimClock>, Pace) {
    match which {
        Clock::Virtual => {
            let time = Arc::new(VirtualTime::default());
            time.set(BOOTED);
            (time.clone(), Pace::Virtual(time))
        }
        Clock::Scaled(factor) => {
            let clock = Arc::new(ScaledClock::new(factor));
            (clock.clone(), Pace::Real(clock))
        }
    }
}

fn most_ranges(spec: &MachineSpec) -> usize {
    let ranges = |phb: &PhbSpec| phb.functions.iter().map(|f| f.bars.len()).sum::<usize>();
    // Some more, for what a driver adds.
    spec.phbs.iter().map(ranges).max().unwrap_or(0) + 16
}

fn limits(spec: &MachineSpec, trees: usize) -> RegistryLimits {
    let most = spec.phbs.iter().map(|phb| phb.functions.len()).max().unwrap_or(0);
    // Tombstones that somebody still refers to take room beside what is there.
    let room = (most * 4 + 64).min(65_504);
    RegistryLimits { phbs: trees, pes: room, devices: room, cpus: CPUS }
}

/// Sets how devices come back from resets, and takes the spare functions out until they are added.
fn prepare(machine: &Machine, spec: &MachineSpec, ready_after: Duration, spares: &[PciAddress]) {
    for phb in &spec.phbs {
        let Some(hardware) = machine.phb(phb.number) else { continue };
        for function in phb.functions.iter().filter(|f| !f.is_bridge()) {
            let timing = hardware.timing(function.bdf).unwrap_or_default();
            hardware.set_timing(function.bdf, Timing { ready_after, ..timing });
        }
    }
    for spare in spares {
        if let Some(hardware) = machine.phb(spare.phb) {
            hardware.pull(spare.bdf);
        }
    }
}

/// The machine with one more function in the slot of each device whose driver adds one.
fn with_spares(
    spec: &MachineSpec,
    temperaments: &BTreeMap<PciAddress, Temperament>,
) -> Result<(MachineSpec, Vec<PciAddress>), BootError> {
    let mut spec = spec.clone();
    let mut spares = Vec::new();
    for (at, temperament) in temperaments {
        let phb = spec.phbs.iter_mut().find(|phb| phb.number == at.phb);
        let phb = phb.ok_or(BootError::NoDevice(*at))?;
        // A virtual function may come later.
        let Some(function) = phb.function(at.bdf).or_else(|| phb.physical_function(at.bdf)) else {
            return Err(BootError::NoDevice(*at));
        };
        if function.is_bridge() {
            return Err(BootError::Bridge(*at));
        }
        if temperament.adds.is_none() {
            continue;
        }
        let free = (1..8)
            .filter_map(|function| Bdf::new(at.bdf.bus(), at.bdf.device(), function))
            .find(|bdf| phb.function(*bdf).is_none())
            .ok_or(BootError::SlotFull(*at))?;
        let spare = spare_of(function, free);
        for sibling in phb.functions.iter_mut().filter(|f| f.bdf == at.bdf) {
            // The multi-function bit of the header type: the scan looks further then.
            if let Some(header) = sibling.config.get_mut(0x0e) {
                *header |= 0x80;
            }
        }
        phb.functions.push(spare);
        phb.functions.sort_by_key(|f| f.bdf);
        spares.push(PciAddress { phb: at.phb, bdf: free });
    }
    Ok((spec, spares))
}

/// A function like `function`, without registers.
fn spare_of(function: &FunctionSpec, bdf: Bdf) -> FunctionSpec {
    let mut spare = FunctionSpec { bdf, bars: Vec::new(), driver: None, ..function.clone() };
    if let Some(bars) = spare.config.get_mut(0x10..0x28) {
        bars.fill(0);
    }
    spare
}
