// SPDX-License-Identifier: GPL-2.0-or-later
//! How loud each line of the log is.

use crate::observe::{DeviceEvent, Event, FirmwareEvent, QueueEvent, ResetEvent, Step, What};

/// A level of Linux's log, by its number there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Level {
    /// C: `KERN_ERR`
    Error = 3,
    /// C: `KERN_WARNING`
    Warning = 4,
    /// C: `KERN_INFO`
    Info = 6,
}

impl Event {
    /// The level of its line, Linux's own where Linux has the line; [`Level::Info`] for events that are
    /// not logged.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self.what {
            What::Detected(_) | What::Progress(_) => Level::Info,
            What::Firmware(event) => firmware(event),
            What::Queue(event) => queue(event),
            What::Step(event) => step(event),
            What::Reset(event) => reset(event),
            What::Device(event) => device(event),
        }
    }
}

const fn firmware(event: FirmwareEvent) -> Level {
    match event {
        FirmwareEvent::Frozen { .. }
        | FirmwareEvent::Fenced(_)
        | FirmwareEvent::DeadPhb(_)
        | FirmwareEvent::DeadIoc => Level::Error,
        FirmwareEvent::CallFailed(_) | FirmwareEvent::DiagLost { .. } => Level::Warning,
        FirmwareEvent::Informative(_) | FirmwareEvent::ClearUnknown { .. } => Level::Info,
    }
}

const fn queue(event: QueueEvent) -> Level {
    match event {
        QueueEvent::HandledAtParent { .. } | QueueEvent::Dropped => Level::Error,
        QueueEvent::Absorbed { .. } | QueueEvent::Stale => Level::Info,
    }
}

const fn step(event: Step) -> Level {
    match event {
        Step::RecoveringPhb(_)
        | Step::Recovering { .. }
        | Step::TooManyFailures { .. }
        | Step::Unable
        | Step::NoBus
        | Step::BusDisappeared
        | Step::BusStuck { .. }
        | Step::BusHelperLost => Level::Error,
        Step::Empty | Step::Failures { .. } | Step::PermanentFailure => Level::Warning,
        Step::NotifyShutdown
        | Step::Beginning(_)
        | Step::Finished(..)
        | Step::CollectLog
        | Step::ResetWithHotplug
        | Step::ResetWithoutHotplug
        | Step::EnableIo
        | Step::NotifyResumeIo
        | Step::EnabledDma
        | Step::Pause { .. }
        | Step::NotifyResume
        | Step::Successful
        | Step::Refrozen { .. }
        | Step::LeftFrozen { .. }
        | Step::Successor { .. } => Level::Info,
    }
}

const fn reset(event: ResetEvent) -> Level {
    match event {
        ResetEvent::Begins { .. } => Level::Info,
        ResetEvent::Failed { .. }
        | ResetEvent::Succeeded { .. }
        | ResetEvent::SlotInactive { .. }
        | ResetEvent::GaveUp { .. } => Level::Warning,
    }
}

const fn device(event: DeviceEvent) -> Level {
    match event {
        DeviceEvent::Runaway { .. } | DeviceEvent::Stuck { .. } | DeviceEvent::HelperLost { .. } => {
            Level::Error
        }
        DeviceEvent::Config(_) | DeviceEvent::LinkDown | DeviceEvent::NotReady { .. } => Level::Warning,
        DeviceEvent::NoDevice
        | DeviceEvent::NoDriver
        | DeviceEvent::NotAware
        | DeviceEvent::TooLate
        | DeviceEvent::NotActionable
        | DeviceEvent::Invoking(..)
        | DeviceEvent::Reports(..)
        | DeviceEvent::Removing => Level::Info,
    }
}

#[cfg(test)]
mod tests {
    use eeh_pe::{PeNumber, PhbNumber};

    use super::*;
    use crate::observe::Subject;

    fn level(what: What) -> Level {
        Event { phb: PhbNumber(0), recovery: None, subject: Subject::Pe(PeNumber(1)), what }.level()
    }

    #[test]
    fn levels_are_those_of_linux() {
        assert_eq!(level(What::Step(Step::Unable)), Level::Error);
        assert_eq!(level(What::Step(Step::Successful)), Level::Info);
        assert_eq!(level(What::Step(Step::Failures { count: 1, max: 5 })), Level::Warning);
        assert_eq!(level(What::Reset(ResetEvent::Failed { attempt: 1 })), Level::Warning);
        assert_eq!(level(What::Device(DeviceEvent::NotAware)), Level::Info);
        assert_eq!(level(What::Queue(QueueEvent::Dropped)), Level::Error);
    }

    #[test]
    fn a_level_is_linux_number_of_it() {
        assert_eq!([Level::Error, Level::Warning, Level::Info].map(|level| level as u8), [3, 4, 6]);
    }
}
