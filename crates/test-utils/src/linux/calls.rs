// SPDX-License-Identifier: GPL-2.0-or-later
//! Which callback of which driver was called when: what drivers saw, whatever recovery tells.

use std::sync::{Mutex, PoisonError};

use eeh_pe::{Bdf, Time};

use super::device::SimDevice;
use crate::drivers::Step;

/// A call of a driver, noted when it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// When.
    pub at: Time,
    /// Linux's number of the PHB.
    pub phb: u32,
    /// Which device.
    pub bdf: Bdf,
    /// Which callback.
    pub step: Step,
    /// Whether Linux had removed the device by then.
    pub gone: bool,
}

impl Call {
    /// A call that begins now.
    #[must_use]
    pub fn of(at: Time, device: &SimDevice, step: Step) -> Self {
        Self { at, phb: device.phb_number(), bdf: device.bdf(), step, gone: device.is_gone() }
    }
}

/// Something that happened to a device beside calls of its driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// When.
    pub at: Time,
    /// Linux's number of the PHB.
    pub phb: u32,
    /// Which device.
    pub bdf: Bdf,
}

impl Moment {
    fn of(at: Time, device: &SimDevice) -> Self {
        Self { at, phb: device.phb_number(), bdf: device.bdf() }
    }
}

#[derive(Debug, Default)]
struct Record {
    calls: Vec<Call>,
    came: Vec<Moment>,
    kept: Vec<Moment>,
}

/// The calls since the last look, where a record is kept.
#[derive(Debug)]
pub struct Calls(Option<Mutex<Record>>);

impl Calls {
    /// No calls yet.
    #[must_use]
    pub fn new(record: bool) -> Self {
        Self(record.then(Mutex::default))
    }

    fn with<T: Default>(&self, f: impl FnOnce(&mut Record) -> T) -> T {
        let record = self.0.as_ref();
        record.map(|r| f(&mut r.lock().unwrap_or_else(PoisonError::into_inner))).unwrap_or_default()
    }

    /// Notes a call.
    pub fn note(&self, call: Call) {
        self.with(|record| record.calls.push(call));
    }

    /// EEH gets to know a device.
    pub(super) fn note_came(&self, at: Time, device: &SimDevice) {
        self.with(|record| record.came.push(Moment::of(at, device)));
    }

    /// `slot_reset` found a device that was not reset.
    pub(super) fn note_kept(&self, at: Time, device: &SimDevice) {
        self.with(|record| record.kept.push(Moment::of(at, device)));
    }

    /// How many calls there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.with(|record| record.calls.len())
    }

    /// Takes them, in the order in which they began.
    #[must_use]
    pub fn take(&self) -> Vec<Call> {
        self.with(|record| core::mem::take(&mut record.calls))
    }

    /// Takes the devices that EEH got to know.
    #[must_use]
    pub fn take_came(&self) -> Vec<Moment> {
        self.with(|record| core::mem::take(&mut record.came))
    }

    /// Takes the calls of `slot_reset` that found a device that was not reset.
    #[must_use]
    pub fn take_kept(&self) -> Vec<Moment> {
        self.with(|record| core::mem::take(&mut record.kept))
    }
}
