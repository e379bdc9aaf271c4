// SPDX-License-Identifier: GPL-2.0-or-later
//! What became of everything in a run.

use core::time::Duration;

use eeh_pe::{Bdf, PeNumber, Time, TreeId};
use eeh_recovery::{Event, Outcome, Phase, Progress, RecoveryId, Subject, Wait, What};

use super::coverage::Coverage;
use super::rounds::Round;
use super::trace::Mark;
use crate::drivers::NotWorking;
use crate::linux::Line;

/// What became of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It works, and no recovery concerned it.
    Untouched,
    /// It works again.
    WorksAgain,
    /// It does not work.
    Failed(NotWorking),
    /// It was taken away by request.
    Removed,
    /// It came while the machine ran, and works.
    Added,
}

/// A device at the end of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceReport {
    /// Linux's number of its PHB.
    pub phb: u32,
    /// Where it is, or was.
    pub bdf: Bdf,
    /// Its driver at the end, else at the beginning.
    pub driver: Option<String>,
    /// What became of it.
    pub fate: Fate,
    /// Resets that it has seen: asserted, released.
    pub resets: (u32, u32),
}

/// A wait of a worker, or a firmware call that took its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pause {
    /// Whose worker.
    pub tree: TreeId,
    /// What for; `None`: firmware did not return before.
    pub why: Option<Wait>,
    /// From when.
    pub from: Time,
    /// Until when.
    pub to: Time,
}

/// One recovery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecoveryReport {
    /// Which.
    pub id: RecoveryId,
    /// Linux's number of the PHB.
    pub phb: u32,
    /// The PE; `None` for the PHB's own.
    pub pe: Option<PeNumber>,
    /// When the freeze was found.
    pub detected: Time,
    /// When it began.
    pub began: Time,
    /// When the last `resume` had been answered, in a recovery that got so far.
    pub resumed: Option<Time>,
    /// When it ended, and how.
    pub ended: Option<(Time, Outcome)>,
    /// The phases, in order, and how long each took.
    pub phases: Vec<(Phase, Duration)>,
    /// What it waited for while it ran.
    pub pauses: Vec<Pause>,
}

impl RecoveryReport {
    /// From the freeze to the end, as far as there is one.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.ended.map(|(at, _)| at.since(self.detected))
    }

    /// How long it waited for what firmware asked for, its calls that did not return included.
    #[must_use]
    pub fn firmware_time(&self) -> Duration {
        let firmware = |p: &&Pause| {
            matches!(p.why, None | Some(Wait::OpalPoll | Wait::FirmwareUnavailable | Wait::RtasBusy))
        };
        self.pauses.iter().filter(firmware).map(|p| p.to.since(p.from)).sum()
    }
}

/// A whole run.
#[derive(Debug)]
pub struct Run {
    /// All devices that were there at the beginning, in order; then those that came.
    pub devices: Vec<DeviceReport>,
    /// The recoveries, in the order of their beginning.
    pub recoveries: Vec<RecoveryReport>,
    /// The log.
    pub log: Vec<Line>,
    /// Everything that happened.
    pub events: Vec<(Time, Event)>,
    /// The same as a picture.
    pub marks: Vec<Mark>,
    /// When it ended.
    pub ended: Time,
    /// Whether it was stopped at its limit rather than quiet.
    pub timed_out: bool,
    /// Tasks that never came back: hanging drivers, and who waits for their locks.
    pub stuck: usize,
    /// Buses, by PHB, of slots whose attention indicator is lit.
    pub lit: Vec<(u32, u8)>,
    /// Rows of the table that were taken, and drivers that were met in its phases.
    pub coverage: Coverage,
    /// Rounds of calls of drivers.
    pub rounds: Vec<Round>,
    /// Phases that something was planned for, and that nothing came to.
    pub missed: Vec<super::plan::Within>,
}

impl Run {
    /// Whether every device works that was not taken away by request.
    #[must_use]
    pub fn all_work(&self) -> bool {
        !self.timed_out && !self.devices.iter().any(|d| matches!(d.fate, Fate::Failed(_)))
    }

    /// A device's report.
    #[must_use]
    pub fn device(&self, phb: u32, bdf: Bdf) -> Option<&DeviceReport> {
        self.devices.iter().find(|d| (d.phb, d.bdf) == (phb, bdf))
    }
}

/// Puts recoveries together from what the observer was told.
pub(super) fn recoveries(events: &[(Time, Event)], pauses: &[Pause]) -> Vec<RecoveryReport> {
    let mut found: Vec<RecoveryReport> = Vec::new();
    let mut requests: Vec<RecoveryId> = Vec::new();
    for (at, event) in events {
        let Some(id) = event.recovery else { continue };
        if matches!(event.what, What::Progress(Progress::Asked(_))) {
            requests.push(id);
        }
        if requests.contains(&id) {
            continue;
        }
        let index = match found.iter().position(|r| r.id == id) {
            Some(index) => index,
            None => {
                found.push(begin(id, *at, event, events));
                found.len() - 1
            }
        };
        if let Some(recovery) = found.get_mut(index) {
            follow(recovery, *at, event);
        }
    }
    for recovery in &mut found {
        let (from, to) = (recovery.began, recovery.ended.map_or(Time::NEVER, |(at, _)| at));
        let mine = |p: &&Pause| p.tree == recovery.id.tree && p.from >= from && p.to <= to;
        recovery.pauses = pauses.iter().filter(mine).copied().collect();
    }
    found
}

fn begin(id: RecoveryId, at: Time, event: &Event, events: &[(Time, Event)]) -> RecoveryReport {
    let pe = pe_of(event.subject);
    // The freeze that it is for: the last one found on this PHB that concerns its PE, else any.
    let of_phb =
        |(t, e): &&(Time, Event)| *t <= at && e.phb == event.phb && matches!(e.what, What::Detected(_));
    let mut detections: Vec<&(Time, Event)> = events.iter().filter(of_phb).collect();
    detections.reverse();
    let same = detections.iter().find(|(_, e)| pe_of(e.subject) == pe);
    let detected = same.or(detections.first()).map_or(at, |(t, _)| *t);
    RecoveryReport {
        id,
        phb: event.phb.0,
        pe,
        detected,
        began: at,
        resumed: None,
        ended: None,
        phases: Vec::new(),
        pauses: Vec::new(),
    }
}

const fn pe_of(subject: Subject) -> Option<PeNumber> {
    match subject {
        Subject::Phb => None,
        Subject::Pe(pe) | Subject::Device(_, pe) => Some(pe),
    }
}

fn follow(recovery: &mut RecoveryReport, at: Time, event: &Event) {
    let What::Progress(progress) = event.what else { return };
    if matches!(progress, Progress::Entered(_) | Progress::Ended(_))
        && let Some(((phase, duration), before)) = recovery.phases.split_last_mut()
    {
        let so_far: Duration = before.iter().map(|(_, d)| *d).sum();
        *duration = at.since(recovery.began).saturating_sub(so_far);
        if *phase == Phase::ReportResume {
            recovery.resumed = Some(at);
        }
    }
    match progress {
        Progress::Entered(Phase::Done)
        | Progress::Began
        | Progress::Asked(_)
        | Progress::Answered(_)
        | Progress::Waiting { .. } => {}
        Progress::Entered(phase) => recovery.phases.push((phase, Duration::ZERO)),
        Progress::Ended(outcome) => recovery.ended = Some((at, outcome)),
    }
}
