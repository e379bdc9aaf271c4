// SPDX-License-Identifier: GPL-2.0-or-later
//! What became of each PE so far, put together from events.

use core::time::Duration;

use eeh_pe::{Bdf, PeNumber, PhbNumber, Time};

use crate::observe::{DeviceEvent, Event, FirmwareEvent, Outcome, Progress, Subject, What};
use crate::{DriverName, FreezeState, Handler};

/// A call of an error handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slowest {
    /// Whose driver.
    pub device: Bdf,
    /// The driver.
    pub driver: DriverName,
    /// What was called.
    pub handler: Handler,
    /// How long it took, or was waited for.
    pub took: Duration,
    /// It never came back.
    pub lost: bool,
}

/// The past of a PE. It is that of firmware's number: a card that replaces another goes on with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeHistory {
    /// Linux's number of the PHB.
    pub phb: PhbNumber,
    /// The PE; `None` for the PHB's own.
    pub pe: Option<PeNumber>,
    /// Freezes found, by a driver's read or by firmware.
    pub freezes: u32,
    /// The last of them.
    pub last_freeze: Option<Time>,
    /// Recoveries begun.
    pub recoveries: u32,
    /// How the last one ended.
    pub last_outcome: Option<Outcome>,
    /// The slowest callback.
    pub slowest: Option<Slowest>,
    /// The callback that runs.
    running: Option<(Bdf, Handler, Time)>,
    /// When it changed last.
    touched: Time,
}

impl PeHistory {
    fn is_of(&self, phb: PhbNumber, pe: Option<PeNumber>) -> bool {
        self.phb == phb && self.pe == pe
    }
}

/// The past of at most `N` PEs; when there is no room, of those that something happened to last.
#[derive(Clone, Debug)]
pub struct History<const N: usize> {
    entries: [Option<PeHistory>; N],
}

impl<const N: usize> Default for History<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> History<N> {
    /// Nothing has happened.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: [None; N] }
    }

    /// Takes notice of an event.
    ///
    /// # Context
    ///
    /// Any in which events are told; takes time in proportion to `N` for the few events that count.
    pub fn note(&mut self, now: Time, event: &Event) {
        let own = match event.subject {
            Subject::Phb => None,
            Subject::Pe(pe) | Subject::Device(_, pe) => Some(pe),
        };
        match event.what {
            What::Detected(FreezeState::PhbFenced) => self.freeze(event.phb, None, now),
            What::Detected(_) => self.freeze(event.phb, own, now),
            What::Firmware(
                FirmwareEvent::Frozen { .. } | FirmwareEvent::Fenced(_) | FirmwareEvent::DeadPhb(_),
            ) => self.freeze(event.phb, own, now),
            What::Progress(Progress::Began) => {
                if let Some(entry) = self.entry(event.phb, own, now) {
                    entry.recoveries = entry.recoveries.saturating_add(1);
                }
            }
            What::Progress(Progress::Ended(outcome)) => {
                if let Some(entry) = self.entry(event.phb, own, now) {
                    entry.last_outcome = Some(outcome);
                }
            }
            What::Device(what) => {
                if let Subject::Device(bdf, pe) = event.subject {
                    self.device(event.phb, pe, bdf, what, now);
                }
            }
            What::Firmware(_) | What::Queue(_) | What::Progress(_) | What::Step(_) | What::Reset(_) => {}
        }
    }

    fn freeze(&mut self, phb: PhbNumber, pe: Option<PeNumber>, now: Time) {
        let Some(entry) = self.entry(phb, pe, now) else { return };
        entry.freezes = entry.freezes.saturating_add(1);
        entry.last_freeze = Some(now);
    }

    fn device(&mut self, phb: PhbNumber, pe: PeNumber, bdf: Bdf, what: DeviceEvent, now: Time) {
        let (driver, lost) = if let DeviceEvent::Invoking(driver, _) | DeviceEvent::Reports(driver, _) = what
        {
            (driver, false)
        } else if let DeviceEvent::HelperLost { driver } = what {
            (driver, true)
        } else {
            return;
        };
        let Some(entry) = self.entry(phb, Some(pe), now) else { return };
        if let DeviceEvent::Invoking(_, handler) = what {
            entry.running = Some((bdf, handler, now));
            return;
        }
        let Some((device, handler, began)) = entry.running.take_if(|(device, ..)| *device == bdf) else {
            return;
        };
        let took = now.since(began);
        if entry.slowest.is_none_or(|slowest| slowest.took < took) {
            entry.slowest = Some(Slowest { device, driver, handler, took, lost });
        }
    }

    /// A PE's entry, to be changed; it is made when there is none: of the room of the one that nothing has
    /// happened to for longest.
    fn entry(&mut self, phb: PhbNumber, pe: Option<PeNumber>, now: Time) -> Option<&mut PeHistory> {
        let (mut place, mut oldest) = (0, Some(Time::NEVER));
        for (index, entry) in self.entries.iter().enumerate() {
            if entry.as_ref().is_some_and(|e| e.is_of(phb, pe)) {
                place = index;
                break;
            }
            let touched = entry.as_ref().map(|e| e.touched);
            if touched < oldest {
                (place, oldest) = (index, touched);
            }
        }
        let place = self.entries.get_mut(place)?;
        if !place.as_ref().is_some_and(|e| e.is_of(phb, pe)) {
            *place = None;
        }
        let fresh = PeHistory {
            phb,
            pe,
            freezes: 0,
            last_freeze: None,
            recoveries: 0,
            last_outcome: None,
            slowest: None,
            running: None,
            touched: now,
        };
        let entry = place.get_or_insert(fresh);
        entry.touched = now;
        Some(entry)
    }

    /// The PEs that something happened to, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &PeHistory> {
        self.entries.iter().flatten()
    }

    /// What is known of a PE.
    #[must_use]
    pub fn get(&self, phb: PhbNumber, pe: Option<PeNumber>) -> Option<&PeHistory> {
        self.iter().find(|entry| entry.is_of(phb, pe))
    }

    /// The first PE after `last`, by PHB and number; a PHB before its PEs. So a reader takes one entry at
    /// a time, and the lock around the history for a moment only.
    #[must_use]
    pub fn after(&self, last: Option<(PhbNumber, Option<PeNumber>)>) -> Option<PeHistory> {
        let mut first: Option<&PeHistory> = None;
        for entry in self.iter() {
            let place = (entry.phb, entry.pe);
            if last.is_none_or(|last| place > last) && first.is_none_or(|first| place < (first.phb, first.pe))
            {
                first = Some(entry);
            }
        }
        first.copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErsResult;
    use crate::observe::RecoveryId;

    const NVME: Bdf = Bdf(0x0300);

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    fn event(pe: Option<u32>, what: What) -> Event {
        let subject = match pe {
            Some(pe) => Subject::Device(NVME, PeNumber(pe)),
            None => Subject::Phb,
        };
        let recovery = Some(RecoveryId { tree: eeh_pe::TreeId::NONE, serial: 1 });
        Event { phb: PhbNumber(2), recovery, subject, what }
    }

    fn call(history: &mut History<2>, handler: Handler, from: u64, lost: bool) {
        let driver = DriverName::new("nvme");
        history.note(at(from), &event(Some(1), What::Device(DeviceEvent::Invoking(driver, handler))));
        let end = if lost {
            DeviceEvent::HelperLost { driver }
        } else {
            DeviceEvent::Reports(driver, ErsResult::Recovered)
        };
        history.note(at(from + 10 * from), &event(Some(1), What::Device(end)));
    }

    #[test]
    fn freezes_outcomes_and_the_slowest_callback_are_remembered() {
        let mut history = History::<2>::new();
        history.note(at(1), &event(Some(1), What::Detected(FreezeState::Frozen)));
        history.note(at(5), &event(Some(1), What::Detected(FreezeState::Frozen)));
        history.note(at(6), &event(Some(1), What::Progress(Progress::Began)));
        call(&mut history, Handler::SlotReset, 20, false);
        call(&mut history, Handler::Resume, 10, false);
        history.note(at(9), &event(Some(1), What::Progress(Progress::Ended(Outcome::Failed))));
        history.note(at(9), &event(Some(1), What::Detected(FreezeState::PhbFenced)));
        let entry = history.get(PhbNumber(2), Some(PeNumber(1))).copied().expect("known");
        assert_eq!((entry.freezes, entry.last_freeze, entry.recoveries), (2, Some(at(5)), 1));
        assert_eq!(entry.last_outcome, Some(Outcome::Failed));
        let slowest = entry.slowest.expect("one");
        assert_eq!(
            (slowest.handler, slowest.took.as_millis(), slowest.lost),
            (Handler::SlotReset, 200, false)
        );
        assert_eq!(history.get(PhbNumber(2), None).map(|e| e.freezes), Some(1), "a fence is the PHB's");
    }

    #[test]
    fn a_callback_that_never_came_back_is_told() {
        let mut history = History::<2>::new();
        call(&mut history, Handler::Resume, 30, true);
        let entry = history.get(PhbNumber(2), Some(PeNumber(1))).expect("known");
        assert_eq!(entry.slowest.map(|s| (s.took.as_millis(), s.lost)), Some((300, true)));
    }

    #[test]
    fn the_longest_untouched_makes_room() {
        let mut history = History::<2>::new();
        for (ms, pe) in [(1, 1), (2, 2), (3, 1), (4, 3)] {
            history.note(at(ms), &event(Some(pe), What::Detected(FreezeState::Frozen)));
        }
        let left: std::vec::Vec<_> = history.iter().map(|e| e.pe).collect();
        assert_eq!(left.len(), 2);
        assert!(history.get(PhbNumber(2), Some(PeNumber(2))).is_none());
        assert_eq!(history.get(PhbNumber(2), Some(PeNumber(1))).map(|e| e.freezes), Some(2));
        let first = history.after(None).expect("one");
        assert_eq!(first.pe, Some(PeNumber(1)));
        let second = history.after(Some((first.phb, first.pe))).expect("another");
        assert_eq!(second.pe, Some(PeNumber(3)));
        assert!(history.after(Some((second.phb, second.pe))).is_none());
    }
}
