// SPDX-License-Identifier: GPL-2.0-or-later
//! The environment: waking workers, the PCI core, and whatever may take for ever.

use core::time::Duration;

use bitflags::bitflags;
use eeh_pe::{Env, Time, TreeId};

use super::{ConfigSpace, ErrorLog, ErrorSource, FirmwareError, PhbTarget, SlotControl, SlotState};
use crate::{ErsResult, Handler, Job, JobId, Observer, Text};

/// Wakes a PHB's worker, and remembers for it that firmware wants to be asked.
///
/// # Context
///
/// Any; never waits.
pub trait Wake {
    /// Wakes the worker of `tree`, if it has one; waking twice is once.
    fn wake(&self, tree: TreeId);

    /// Remembers that the worker of `tree` is to ask firmware for errors, and wakes it. C: an event
    /// without a PE
    fn request_check(&self, tree: TreeId);

    /// Whether such a request is there; takes it. Only the worker of `tree` calls this, and after
    /// each taken request it calls [`ErrorSource::rearm`] once.
    fn take_check(&self, tree: TreeId) -> bool;
}

/// State of the path to a device. C: `pci_channel_state_t`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ChannelState {
    /// C: `pci_channel_io_normal`
    Normal,
    /// C: `pci_channel_io_frozen`
    Frozen,
    /// C: `pci_channel_io_perm_failure`
    PermFailure,
}

/// A driver's name.
pub type DriverName = Text<24>;

/// A location code.
pub type Location = Text<48>;

bitflags! {
    /// The error handlers that a driver has.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Handlers: u8 {
        /// `error_detected`
        const ERROR_DETECTED = 1;
        /// `mmio_enabled`
        const MMIO_ENABLED = 2;
        /// `slot_reset`
        const SLOT_RESET = 4;
        /// `resume`
        const RESUME = 8;
    }
}

/// What a device's driver can do about errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DriverKind {
    /// No driver is bound.
    None,
    /// Bound, without `error_detected` and `slot_reset`.
    Unaware,
    /// Bound, with both: it survives a reset.
    Aware,
}

/// A bound driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Driver {
    /// Its name.
    pub name: DriverName,
    /// Its error handlers; `None` when it has no `err_handler` at all.
    pub handlers: Option<Handlers>,
}

impl Driver {
    /// Whether it has `handler`.
    #[must_use]
    pub fn has(&self, handler: Handler) -> bool {
        let bit = match handler {
            Handler::ErrorDetected(_) => Handlers::ERROR_DETECTED,
            Handler::MmioEnabled => Handlers::MMIO_ENABLED,
            Handler::SlotReset => Handlers::SLOT_RESET,
            Handler::Resume => Handlers::RESUME,
        };
        self.handlers.is_some_and(|h| h.contains(bit))
    }

    /// What it can do.
    #[must_use]
    pub fn kind(&self) -> DriverKind {
        let both = Handlers::ERROR_DETECTED.union(Handlers::SLOT_RESET);
        if self.handlers.is_some_and(|h| h.contains(both)) { DriverKind::Aware } else { DriverKind::Unaware }
    }
}

/// The PCI core, where it needs no driver's code and no lock shared between PHBs.
///
/// # Context
///
/// The worker, without any lock. None of these calls an error handler, takes the rescan lock or the
/// `device_lock`, or waits for a device.
pub trait PciCore<E: Env> {
    /// Sets `pdev->error_state`: a store, and nothing else. A device whose driver is still in its probe is not
    /// taken offline: the driver hears of no error, and must come back by its own timeouts.
    ///
    /// # Context
    ///
    /// Any but NMI: whoever finds a freeze calls it, under the tree's lock.
    fn set_channel_state(&self, device: &E::Device, state: ChannelState);

    /// Disables the device's INTx, and answers whether it did: not with MSI, not without a handler.
    /// C: `eeh_disable_irq`
    fn disable_irq(&self, device: &E::Device) -> bool;

    /// Enables the INTx that [`PciCore::disable_irq`] disabled. C: `eeh_enable_irq`
    fn enable_irq(&self, device: &E::Device);

    /// The device's driver at this moment, if one is bound.
    fn driver(&self, device: &E::Device) -> Option<Driver>;

    /// Whether the device wants PERST# (`pdev->needs_freset`).
    fn needs_fundamental(&self, device: &E::Device) -> bool;

    /// Location code of the device's bus; `N/A` without one. C: `eeh_pe_loc_get`
    fn location(&self, device: &E::Device) -> Location;

    /// Location code of the PHB; `N/A` without one.
    fn phb_location(&self, phb: &PhbTarget) -> Location;

    /// Wakes the device up and saves its configuration space. C: `pci_set_power_state(D0)`,
    /// `pci_save_state`
    fn save_state(&self, device: &E::Device);

    /// Restores what was saved. C: `pci_restore_state`
    fn restore_state(&self, device: &E::Device);

    /// Enables the device again as it was enabled before a reset; whether that worked.
    /// C: `pci_reenable_device`
    fn reenable(&self, device: &E::Device) -> bool;

    /// Sends the uevent of an outcome. C: `pci_uevent_ers`
    fn uevent(&self, device: &E::Device, result: ErsResult);

    /// The device's driver has resumed: tells firmware which virtual functions it may unfreeze, where
    /// it wants to know (PAPR, open SR-IOV) and the device is a physical or virtual function.
    /// C: `eeh_ops->notify_resume`
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn notify_resume(&self, device: &E::Device) -> Result<(), FirmwareError>;
}

/// Runs what may take for ever: error handlers, and adding and removing devices.
///
/// One job of a worker runs at a time. Its answer goes to the `Worker` with the job's
/// id; the answer of a job whose id is void touches nothing.
pub trait Helper<E: Env> {
    /// Starts a job and returns at once.
    fn start(&self, tree: TreeId, id: JobId, job: Job<E>);

    /// The running job of `tree` will not be waited for: its helper is lost, with the `device_lock`
    /// that it holds. A new helper serves the next job.
    fn abandon(&self, tree: TreeId, id: JobId);
}

/// What an administrator may set at any time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Params {
    /// Freezes of a PE within an hour that are recovered; one more and it is disabled. C: `eeh_max_freezes`
    pub max_freezes: u32,
    /// Whether frozen PEs are recovered. C: `eeh_debugfs_no_recover`, the other way round
    pub recovery: bool,
    /// After this time a running job is named, and its device is online for its driver's timeouts, 10 s.
    pub job_warn_after: Duration,
    /// How often it is named again, 1 min.
    pub job_warn_every: Duration,
    /// After this time a job is given up, 300 s.
    pub job_limit: Duration,
    /// Firmware's data of a PHB are printed as soon as they are fetched rather than with the log of the
    /// recovery. C: `eeh=early_log`, `EEH_EARLY_DUMP_LOG`
    pub early_log: bool,
    /// The pause before devices are added back (C: 5 s).
    pub add_back_pause: Duration,
    /// How long an owner's request waits for its turn while the host recovers, 5 s.
    pub owner_wait: Duration,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            max_freezes: 5,
            recovery: true,
            job_warn_after: Duration::from_secs(10),
            job_warn_every: Duration::from_secs(60),
            job_limit: Duration::from_secs(300),
            early_log: false,
            add_back_pause: Duration::ZERO,
            owner_wait: Duration::from_secs(5),
        }
    }
}

/// An environment: everything that detection and recovery call.
pub trait Platform: Sync {
    /// The environment of the tree.
    type Env: Env;
    /// Its firmware.
    type Firmware: SlotState + SlotControl + ConfigSpace + ErrorLog + ErrorSource;
    /// Its PCI core.
    type Core: PciCore<Self::Env>;
    /// Its helper tasks.
    type Helper: Helper<Self::Env>;
    /// Its worker threads.
    type Wake: Wake;
    /// Who is told what happens.
    type Observer: Observer;

    /// Firmware.
    fn firmware(&self) -> &Self::Firmware;
    /// The PCI core.
    fn core(&self) -> &Self::Core;
    /// Helper tasks.
    fn helper(&self) -> &Self::Helper;
    /// Worker threads.
    fn wake(&self) -> &Self::Wake;
    /// Who is told what happens.
    fn observer(&self) -> &Self::Observer;
    /// The parameters at this moment.
    fn params(&self) -> Params;
    /// Whether EEH is enabled; checks find nothing otherwise. Any context. C: `eeh_enabled`
    fn enabled(&self) -> bool;
    /// The clock, for what detection reports. Any context but NMI.
    fn now(&self) -> Time;
    /// What the clock is made of, where reading that costs less: each check reads it, and hardly any has
    /// something to report. Any context but NMI.
    fn ticks(&self) -> u64 {
        self.now().as_nanos()
    }
    /// When [`ticks`](Self::ticks) answered so: the present at that moment. Any context.
    fn time_of(&self, ticks: u64) -> Time {
        Time::from_nanos(ticks)
    }
}
