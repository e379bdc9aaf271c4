// SPDX-License-Identifier: GPL-2.0-or-later
//! Events as the log lines that Linux prints and tools parse.

use core::fmt;

use eeh_pe::{Bdf, PeNumber, PhbNumber};

use crate::observe::{
    DeviceEvent, Event, FirmwareEvent, QueueEvent, Report, ResetEvent, Step, Subject, What,
};
use crate::{ChannelState, Handler};

/// `PHB#2-PE#fb`; the PHB's own PE has the number 0.
struct Name {
    phb: PhbNumber,
    subject: Subject,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PHB#{}-PE#{}", self.phb, self.pe())
    }
}

impl Name {
    fn pe(&self) -> PeNumber {
        match self.subject {
            Subject::Phb => PeNumber(0),
            Subject::Pe(pe) | Subject::Device(_, pe) => pe,
        }
    }
}

/// The beginning of a line about a device. C: `EEH_EDEV_PRINT`
struct Prefix {
    phb: PhbNumber,
    bdf: Bdf,
    pe: PeNumber,
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PCI {:04x}:{}#{:04x}: EEH: ", self.phb.0, self.bdf, self.pe.0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frozen => "error_detected(IO frozen)",
            Self::MmioEnabled => "mmio_enabled",
            Self::SlotReset => "slot_reset",
            Self::Resume => "resume",
            Self::PermFailure => "error_detected(permanent failure)",
        })
    }
}

impl fmt::Display for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ErrorDetected(ChannelState::Normal) => "error_detected(IO normal)",
            Self::ErrorDetected(ChannelState::Frozen) => "error_detected(IO frozen)",
            Self::ErrorDetected(ChannelState::PermFailure) => "error_detected(permanent failure)",
            Self::MmioEnabled => "mmio_enabled()",
            Self::SlotReset => "slot_reset()",
            Self::Resume => "resume()",
        })
    }
}

impl Event {
    /// Whether a line is printed for it. The others are for counters and traces.
    #[must_use]
    pub const fn is_logged(&self) -> bool {
        match self.what {
            What::Detected(_) | What::Progress(_) => false,
            What::Queue(e) => matches!(e, QueueEvent::HandledAtParent { .. } | QueueEvent::Dropped),
            What::Reset(e) => !matches!(e, ResetEvent::Begins { .. }),
            What::Firmware(_) | What::Step(_) | What::Device(_) => true,
        }
    }
}

/// The line or lines, without a newline at the end; nothing for events that are not logged.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Name { phb: self.phb, subject: self.subject };
        match self.what {
            What::Detected(_) | What::Progress(_) => Ok(()),
            What::Firmware(e) => firmware(f, &name, e),
            What::Queue(e) => queue(f, &name, e),
            What::Step(e) => step(f, &name, e),
            What::Reset(e) => reset(f, &name, e),
            What::Device(e) => match self.subject {
                Subject::Device(bdf, pe) => device(f, &Prefix { phb: self.phb, bdf, pe }, e),
                Subject::Phb | Subject::Pe(_) => Ok(()),
            },
        }
    }
}

fn firmware(f: &mut fmt::Formatter<'_>, name: &Name, event: FirmwareEvent) -> fmt::Result {
    let phb = name.phb;
    match event {
        FirmwareEvent::Frozen { pe: at, phb: phb_at } => write!(
            f,
            "EEH: Frozen PE#{} on PHB#{phb} detected\nEEH: PE location: {at}, PHB location: {phb_at}",
            name.pe()
        ),
        FirmwareEvent::Fenced(at) => write!(f, "EEH: Fenced PHB#{phb} detected, location: {at}"),
        FirmwareEvent::DeadPhb(at) => write!(f, "EEH: dead PHB#{phb} detected, location: {at}"),
        FirmwareEvent::DeadIoc => f.write_str("EEH: dead IOC detected"),
        FirmwareEvent::Informative(at) => {
            write!(f, "EEH: PHB#{phb} informative error detected, location: {at}")
        }
        FirmwareEvent::ClearUnknown { number, phb: at } => {
            write!(f, "EEH: Clear non-existing PHB#{phb}-PE#{number}\nEEH: PHB location: {at}")
        }
        FirmwareEvent::CallFailed(error) => write!(f, "EEH: PHB#{phb}: {error}"),
        FirmwareEvent::DiagLost { count } => {
            write!(f, "EEH: PHB#{phb}: error data of another freeze lost ({count} so far)")
        }
    }
}

fn queue(f: &mut fmt::Formatter<'_>, name: &Name, event: QueueEvent) -> fmt::Result {
    match event {
        QueueEvent::HandledAtParent { child } => {
            write!(f, "EEH: Failure of PHB#{}-PE#{child} will be handled at parent {name}.", name.phb)
        }
        QueueEvent::Dropped => write!(f, "EEH: {name}: Event dropped due to no_recover setting"),
        QueueEvent::Absorbed { .. } | QueueEvent::Stale => Ok(()),
    }
}

fn step(f: &mut fmt::Formatter<'_>, name: &Name, event: Step) -> fmt::Result {
    match event {
        Step::Empty => write!(f, "EEH: Frozen {name} is empty!"),
        Step::RecoveringPhb(at) => write!(f, "EEH: Recovering PHB#{}, location: {at}", name.phb),
        Step::Recovering { pe, phb } => {
            write!(f, "EEH: Recovering {name}\nEEH: PE location: {pe}, PHB location: {phb}")
        }
        Step::Refrozen { number } => write!(
            f,
            "EEH: Passed-through PE PHB#{}-PE#{number} was thawed by reset, re-freezing for safety.",
            name.phb
        ),
        Step::LeftFrozen { number } => {
            write!(f, "EEH: Note: Leaving passthrough PHB#{}-PE#{number} frozen.", name.phb)
        }
        Step::Failures { count, max } => write!(
            f,
            "EEH: This PCI device has failed {count} times in the last hour and will be permanently \
             disabled after {max} failures."
        ),
        Step::TooManyFailures { count } => write!(
            f,
            "EEH: {name} has failed {count} times in the last hour and has been permanently disabled."
        ),
        Step::NotifyShutdown => f.write_str("EEH: Notify device drivers to shutdown"),
        Step::Beginning(report) => write!(f, "EEH: Beginning: '{report}'"),
        Step::Finished(report, Some(result)) => {
            write!(f, "EEH: Finished:'{report}' with aggregate recovery state:'{result}'")
        }
        Step::Finished(report, None) => write!(f, "EEH: Finished:'{report}'"),
        Step::PermanentFailure => f.write_str("EEH: Permanent failure"),
        Step::CollectLog => f.write_str("EEH: Collect temporary log"),
        Step::ResetWithHotplug => f.write_str("EEH: Reset with hotplug activity"),
        Step::ResetWithoutHotplug => f.write_str("EEH: Reset without hotplug activity"),
        Step::EnableIo => f.write_str("EEH: Enable I/O for affected devices"),
        Step::NotifyResumeIo => f.write_str("EEH: Notify device drivers to resume I/O"),
        Step::EnabledDma => f.write_str("EEH: Enabled DMA for affected devices"),
        Step::Pause { seconds, complete } => {
            let how = if complete { "complete" } else { "partial" };
            write!(f, "EEH: Sleep {seconds}s ahead of {how} hotplug")
        }
        Step::NotifyResume => f.write_str("EEH: Notify device driver to resume"),
        Step::Successful => f.write_str("EEH: Recovery successful."),
        Step::Unable => write!(
            f,
            "EEH: Unable to recover from failure from {name}.\nPlease try reseating or replacing it"
        ),
        Step::BusStuck { seconds } => {
            write!(f, "EEH: adding or removing devices of {name} has not come back for {seconds} s")
        }
        Step::BusHelperLost => {
            write!(f, "EEH: adding or removing devices of {name} never came back: they are left alone")
        }
        Step::BusDisappeared => write!(f, "eeh_handle_normal_event: PCI bus for {name} disappeared"),
        Step::Successor { healthy: true } => write!(f, "EEH: {name}: replaced during recovery, healthy"),
        Step::Successor { healthy: false } => write!(f, "EEH: {name}: replaced during recovery, frozen"),
    }
}

fn reset(f: &mut fmt::Formatter<'_>, name: &Name, event: ResetEvent) -> fmt::Result {
    match event {
        ResetEvent::Begins { .. } => Ok(()),
        ResetEvent::Failed { attempt } => write!(f, "EEH: Failure 0 resetting {name} (attempt {attempt})"),
        ResetEvent::Succeeded { attempt } => write!(f, "EEH: {name}: Successful reset (attempt {attempt})"),
        ResetEvent::SlotInactive { bits, attempt, .. } => {
            write!(f, "EEH: {name}: Slot inactive after reset: 0x{bits:x} (attempt {attempt})")
        }
        ResetEvent::GaveUp { hotplug: true } => {
            f.write_str("eeh_handle_normal_event: Unable to reset, err=-5")
        }
        ResetEvent::GaveUp { hotplug: false } => f.write_str("eeh_handle_normal_event: Cannot reset, err=-5"),
    }
}

fn device(f: &mut fmt::Formatter<'_>, prefix: &Prefix, event: DeviceEvent) -> fmt::Result {
    match event {
        DeviceEvent::Runaway { reads } => write!(
            f,
            "{prefix}{reads} reads ignored for recovering device; might be infinite loop in its driver"
        ),
        DeviceEvent::NoDevice => write!(f, "{prefix}no device"),
        DeviceEvent::NoDriver => write!(f, "{prefix}no driver"),
        DeviceEvent::NotAware => write!(f, "{prefix}driver not EEH aware"),
        DeviceEvent::TooLate => write!(f, "{prefix}driver bound too late"),
        DeviceEvent::NotActionable => write!(f, "{prefix}not actionable"),
        DeviceEvent::Invoking(driver, handler) => write!(f, "{prefix}Invoking {driver}->{handler}"),
        DeviceEvent::Reports(driver, result) => write!(f, "{prefix}{driver} driver reports: '{result}'"),
        DeviceEvent::Config(line) => line.write(f, prefix.phb, prefix.bdf),
        DeviceEvent::Removing => {
            write!(f, "EEH: Removing {:04x}:{} without EEH sensitive driver", prefix.phb.0, prefix.bdf)
        }
        DeviceEvent::LinkDown => write!(f, "{prefix}link not up after reset"),
        DeviceEvent::NotReady { waited } => write!(f, "{prefix}not ready {waited}ms after reset; giving up"),
        DeviceEvent::Stuck { driver, seconds } => {
            write!(f, "{prefix}{driver} has not come back for {seconds} s")
        }
        DeviceEvent::HelperLost { driver } => {
            write!(f, "{prefix}{driver} never came back: its device is left alone from now on")
        }
    }
}
