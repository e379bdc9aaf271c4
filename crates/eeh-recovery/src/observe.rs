// SPDX-License-Identifier: GPL-2.0-or-later
//! Everything that happens, as `Copy` events. Logs, counters, traces and tests are observers.

use core::fmt;

use eeh_pe::{Bdf, PeNumber, PhbNumber, Time, TreeId};

use crate::ask::Ask;
use crate::config_space::ConfigLine;
use crate::{
    Cue, DriverName, ErsResult, FirmwareError, FreezeState, Handler, Location, Phase, PhbTarget, ResetKind,
    Wait,
};

/// Who is told what happens.
///
/// # Context
///
/// Any but NMI for [`Observer::event`] (detection reports too); the worker for [`Observer::line`].
/// Never waits, never calls back.
pub trait Observer {
    /// Something happened. [`Event`]'s `Display` gives Linux's log lines for it.
    fn event(&self, now: Time, event: &Event);

    /// A line of decoded firmware data of a PHB, printed in `recovery` or outside of any.
    fn line(&self, now: Time, phb: &PhbTarget, recovery: Option<RecoveryId>, line: fmt::Arguments<'_>);

    /// A recovery has taken this row of its table: for those who measure which ones are ever taken.
    fn row(&self, _phase: Phase, _cue: Cue) {}
}

/// A recovery: unique within its tree for as long as the tree lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RecoveryId {
    /// The PHB's tree.
    pub tree: TreeId,
    /// Counts from 1.
    pub serial: u64,
}

/// `2.7`: the PHB's place, and the recovery's number there. A place is used again only after its PHB was removed.
impl fmt::Display for RecoveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.tree.slot(), self.serial)
    }
}

/// What something happened to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Subject {
    /// The PHB.
    Phb,
    /// A PE.
    Pe(PeNumber),
    /// A device, and the number of its PE.
    Device(Bdf, PeNumber),
}

/// Something that happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// Linux's number of the PHB.
    pub phb: PhbNumber,
    /// In which recovery; `None` outside of any.
    pub recovery: Option<RecoveryId>,
    /// What it happened to.
    pub subject: Subject,
    /// What happened.
    pub what: What,
}

/// A round of calls of drivers. C: the names given to `eeh_pe_report`
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Report {
    /// `error_detected(IO frozen)`
    Frozen,
    /// `mmio_enabled`
    MmioEnabled,
    /// `slot_reset`
    SlotReset,
    /// `resume`
    Resume,
    /// `error_detected(permanent failure)`
    PermFailure,
}

/// How a recovery ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// Every device is back; of a request: it is done.
    Recovered,
    /// Permanent failure: the devices were taken away; of a request: it could not be done.
    Failed,
    /// Hotplug removed the PE meanwhile; hardware is as it should be.
    Gone,
    /// The PHB was removed meanwhile.
    Cancelled,
    /// The PHB is fenced, or the PE has frozen before all was back: the next recovery takes over.
    Fenced,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A detector found the PE frozen and won: an event is queued.
    Detected(FreezeState),
    /// Firmware reports something, or a call of it failed.
    Firmware(FirmwareEvent),
    /// Something became of a queued event.
    Queue(QueueEvent),
    /// A recovery moves on.
    Progress(Progress),
    /// A recovery says what it does.
    Step(Step),
    /// A reset.
    Reset(ResetEvent),
    /// A device or its driver.
    Device(DeviceEvent),
}

/// What firmware reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FirmwareEvent {
    /// A frozen PE.
    Frozen {
        /// Location of the PE's bus.
        pe: Location,
        /// Location of the PHB.
        phb: Location,
    },
    /// A fence.
    Fenced(Location),
    /// A dead PHB.
    DeadPhb(Location),
    /// A dead I/O hub.
    DeadIoc,
    /// Something to print and forget.
    Informative(Location),
    /// A frozen PE that nobody has; its freeze is cleared.
    ClearUnknown {
        /// The number.
        number: PeNumber,
        /// Location of the PHB.
        phb: Location,
    },
    /// A call failed.
    CallFailed(FirmwareError),
    /// Error data of a freeze were overwritten before they could be printed.
    DiagLost {
        /// How often that happened on this PHB.
        count: u64,
    },
}

/// What became of a queued event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QueueEvent {
    /// It is handled by the recovery of a PE above it, the subject, that is frozen too.
    HandledAtParent {
        /// The PE it is for.
        child: PeNumber,
    },
    /// Events of the subject, or of PEs below it, are part of its recovery that begins or has ended.
    Absorbed {
        /// How many.
        count: u32,
    },
    /// It was for a PE that is gone.
    Stale,
    /// Recovery is disabled: the PE stays isolated.
    Dropped,
}

/// How a recovery moves on. Linux prints none of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// It begins.
    Began,
    /// Something that is asked for begins: no freeze, and no driver is told.
    Asked(Ask),
    /// It enters a phase.
    Entered(Phase),
    /// It waits.
    Waiting {
        /// Until when, at most.
        until: Time,
        /// Why.
        why: Wait,
    },
    /// It ended.
    Ended(Outcome),
    /// What was asked for ended.
    Answered(Outcome),
}

/// What a recovery says it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// No slot of the PE holds a card.
    Empty,
    /// Recovery of a PHB's own PE.
    RecoveringPhb(Location),
    /// Recovery of any other PE.
    Recovering {
        /// Location of the PE's bus.
        pe: Location,
        /// Location of the PHB.
        phb: Location,
    },
    /// The budget, before it is used up.
    Failures {
        /// Freezes in the last hour, this one included.
        count: u32,
        /// How many are recovered.
        max: u32,
    },
    /// The budget is used up.
    TooManyFailures {
        /// Freezes in the last hour, this one included.
        count: u32,
    },
    /// Drivers are about to hear of the freeze.
    NotifyShutdown,
    /// A round of calls begins.
    Beginning(Report),
    /// A round of calls ended; `None` when its answers do not count.
    Finished(Report, Option<ErsResult>),
    /// The slot's state is final.
    PermanentFailure,
    /// The temporary log is collected.
    CollectLog,
    /// All drivers are unaware: devices are removed and added back.
    ResetWithHotplug,
    /// Some driver wants the reset.
    ResetWithoutHotplug,
    /// MMIO is let through.
    EnableIo,
    /// Drivers may look at their device.
    NotifyResumeIo,
    /// DMA is let through.
    EnabledDma,
    /// Devices are added back after a pause.
    Pause {
        /// Its seconds.
        seconds: u64,
        /// Whether all devices were removed.
        complete: bool,
    },
    /// Drivers may go on.
    NotifyResume,
    /// It worked.
    Successful,
    /// It did not.
    Unable,
    /// The PE was removed before anything was done about it.
    NoBus,
    /// The PE's bus is gone already.
    BusDisappeared,
    /// Adding or removing its devices does not come back.
    BusStuck {
        /// Seconds since it began.
        seconds: u64,
    },
    /// The helper that added or removed its devices was lost.
    BusHelperLost,
    /// The reset thawed a PE that is passed through: it is frozen again.
    Refrozen {
        /// Its number.
        number: PeNumber,
    },
    /// A PE that is passed through is left frozen, for its owner to recover.
    LeftFrozen {
        /// Its number.
        number: PeNumber,
    },
    /// A PE was inserted in place of the removed one.
    Successor {
        /// Whether it works; otherwise it is a new event.
        healthy: bool,
    },
}

/// What happens to a reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResetEvent {
    /// An attempt begins.
    Begins {
        /// Its strength.
        kind: ResetKind,
        /// Counts from 1.
        attempt: u32,
    },
    /// An attempt failed.
    Failed {
        /// Counts from 1.
        attempt: u32,
    },
    /// A repeated attempt succeeded.
    Succeeded {
        /// Counts from 1.
        attempt: u32,
    },
    /// The PE is not active after a reset.
    SlotInactive {
        /// Its state.
        state: FreezeState,
        /// The state in Linux's bits.
        bits: u32,
        /// Counts from 1.
        attempt: u32,
    },
    /// No attempt is left.
    GaveUp {
        /// Whether all devices had been removed for it.
        hotplug: bool,
    },
}

/// What happens to a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceEvent {
    /// Its driver keeps reading although it is isolated.
    Runaway {
        /// How often it has read.
        reads: u64,
    },
    /// It went away before its driver was called.
    NoDevice,
    /// It has no driver.
    NoDriver,
    /// Its driver has no error handlers.
    NotAware,
    /// Its driver was bound after `error_detected`.
    TooLate,
    /// It has failed for good, or its lock is lost.
    NotActionable,
    /// An error handler is called.
    Invoking(DriverName, Handler),
    /// It answered.
    Reports(DriverName, ErsResult),
    /// A line of the log of its configuration space.
    Config(ConfigLine),
    /// It is removed, its driver being unaware.
    Removing,
    /// The link below it, a port, did not come up.
    LinkDown,
    /// It did not get ready.
    NotReady {
        /// Milliseconds that it was given.
        waited: u64,
    },
    /// A job for it does not come back.
    Stuck {
        /// The driver, if there is one.
        driver: DriverName,
        /// Seconds since the job began.
        seconds: u64,
    },
    /// The helper was lost, with the device's lock.
    HelperLost {
        /// The driver, if there is one.
        driver: DriverName,
    },
}
