// SPDX-License-Identifier: GPL-2.0-or-later
//! Readiness and restore of each device, bridges before what is behind them.
//!
//! A bus number is greater than that of every bus above it, so the order of addresses is an order
//! in which each bridge comes before its devices.

use core::time::Duration;

use eeh_pe::{Bdf, DeviceFlags, DeviceId, DeviceRef, Env, PeNumber, Time};

use super::action::{Action, Link};
use super::note::Note;
use super::recovery::{RESET_ATTEMPTS, Recovery};
use super::state::{Cue, Phase};
use crate::{DeviceEvent, Wait};

/// From link up, or from the release of the reset where the port does not tell (PCIe 6.0 6.6.1).
const LINK_SETTLE: Duration = Duration::from_millis(100);
/// The link must be up by then (PCIe 6.0 6.6.1).
const LINK_LIMIT: Duration = Duration::from_secs(1);
/// A device must answer by then (PCIe 6.0 6.6.1).
const READY_LIMIT: Duration = Duration::from_secs(1);
/// A device may ask for more time as long as this. C: `PCIE_RESET_READY_POLL_MS`
const RETRY_LIMIT: Duration = Duration::from_secs(60);
/// Trhfa: 2^25 clocks at 33 MHz (PCI 3.0 4.3.2). Earlier accesses are allowed and may be ignored.
const CONVENTIONAL_LIMIT: Duration = Duration::from_millis(1007);
/// How often link and device are looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// The device that is worked on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Current {
    id: DeviceId,
    bdf: Bdf,
    pe: PeNumber,
    bridge: bool,
    conventional: bool,
    ready: bool,
}

/// How far the restore has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Cursor {
    /// The last device that is done.
    done: Option<Bdf>,
    current: Option<Current>,
    /// The last bus whose link is up and settled.
    bus: Option<u8>,
    /// When the devices had to be reachable from.
    since: Time,
    /// Some function that is not a bridge is back.
    any_back: bool,
    /// Some device is not, and there is no attempt left for it.
    missing: bool,
}

impl<E: Env> Recovery<'_, E> {
    pub(super) fn restore(&mut self, now: Time) -> Option<Action> {
        if !self.begun {
            self.begun = true;
            self.cursor = Cursor { bus: Some(self.bus), since: now, ..Cursor::default() };
        }
        let current = match self.cursor.current {
            Some(current) => current,
            None => match self.next_to_restore() {
                Some(next) => next,
                None => {
                    self.all_restored();
                    return None;
                }
            },
        };
        self.cursor.current = Some(current);
        let bus = current.bdf.bus();
        Some(if self.cursor.bus != Some(bus) {
            Action::Link { bus }
        } else if current.ready {
            Action::Restore(current.id)
        } else {
            Action::Ready(current.id)
        })
    }

    /// The device with the lowest address above the last one's.
    fn next_to_restore(&self) -> Option<Current> {
        let tree = self.root.tree()?;
        let guard = tree.lock();
        let done = self.cursor.done;
        let root = guard.pe(self.root.id())?;
        // Virtual functions come back when the driver of their physical function switches them on.
        let vf = self.is_vf();
        let mut next: Option<DeviceRef<'_, '_, E>> = None;
        for device in root.subtree_devices().filter(|device| vf || device.info().physfn.is_none()) {
            let bdf = device.info().bdf;
            if done.is_none_or(|done| bdf > done) && next.is_none_or(|next| bdf < next.info().bdf) {
                next = Some(device);
            }
        }
        let device = next?;
        Some(Current {
            id: device.id(),
            bdf: device.info().bdf,
            pe: device.pe()?.number(),
            bridge: device.flags().contains(DeviceFlags::BRIDGE),
            conventional: device.info().conventional,
            ready: false,
        })
    }

    /// The device is restored.
    pub(super) fn restored(&mut self) {
        self.cursor.any_back |= self.cursor.current.is_some_and(|current| !current.bridge);
        self.passed();
    }

    /// The device is dealt with.
    pub(super) fn passed(&mut self) {
        self.cursor.done = self.cursor.current.take().map(|c| c.bdf).or(self.cursor.done);
    }

    /// Every device is dealt with. A PE of which nothing came back is lost.
    fn all_restored(&mut self) {
        if self.cursor.missing && !self.cursor.any_back {
            self.attempt_failed();
        } else {
            self.finish(Cue::Finished);
        }
    }

    /// The link above the PE's bus, or above a bus within it.
    pub(super) fn link(&mut self, link: Link, now: Time) {
        let limit = *self.deadline.get_or_insert_with(|| now.after(LINK_LIMIT));
        match link {
            Link::Down if now < limit => {
                self.waiting = Some((now.after(INTERVAL), Wait::LinkUp));
            }
            Link::Down => {
                if let Some(Current { bdf, pe, .. }) = self.cursor.current {
                    self.notes.push(Note::Device(bdf, pe, DeviceEvent::LinkDown));
                }
                self.attempt_failed();
            }
            Link::Up | Link::Unknown => self.link_up(link == Link::Up, now),
        }
    }

    fn link_up(&mut self, reported: bool, now: Time) {
        self.deadline = None;
        let within = self.phase == Phase::Restore;
        if within {
            self.cursor.bus = self.cursor.current.map(|c| c.bdf.bus());
        }
        // A silent port inside the PE was released together with the one above it.
        if reported || !within {
            let until = now.after(LINK_SETTLE);
            self.cursor.since = until;
            self.waiting = Some((until, Wait::LinkSettle));
        }
        if !within {
            self.begun = true;
        }
    }

    /// What a device's vendor ID reads as.
    pub(super) fn vendor(&mut self, vendor: u16, now: Time) {
        let Some(current) = self.cursor.current else { return };
        let (limit, why) = match (vendor, current.conventional) {
            (0xffff, true) => (CONVENTIONAL_LIMIT, Wait::ConventionalSettle),
            (0xffff, false) => (READY_LIMIT, Wait::DeviceReady),
            (0x0001, false) => (RETRY_LIMIT, Wait::DeviceReady),
            _ => {
                self.cursor.current = Some(Current { ready: true, ..current });
                return;
            }
        };
        let waited = now.since(self.cursor.since);
        if waited < limit {
            self.waiting = Some((now.after(INTERVAL), why));
            return;
        }
        let waited = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        self.notes.push(Note::Device(current.bdf, current.pe, DeviceEvent::NotReady { waited }));
        if self.attempt < RESET_ATTEMPTS {
            self.attempt_failed();
        } else {
            // One dead card does not take its neighbours with it: its driver will say so.
            self.cursor.missing = true;
            self.passed();
            self.cue(Cue::DeviceGone);
        }
    }
}
