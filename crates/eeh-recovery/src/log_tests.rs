// SPDX-License-Identifier: GPL-2.0-or-later
use std::string::{String, ToString};
use std::vec::Vec;

use eeh_pe::{Bdf, PeNumber, PhbNumber};

use crate::{
    ChannelState, DeviceEvent, DriverName, ErsResult, Event, FirmwareError, FirmwareEvent, FreezeState,
    Handler, Location, QueueEvent, Report, ResetEvent, ResetKind, Step, Subject, What,
};

const NUMBER: PeNumber = PeNumber(0xfb);

fn here() -> Location {
    Location::new("U78.P1-C3")
}

fn firmware() -> Vec<What> {
    let phb = Location::new("U78.P1");
    let error = FirmwareError::Failed { call: "OPAL_PCI_RESET", code: -6 };
    [
        FirmwareEvent::Frozen { pe: here(), phb },
        FirmwareEvent::Fenced(here()),
        FirmwareEvent::DeadPhb(here()),
        FirmwareEvent::DeadIoc,
        FirmwareEvent::Informative(here()),
        FirmwareEvent::ClearUnknown { number: NUMBER, phb },
        FirmwareEvent::CallFailed(error),
        FirmwareEvent::DiagLost { count: 12 },
    ]
    .map(What::Firmware)
    .to_vec()
}

fn steps() -> Vec<What> {
    [
        Step::Empty,
        Step::RecoveringPhb(here()),
        Step::Recovering { pe: here(), phb: Location::new("N/A") },
        Step::Refrozen { number: NUMBER },
        Step::LeftFrozen { number: NUMBER },
        Step::Failures { count: 2, max: 5 },
        Step::TooManyFailures { count: 6 },
        Step::NotifyShutdown,
        Step::Beginning(Report::SlotReset),
        Step::Finished(Report::Frozen, Some(ErsResult::NeedReset)),
        Step::Finished(Report::Resume, None),
        Step::PermanentFailure,
        Step::CollectLog,
        Step::ResetWithHotplug,
        Step::ResetWithoutHotplug,
        Step::EnableIo,
        Step::NotifyResumeIo,
        Step::EnabledDma,
        Step::Pause { seconds: 5, complete: true },
        Step::Pause { seconds: 10, complete: false },
        Step::NotifyResume,
        Step::Successful,
        Step::Unable,
        Step::BusStuck { seconds: 300 },
        Step::BusHelperLost,
        Step::BusDisappeared,
        Step::NoBus,
        Step::Successor { healthy: true },
        Step::Successor { healthy: false },
    ]
    .map(What::Step)
    .to_vec()
}

fn others() -> Vec<What> {
    let state = FreezeState::Frozen;
    let mut all = [
        QueueEvent::HandledAtParent { child: PeNumber(0x1fd) },
        QueueEvent::Dropped,
        QueueEvent::Absorbed { count: 1 },
        QueueEvent::Stale,
    ]
    .map(What::Queue)
    .to_vec();
    let resets = [
        ResetEvent::Begins { kind: ResetKind::Hot, attempt: 1 },
        ResetEvent::Failed { attempt: 2 },
        ResetEvent::Succeeded { attempt: 3 },
        ResetEvent::SlotInactive { state, bits: 0x78, attempt: 2 },
        ResetEvent::GaveUp { hotplug: true },
        ResetEvent::GaveUp { hotplug: false },
    ];
    all.extend(resets.map(What::Reset));
    all.push(What::Detected(state));
    all
}

fn devices() -> Vec<What> {
    let driver = DriverName::new("nvme");
    [
        DeviceEvent::Runaway { reads: 2_100_000 },
        DeviceEvent::NoDevice,
        DeviceEvent::NoDriver,
        DeviceEvent::NotAware,
        DeviceEvent::TooLate,
        DeviceEvent::NotActionable,
        DeviceEvent::Invoking(driver, Handler::ErrorDetected(ChannelState::Normal)),
        DeviceEvent::Invoking(driver, Handler::MmioEnabled),
        DeviceEvent::Reports(driver, ErsResult::NoAerDriver),
        DeviceEvent::Removing,
        DeviceEvent::LinkDown,
        DeviceEvent::NotReady { waited: 1007 },
        DeviceEvent::Stuck { driver, seconds: 10 },
        DeviceEvent::HelperLost { driver },
    ]
    .map(What::Device)
    .to_vec()
}

/// Each event of a PE and of a PHB, and those of devices, with their levels.
fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    let mut tell = |subject, all: Vec<What>| {
        for what in all {
            let event = Event { phb: PhbNumber(0x12), recovery: None, subject, what };
            lines.push(std::format!("{:?} {event}", event.level()));
        }
    };
    tell(Subject::Pe(NUMBER), [firmware(), steps(), others()].concat());
    tell(Subject::Phb, steps());
    tell(Subject::Phb, devices());
    tell(Subject::Device(Bdf(0x0301), PeNumber(7)), [devices(), others()].concat());
    lines
}

#[test]
fn every_line_reads_as_it_always_did() {
    let expected: Vec<String> = include_str!("log_tests.txt").lines().map(ToString::to_string).collect();
    let read: Vec<String> =
        lines().iter().map(|line| line.replace('\n', "\\n").trim_end().to_string()).collect();
    assert_eq!(read, expected);
}
