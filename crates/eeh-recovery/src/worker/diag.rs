// SPDX-License-Identifier: GPL-2.0-or-later
//! A PHB's error data, fetched before anything that overwrites them is done.
//!
//! Every call that changes state on a PHB may clear its error registers, and one set of registers
//! serves all its PEs. So data are fetched when a recovery begins; and before it changes anything
//! while another freeze waits, into the second buffer, for that one's recovery. Data that were
//! fetched tell of every freeze since the change before them; a freeze that no data tell of is lost.
//!
//! A PE's own log ([`ErrorLog::is_shared`]) is fetched when it is printed: firmware keeps it until
//! then, and has more to tell when loads get through again (PAPR, `ibm,slot-error-detail`, R-14, R-15). It
//! takes what Linux knows of the devices into it; the second buffer, which no freeze needs there, has that.

use core::fmt;

use eeh_pe::{Bdf, Env, PhbNumber, Time};

use super::{Worker, WorkerStorage};
use crate::config_space::ConfigLine;
use crate::observe::{FirmwareEvent, Observer, RecoveryId, Subject, What};
use crate::{ErrorLog, PeTarget, Platform, Severity};

/// Room for a PHB's error data: those of a PHB4, the longest, are 8576 bytes. C:
/// `ibm,phb-diag-data-size`
const SIZE: usize = 8576;

/// The most bytes that firmware is told of the devices of a PE ([`ErrorLog::capture`]). C: `EEH_PCI_REGS_LOG_LEN`
pub const DRIVER_LOG: usize = 8192;

/// Error data of a PHB.
#[derive(Debug)]
pub struct DiagBuffer {
    bytes: [u8; SIZE],
    len: usize,
}

impl DiagBuffer {
    /// Without data.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; SIZE], len: 0 }
    }

    /// The data.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// Text for firmware's log, as much of it as there is room for.
impl fmt::Write for DiagBuffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..DRIVER_LOG).unwrap_or_default();
        let fits = room.len().min(text.len());
        for (to, from) in room.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        self.len = self.len.saturating_add(fits);
        if fits < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

impl Default for DiagBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// The freezes that fetched data tell of: those found after one time and not after another.
#[derive(Clone, Copy)]
struct Span {
    after: Option<Time>,
    until: Time,
}

impl Span {
    fn covers(self, found: Time) -> bool {
        self.after.is_none_or(|after| found > after) && found <= self.until
    }
}

/// The buffers of a worker.
pub(super) struct Diag<E: Env> {
    /// Of a freeze that waits.
    waiting: E::Own<DiagBuffer>,
    /// What they tell of, while there are some.
    waiting_span: Option<Span>,
    /// Of the freeze that is recovered.
    current: E::Own<DiagBuffer>,
    /// What the data that were used last tell of.
    current_span: Option<Span>,
    /// When state was changed on the PHB last.
    changed: Option<Time>,
    lost: u64,
}

impl<E: Env> Diag<E> {
    pub(super) fn new(storage: WorkerStorage<E>) -> Self {
        Self {
            waiting: storage.phb_diag,
            waiting_span: None,
            current: storage.recovery_diag,
            current_span: None,
            changed: None,
            lost: 0,
        }
    }

    /// Whatever firmware was told of devices is over.
    pub(super) fn forget_driver_log(&mut self) {
        self.waiting.len = 0;
    }

    /// Firmware will be told this too.
    pub(super) fn note_for_firmware(&mut self, line: &ConfigLine, phb: PhbNumber, bdf: Bdf) {
        // What there is no room for is left out.
        let _ = line.write_for_firmware(&mut *self.waiting, phb, bdf);
    }
}

impl<P: Platform> Worker<'_, P> {
    /// Fetches the data of a freeze found at `found`, when its recovery begins.
    pub(super) fn fetch_diag(&mut self, target: &PeTarget, found: Time, now: Time) {
        self.diag.current.len = 0;
        let firmware = self.platform.firmware();
        if !firmware.is_shared(&self.phb) {
            return;
        }
        if let Some(span) = self.diag.waiting_span.filter(|span| span.covers(found)) {
            core::mem::swap(&mut self.diag.waiting, &mut self.diag.current);
            self.diag.waiting_span = None;
            self.diag.current_span = Some(span);
            return self.print_early(now);
        }
        if self.diag.changed.is_some_and(|changed| found <= changed) {
            // Perhaps they were printed with those of another freeze.
            if !self.diag.current_span.is_some_and(|span| span.covers(found)) {
                self.diag.lost = self.diag.lost.saturating_add(1);
                let what = FirmwareEvent::DiagLost { count: self.diag.lost };
                self.tell_of(None, Subject::Phb, What::Firmware(what), now);
            }
            return;
        }
        self.diag.current_span = Some(Span { after: self.diag.changed, until: now });
        self.capture(target, Severity::Temporary, now);
        self.print_early(now);
    }

    /// Prints the data of the recovery that begins, if they are not to wait for its log. Those of a
    /// freeze that waits are printed when its turn comes: with one set of data for the whole PHB they
    /// would be printed twice otherwise.
    fn print_early(&mut self, now: Time) {
        if self.platform.params().early_log {
            self.print_diag(Some(self.next_id()), now);
        }
    }

    /// Fetches data into the buffer that is printed next.
    fn capture(&mut self, target: &PeTarget, severity: Severity, now: Time) {
        let firmware = self.platform.firmware();
        let shared = firmware.is_shared(&self.phb);
        let driver = if shared { &[] } else { self.diag.waiting.data() };
        match firmware.capture(target, severity, driver, &mut self.diag.current.bytes) {
            Ok(len) => self.diag.current.len = len.min(SIZE),
            Err(error) => {
                self.diag.current.len = 0;
                self.tell_call(None, error, now);
            }
        }
        if !shared {
            self.diag.forget_driver_log();
        }
    }

    /// Something on the PHB is about to change: fetches the data of a freeze that waits.
    pub(super) fn before_change(&mut self, target: &PeTarget, now: Time) {
        let firmware = self.platform.firmware();
        let waits = firmware.is_shared(&self.phb) && self.tree.lock().has_report();
        if waits
            && self.diag.waiting_span.is_none()
            && let Ok(len) = firmware.capture(target, Severity::Temporary, &[], &mut self.diag.waiting.bytes)
        {
            self.diag.waiting.len = len.min(SIZE);
            self.diag.waiting_span = Some(Span { after: self.diag.changed, until: now });
        }
        self.diag.changed = Some(now);
    }

    /// No freeze waits any more: what was fetched for one that was removed is of no use.
    pub(super) fn forget_waiting_diag(&mut self) {
        self.diag.waiting_span = None;
    }

    /// Fetches and prints data: those that belong to no PE of ours, or those of one that is given up.
    pub(super) fn print_fetched(
        &mut self,
        target: &PeTarget,
        severity: Severity,
        recovery: Option<RecoveryId>,
        now: Time,
    ) {
        self.capture(target, severity, now);
        self.print_diag(recovery, now);
    }

    /// Prints the data of the freeze that is recovered, once.
    pub(super) fn print_diag(&mut self, recovery: Option<RecoveryId>, now: Time) {
        if self.diag.current.len == 0 {
            return;
        }
        let (phb, observer) = (self.phb, self.platform.observer());
        let mut line = |text: core::fmt::Arguments<'_>| observer.line(now, &phb, recovery, text);
        self.platform.firmware().print(&phb, self.diag.current.data(), &mut line);
        self.diag.current.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use core::fmt::Write;

    use super::*;

    #[test]
    fn firmware_is_told_as_much_as_there_is_room_for() {
        let mut buffer = DiagBuffer::new();
        let whole = (0..2000).map(|_| buffer.write_str("12345678")).take_while(Result::is_ok).count();
        assert_eq!((whole, buffer.data().len()), (DRIVER_LOG / 8, DRIVER_LOG));
        buffer.len = DRIVER_LOG - 3;
        assert!(buffer.write_str("abcd").is_err());
        assert!(buffer.data().ends_with(b"abc"));
        assert!(buffer.write_str("e").is_err());
        // What firmware tells may be longer.
        buffer.len = SIZE;
        assert!(buffer.write_str("f").is_err());
        assert_eq!(buffer.data().len(), SIZE);
    }
}
