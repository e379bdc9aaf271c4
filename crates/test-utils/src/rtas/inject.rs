// SPDX-License-Identifier: GPL-2.0-or-later
//! Error injection: one session at a time, errors of the classes `ioa-bus-error` and
//! `ioa-bus-error-64`.

use std::sync::PoisonError;

use eeh_pseries::rtas::{Address, ErrorClass};

use super::{Firmware, rc};
use crate::hw::{InjectOn, Injection};

/// Numbers in `ibm,errinjct-tokens`; PAPR fixes none.
const NARROW: u32 = 7;
const WIDE: u32 = 15;

pub(super) const fn token(class: ErrorClass) -> u32 {
    match class {
        ErrorClass::IoaBus => NARROW,
        ErrorClass::IoaBus64 => WIDE,
    }
}

/// Who has error injection open.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: Option<u32>,
    last: u32,
}

const fn wide(high: u32, low: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

impl Firmware {
    pub(super) fn open_session(&self, session: &mut u32) -> i32 {
        if !self.behaviour().injection {
            return rc::NOT_ENABLED;
        }
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.open.is_some() {
            return rc::CANNOT;
        }
        sessions.last = sessions.last.wrapping_add(1);
        sessions.open = Some(sessions.last);
        *session = sessions.last;
        rc::SUCCESS
    }

    pub(super) fn close_session(&self, session: u32) -> i32 {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.open != Some(session) {
            return rc::CANNOT;
        }
        sessions.open = None;
        rc::SUCCESS
    }

    /// Whether a session is open.
    #[must_use]
    pub fn has_session(&self) -> bool {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).open.is_some()
    }

    pub(super) fn inject(&self, class: u32, session: u32, work: &[u32]) -> i32 {
        let open = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).open;
        if open != Some(session) {
            return rc::CANNOT;
        }
        let (address, mask, config_addr, buid, function) = match (class, work) {
            (NARROW, &[address, mask, config_addr, high, low, function, ..]) => {
                (u64::from(address), u64::from(mask), config_addr, wide(high, low), function)
            }
            (WIDE, &[a, b, c, d, config_addr, high, low, function, ..]) => {
                (wide(a, b), wide(c, d), config_addr, wide(high, low), function)
            }
            _ => return rc::PARAMETER,
        };
        let Some(on) = InjectOn::by_function(function) else { return rc::PARAMETER };
        self.of_pe(Address { buid, config_addr }, |c, pe| {
            let (address, mask) = match on {
                InjectOn::ConfigRead | InjectOn::ConfigWrite => (0, 0),
                InjectOn::MemRead | InjectOn::MemWrite => (c.phb.cpu_address(address), mask),
                InjectOn::DmaRead | InjectOn::DmaWrite => (address, mask),
            };
            if c.phb.inject(Injection { pe, on, address, mask }) { rc::SUCCESS } else { rc::HARDWARE }
        })
    }
}
