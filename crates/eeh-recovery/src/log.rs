// SPDX-License-Identifier: GPL-2.0-or-later
//! Events as the log lines that Linux prints and tools parse.

use core::fmt::{self, Write};

use eeh_pe::{PeNumber, PhbNumber};

use crate::observe::{
    DeviceEvent, Event, FirmwareEvent, QueueEvent, Report, ResetEvent, Step, Subject, What,
};
use crate::{ChannelState, Handler};

/// What a line is about, and where it is written to.
///
/// Texts are ASCII, and have places: `%n` the PE as `PHB#2-PE#fb`, where the PHB's own has the number 0, `%p` and `%e` those numbers
/// alone, `%d` the beginning of a line about a device (C: `EEH_EDEV_PRINT`), `%l` its address, `%0` and `%1`
/// numbers, `%x` the first of these in hexadecimal, `%s` and `%t` words.
struct Line<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    phb: PhbNumber,
    subject: Subject,
}

impl Line<'_, '_> {
    fn say(&mut self, text: &str) -> fmt::Result {
        self.write(text, [0, 0], &[])
    }

    fn count(&mut self, text: &str, a: u64, b: u64) -> fmt::Result {
        self.write(text, [a, b], &[])
    }

    fn name(&mut self, text: &str, words: &[&str]) -> fmt::Result {
        self.write(text, [0, 0], words)
    }

    /// Writes a text with its places filled in.
    #[inline(never)]
    fn write(&mut self, text: &str, [a, b]: [u64; 2], words: &[&str]) -> fmt::Result {
        let f = &mut *self.f;
        let phb = self.phb;
        let pe = match self.subject {
            Subject::Phb => PeNumber(0),
            Subject::Pe(pe) | Subject::Device(_, pe) => pe,
        };
        let mut text = text.bytes();
        while let Some(byte) = text.next() {
            if byte != b'%' {
                f.write_char(char::from(byte))?;
                continue;
            }
            match (text.next(), self.subject) {
                (Some(b'n'), _) => write!(f, "PHB#{phb}-PE#{pe}"),
                (Some(b'p'), _) => write!(f, "{phb}"),
                (Some(b'e'), _) => write!(f, "{pe}"),
                (Some(b'd'), Subject::Device(bdf, _)) => {
                    write!(f, "PCI {:04x}:{bdf}#{:04x}: EEH: ", phb.0, pe.0)
                }
                (Some(b'l'), Subject::Device(bdf, _)) => write!(f, "{:04x}:{bdf}", phb.0),
                (Some(b'0'), _) => write!(f, "{a}"),
                (Some(b'1'), _) => write!(f, "{b}"),
                (Some(b'x'), _) => write!(f, "{a:x}"),
                (Some(b's'), _) => f.write_str(words.first().unwrap_or(&"")),
                (Some(b't'), _) => f.write_str(words.get(1).unwrap_or(&"")),
                _ => Ok(()),
            }?;
        }
        Ok(())
    }
}

impl Report {
    const fn name(self) -> &'static str {
        match self {
            Self::Frozen => "error_detected(IO frozen)",
            Self::MmioEnabled => "mmio_enabled",
            Self::SlotReset => "slot_reset",
            Self::Resume => "resume",
            Self::PermFailure => "error_detected(permanent failure)",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Handler {
    const fn name(self) -> &'static str {
        match self {
            Self::ErrorDetected(ChannelState::Normal) => "error_detected(IO normal)",
            Self::ErrorDetected(ChannelState::Frozen) => "error_detected(IO frozen)",
            Self::ErrorDetected(ChannelState::PermFailure) => "error_detected(permanent failure)",
            Self::MmioEnabled => "mmio_enabled()",
            Self::SlotReset => "slot_reset()",
            Self::Resume => "resume()",
        }
    }
}

impl fmt::Display for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
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
        let mut line = Line { f, phb: self.phb, subject: self.subject };
        match self.what {
            What::Detected(_) | What::Progress(_) => Ok(()),
            What::Firmware(e) => firmware(&mut line, e),
            What::Queue(e) => queue(&mut line, e),
            What::Step(e) => step(&mut line, e),
            What::Reset(e) => reset(&mut line, e),
            What::Device(e) => device(&mut line, e),
        }
    }
}

fn firmware(line: &mut Line<'_, '_>, event: FirmwareEvent) -> fmt::Result {
    match event {
        FirmwareEvent::Frozen { pe, phb } => line.name(
            "EEH: Frozen PE#%e on PHB#%p detected\nEEH: PE location: %s, PHB location: %t",
            &[pe.as_str(), phb.as_str()],
        ),
        FirmwareEvent::Fenced(at) => line.name("EEH: Fenced PHB#%p detected, location: %s", &[at.as_str()]),
        FirmwareEvent::DeadPhb(at) => line.name("EEH: dead PHB#%p detected, location: %s", &[at.as_str()]),
        FirmwareEvent::DeadIoc => line.say("EEH: dead IOC detected"),
        FirmwareEvent::Informative(at) => {
            line.name("EEH: PHB#%p informative error detected, location: %s", &[at.as_str()])
        }
        FirmwareEvent::ClearUnknown { number, phb: at } => line.write(
            "EEH: Clear non-existing PHB#%p-PE#%x\nEEH: PHB location: %s",
            [number.0.into(), 0],
            &[at.as_str()],
        ),
        FirmwareEvent::CallFailed(error) => write!(line.f, "EEH: PHB#{}: {error}", line.phb),
        FirmwareEvent::DiagLost { count } => {
            line.count("EEH: PHB#%p: error data of another freeze lost (%0 so far)", count, 0)
        }
    }
}

fn queue(line: &mut Line<'_, '_>, event: QueueEvent) -> fmt::Result {
    match event {
        QueueEvent::HandledAtParent { child } => {
            line.count("EEH: Failure of PHB#%p-PE#%x will be handled at parent %n.", child.0.into(), 0)
        }
        QueueEvent::Dropped => line.say("EEH: %n: Event dropped due to no_recover setting"),
        QueueEvent::Absorbed { .. } | QueueEvent::Stale => Ok(()),
    }
}

fn step(line: &mut Line<'_, '_>, event: Step) -> fmt::Result {
    match event {
        Step::Empty => line.say("EEH: Frozen %n is empty!"),
        Step::RecoveringPhb(at) => line.name("EEH: Recovering PHB#%p, location: %s", &[at.as_str()]),
        Step::Recovering { pe, phb } => line
            .name("EEH: Recovering %n\nEEH: PE location: %s, PHB location: %t", &[pe.as_str(), phb.as_str()]),
        Step::Refrozen { number } => line.count(
            "EEH: Passed-through PE PHB#%p-PE#%x was thawed by reset, re-freezing for safety.",
            number.0.into(),
            0,
        ),
        Step::LeftFrozen { number } => {
            line.count("EEH: Note: Leaving passthrough PHB#%p-PE#%x frozen.", number.0.into(), 0)
        }
        Step::Failures { count, max } => line.count(
            "EEH: This PCI device has failed %0 times in the last hour and will be permanently \
             disabled after %1 failures.",
            count.into(),
            max.into(),
        ),
        Step::TooManyFailures { count } => line.count(
            "EEH: %n has failed %0 times in the last hour and has been permanently disabled.",
            count.into(),
            0,
        ),
        Step::NotifyShutdown => line.say("EEH: Notify device drivers to shutdown"),
        Step::Beginning(report) => line.name("EEH: Beginning: '%s'", &[report.name()]),
        Step::Finished(report, Some(result)) => line
            .name("EEH: Finished:'%s' with aggregate recovery state:'%t'", &[report.name(), result.name()]),
        Step::Finished(report, None) => line.name("EEH: Finished:'%s'", &[report.name()]),
        Step::PermanentFailure => line.say("EEH: Permanent failure"),
        Step::CollectLog => line.say("EEH: Collect temporary log"),
        Step::ResetWithHotplug => line.say("EEH: Reset with hotplug activity"),
        Step::ResetWithoutHotplug => line.say("EEH: Reset without hotplug activity"),
        Step::EnableIo => line.say("EEH: Enable I/O for affected devices"),
        Step::NotifyResumeIo => line.say("EEH: Notify device drivers to resume I/O"),
        Step::EnabledDma => line.say("EEH: Enabled DMA for affected devices"),
        Step::Pause { seconds, complete } => line.count(
            if complete {
                "EEH: Sleep %0s ahead of complete hotplug"
            } else {
                "EEH: Sleep %0s ahead of partial hotplug"
            },
            seconds,
            0,
        ),
        Step::NotifyResume => line.say("EEH: Notify device driver to resume"),
        Step::Successful => line.say("EEH: Recovery successful."),
        Step::Unable => {
            line.say("EEH: Unable to recover from failure from %n.\nPlease try reseating or replacing it")
        }
        Step::BusStuck { seconds } => {
            line.count("EEH: adding or removing devices of %n has not come back for %0 s", seconds, 0)
        }
        Step::BusHelperLost => {
            line.say("EEH: adding or removing devices of %n never came back: they are left alone")
        }
        Step::NoBus => line.say("eeh_handle_normal_event: Cannot find PCI bus for %n"),
        Step::BusDisappeared => line.say("eeh_handle_normal_event: PCI bus for %n disappeared"),
        Step::Successor { healthy: true } => line.say("EEH: %n: replaced during recovery, healthy"),
        Step::Successor { healthy: false } => line.say("EEH: %n: replaced during recovery, frozen"),
    }
}

fn reset(line: &mut Line<'_, '_>, event: ResetEvent) -> fmt::Result {
    match event {
        ResetEvent::Begins { .. } => Ok(()),
        ResetEvent::Failed { attempt } => {
            line.count("EEH: Failure 0 resetting %n (attempt %0)", attempt.into(), 0)
        }
        ResetEvent::Succeeded { attempt } => {
            line.count("EEH: %n: Successful reset (attempt %0)", attempt.into(), 0)
        }
        ResetEvent::SlotInactive { bits, attempt, .. } => {
            line.count("EEH: %n: Slot inactive after reset: 0x%x (attempt %1)", bits.into(), attempt.into())
        }
        ResetEvent::GaveUp { hotplug: true } => line.say("eeh_handle_normal_event: Unable to reset, err=-5"),
        ResetEvent::GaveUp { hotplug: false } => line.say("eeh_handle_normal_event: Cannot reset, err=-5"),
    }
}

/// Nothing of an event whose subject is no device.
fn device(line: &mut Line<'_, '_>, event: DeviceEvent) -> fmt::Result {
    let Subject::Device(bdf, _) = line.subject else { return Ok(()) };
    match event {
        DeviceEvent::Runaway { reads } => line.count(
            "%d%0 reads ignored for recovering device; might be infinite loop in its driver",
            reads,
            0,
        ),
        DeviceEvent::NoDevice => line.say("%dno device"),
        DeviceEvent::NoDriver => line.say("%dno driver"),
        DeviceEvent::NotAware => line.say("%ddriver not EEH aware"),
        DeviceEvent::TooLate => line.say("%ddriver bound too late"),
        DeviceEvent::NotActionable => line.say("%dnot actionable"),
        DeviceEvent::Invoking(driver, handler) => {
            line.name("%dInvoking %s->%t", &[driver.as_str(), handler.name()])
        }
        DeviceEvent::Reports(driver, result) => {
            line.name("%d%s driver reports: '%t'", &[driver.as_str(), result.name()])
        }
        DeviceEvent::Config(config) => config.write(line.f, line.phb, bdf),
        DeviceEvent::Removing => line.say("EEH: Removing %l without EEH sensitive driver"),
        DeviceEvent::LinkDown => line.say("%dlink not up after reset"),
        DeviceEvent::NotReady { waited } => line.count("%dnot ready %0ms after reset; giving up", waited, 0),
        DeviceEvent::Stuck { driver, seconds } => {
            line.write("%d%s has not come back for %0 s", [seconds, 0], &[driver.as_str()])
        }
        DeviceEvent::HelperLost { driver } => {
            line.name("%d%s never came back: its device is left alone from now on", &[driver.as_str()])
        }
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
