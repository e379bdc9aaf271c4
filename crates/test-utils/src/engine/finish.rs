// SPDX-License-Identifier: GPL-2.0-or-later
//! From a run to its report.

use std::collections::BTreeSet;

use eeh_pe::{Bdf, Time};
use eeh_recovery::{DeviceEvent, Event, Subject, What};

use super::outcome::{DeviceReport, Fate, Pause, RecoveryReport, Run, recoveries};
use super::run::{Engine, Stalled};
use super::trace::{Mark, Track};

/// A device as it was before anything happened.
#[derive(Clone, Debug)]
pub(super) struct Before {
    phb: u32,
    bdf: Bdf,
    driver: Option<String>,
    worked: bool,
}

impl Engine<'_> {
    /// Runs until everything is quiet, or until `limit`, and reports.
    ///
    /// # Errors
    ///
    /// [`Stalled`] when time stands still.
    pub fn run(mut self, limit: Time) -> Result<Run, Stalled> {
        let before = self.look();
        let quiet = self.run_until_quiet(limit)?;
        let events = self.linux.watcher().take_record();
        let recoveries = recoveries(&events, &self.pauses);
        let mut marks = Vec::new();
        for recovery in &recoveries {
            draw_recovery(recovery, &mut marks);
            draw_devices(recovery, &events, &mut marks);
        }
        self.pauses.iter().for_each(|pause| self.draw_pause(pause, &mut marks));
        draw_events(&events, &mut marks);
        let concerned = self.concerned(&events);
        let came = self.came(&before);
        let devices = before.into_iter().map(|device| self.judge(device, &concerned)).chain(came).collect();
        Ok(Run {
            devices,
            recoveries,
            log: self.linux.console().take(),
            events,
            marks,
            ended: self.now(),
            timed_out: !quiet,
            stuck: self.stuck(),
            lit: self.lit(),
            missed: self.missed(),
            coverage: self.coverage(),
            rounds: core::mem::take(&mut self.rounds),
        })
    }

    fn lit(&self) -> Vec<(u32, u8)> {
        let phbs = self.linux.phbs().into_iter();
        phbs.flat_map(|phb| phb.lit().into_iter().map(move |bus| (phb.number().0, bus))).collect()
    }

    fn look(&self) -> Vec<Before> {
        let all = self.linux.phbs().into_iter().flat_map(|phb| phb.devices());
        all.map(|device| Before {
            phb: device.phb_number(),
            bdf: device.bdf(),
            driver: device.driver().map(|d| d.name().to_owned()),
            worked: self.linux.works(device.phb_number(), device.bdf()).is_ok(),
        })
        .collect()
    }

    /// The devices that recoveries had to do with.
    fn concerned(&self, events: &[(Time, Event)]) -> BTreeSet<(u32, Bdf)> {
        let of = |event: &Event| match event.subject {
            Subject::Device(bdf, _) => Some((event.phb.0, bdf)),
            Subject::Phb | Subject::Pe(_) => None,
        };
        events.iter().filter(|(_, event)| event.recovery.is_some()).filter_map(|(_, e)| of(e)).collect()
    }

    /// The devices that were not there before.
    fn came(&self, before: &[Before]) -> Vec<DeviceReport> {
        let known: BTreeSet<(u32, Bdf)> = before.iter().map(|d| (d.phb, d.bdf)).collect();
        let now = self.look().into_iter().filter(|d| !known.contains(&(d.phb, d.bdf)));
        now.map(|device| {
            let mut report = self.judge(Before { worked: true, ..device }, &BTreeSet::new());
            if report.fate == Fate::Untouched {
                report.fate = Fate::Added;
            }
            report
        })
        .collect()
    }

    fn judge(&self, device: Before, concerned: &BTreeSet<(u32, Bdf)>) -> DeviceReport {
        let at = (device.phb, device.bdf);
        let works = self.linux.works(device.phb, device.bdf);
        let fate = match works {
            Ok(()) if concerned.contains(&at) => Fate::WorksAgain,
            Ok(()) => Fate::Untouched,
            Err(_) if self.removed.contains(&at) => Fate::Removed,
            Err(_) if !device.worked => Fate::Untouched,
            Err(why) => Fate::Failed(why),
        };
        let found = self.linux.device(device.phb, device.bdf).ok();
        let now = found.and_then(|d| d.driver()).map(|d| d.name().to_owned());
        let resets = self.linux.hardware(device.phb).and_then(|hw| hw.resets(device.bdf)).unwrap_or_default();
        DeviceReport {
            phb: device.phb,
            bdf: device.bdf,
            driver: now.or(device.driver),
            fate,
            resets: (resets.asserted, resets.released),
        }
    }

    fn draw_pause(&self, pause: &Pause, marks: &mut Vec<Mark>) {
        let Some(phb) = self.linux.phb_of(pause.tree).map(|phb| phb.number().0) else { return };
        use eeh_recovery::Wait;
        let (track, name) = match pause.why {
            None => (Track::Firmware(phb), "busy in a call".to_owned()),
            Some(why @ (Wait::OpalPoll | Wait::FirmwareUnavailable)) => {
                (Track::Firmware(phb), format!("{why:?}"))
            }
            Some(why) => (Track::Phb(phb), format!("wait: {why:?}")),
        };
        marks.push(Mark::span(track, pause.from, pause.to, name));
    }
}

fn draw_recovery(recovery: &RecoveryReport, marks: &mut Vec<Mark>) {
    let track = Track::Phb(recovery.phb);
    let end = recovery.ended.map_or(Time::NEVER, |(at, _)| at);
    let name = recovery.pe.map_or_else(|| "PHB".to_owned(), |pe| format!("PE#{pe}"));
    marks.push(Mark::at(track, recovery.detected, format!("{name} found frozen")));
    if end != Time::NEVER {
        marks.push(Mark::span(track, recovery.began, end, format!("recovery of {name}")));
    }
    let mut at = recovery.began;
    for (phase, duration) in &recovery.phases {
        let until = at.after(*duration);
        marks.push(Mark::span(track, at, until, format!("{phase:?}")));
        at = until;
    }
}

/// From the freeze to the end, each device of a recovery does not work.
fn draw_devices(recovery: &RecoveryReport, events: &[(Time, Event)], marks: &mut Vec<Mark>) {
    let Some((end, outcome)) = recovery.ended else { return };
    let mine = events.iter().filter(|(_, e)| e.recovery == Some(recovery.id));
    let devices: BTreeSet<Bdf> = mine
        .filter_map(|(_, e)| match e.subject {
            Subject::Device(bdf, _) => Some(bdf),
            Subject::Phb | Subject::Pe(_) => None,
        })
        .collect();
    for bdf in devices {
        let track = Track::Device(recovery.phb, bdf);
        marks.push(Mark::span(track, recovery.detected, end, format!("frozen; {outcome:?}")));
    }
}

/// Calls of drivers on their tracks; everything else that concerns a device at its moment.
fn draw_events(events: &[(Time, Event)], marks: &mut Vec<Mark>) {
    let mut calls: Vec<(u32, Bdf, Time, String)> = Vec::new();
    for (at, event) in events {
        let (Subject::Device(bdf, _), What::Device(what)) = (event.subject, event.what) else {
            if let What::Reset(reset) = event.what {
                marks.push(Mark::at(Track::Firmware(event.phb.0), *at, format!("{reset:?}")));
            }
            continue;
        };
        let phb = event.phb.0;
        match what {
            DeviceEvent::Invoking(_, handler) => calls.push((phb, bdf, *at, handler.to_string())),
            DeviceEvent::Reports(_, result) => {
                let Some(index) = calls.iter().position(|(p, b, ..)| (*p, *b) == (phb, bdf)) else {
                    continue;
                };
                let (_, _, from, name) = calls.swap_remove(index);
                marks.push(Mark::span(Track::Driver(phb, bdf), from, *at, format!("{name}: {result}")));
            }
            DeviceEvent::Config(_) => {}
            DeviceEvent::Runaway { .. }
            | DeviceEvent::NoDevice
            | DeviceEvent::NoDriver
            | DeviceEvent::NotAware
            | DeviceEvent::TooLate
            | DeviceEvent::NotActionable
            | DeviceEvent::Removing
            | DeviceEvent::LinkDown
            | DeviceEvent::NotReady { .. }
            | DeviceEvent::Stuck { .. }
            | DeviceEvent::HelperLost { .. } => {
                marks.push(Mark::at(Track::Device(phb, bdf), *at, format!("{what:?}")));
            }
        }
    }
}
