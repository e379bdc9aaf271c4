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

/// The calls since the last look, where a record is kept.
#[derive(Debug)]
pub struct Calls(Option<Mutex<Vec<Call>>>);

impl Calls {
    /// No calls yet.
    #[must_use]
    pub fn new(record: bool) -> Self {
        Self(record.then(Mutex::default))
    }

    /// Notes a call.
    pub fn note(&self, call: Call) {
        if let Some(calls) = &self.0 {
            calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        }
    }

    /// Takes them, in the order in which they began.
    #[must_use]
    pub fn take(&self) -> Vec<Call> {
        let take = |calls: &Mutex<Vec<Call>>| {
            core::mem::take(&mut *calls.lock().unwrap_or_else(PoisonError::into_inner))
        };
        self.0.as_ref().map(take).unwrap_or_default()
    }
}
