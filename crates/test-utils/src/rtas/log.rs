// SPDX-License-Identifier: GPL-2.0-or-later
//! `ibm,slot-error-detail`, and the error logs that it composes (LoPAR, "RTAS Error/Event Return
//! Format").

use eeh_pe::Bdf;
use eeh_pseries::rtas::detail;

use super::pe::State;
use super::{Call, Firmware, buid_of, rc};
use crate::hw::Stopped;

/// The format's version.
const VERSION: u8 = 6;
/// Length of its fixed part.
const FIXED: usize = 8;
/// "Platform Error".
const KIND: u8 = 0xe0;
/// An error that the operating system recovers from, and one that it does not.
const RECOVERABLE: u8 = 4;
const FATAL: u8 = 5;

impl Firmware {
    /// What a driver put last into the log of the hardware's PE.
    #[must_use]
    pub fn driver_log(&self, phb: u32, pe: u32) -> Option<Vec<u8>> {
        self.call(buid_of(phb))?.state.driver_logs.get(&pe).cloned()
    }
}

impl Call<'_> {
    /// A log when the PE is stopped or unavailable, else none. Function 2 gives the PE
    /// up, whatever its state.
    pub(super) fn error_detail(&mut self, pe: u32, driver: &[u8], log: &mut [u8], function: u32) -> i32 {
        if !matches!(function, detail::TEMPORARY | detail::PERMANENT) {
            return rc::PARAMETER;
        }
        if !driver.is_empty() {
            self.state.driver_logs.insert(pe, driver.to_vec());
        }
        let state = self.state(pe);
        let status = match state {
            State::Runs | State::Reset => rc::NO_LOG,
            State::Stopped | State::DmaStopped | State::Away(_) | State::GivenUp => {
                let entry = self.compose(pe, state, driver, function);
                // What does not fit is cut.
                for (to, from) in log.iter_mut().zip(&entry) {
                    *to = *from;
                }
                self.record(pe).cached = None;
                rc::SUCCESS
            }
        };
        if function == detail::PERMANENT {
            self.give_up(pe);
        }
        status
    }

    /// The PE is permanently unavailable, and nothing gets through any more.
    fn give_up(&mut self, pe: u32) {
        self.release_reset(pe);
        self.phb.stop(pe, Stopped::ALL);
        self.record(pe).given_up = true;
    }

    /// The fixed part, then the platform's data: the PE's address, when its error was noticed, the
    /// identities of its functions when loads get through, and as much of the driver's own data
    /// as a log has room for.
    fn compose(&self, pe: u32, state: State, driver: &[u8], function: u32) -> Vec<u8> {
        let mut data = self.address_of(pe).to_be_bytes().to_vec();
        let cached = self.state.pes.get(&pe).and_then(|r| r.cached);
        data.extend(cached.map_or(0, |at| at.as_nanos()).to_be_bytes());
        if state == State::DmaStopped {
            for bdf in self.phb.members(pe) {
                data.extend(self.identity(bdf));
            }
        }
        let room = self.behaviour.error_log_max.saturating_sub(FIXED + data.len());
        data.extend(driver.iter().take(room));
        let severity = if function == detail::PERMANENT { FATAL } else { RECOVERABLE };
        // Severity; "not recovered"; an extended log follows.
        let flags = severity << 5 | 0x10 | 0x04;
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let mut entry = vec![VERSION, flags, 0, KIND];
        entry.extend(length.to_be_bytes());
        entry.extend(data);
        entry
    }

    fn identity(&self, bdf: Bdf) -> [u8; 6] {
        let id = self.phb.config_read(bdf, 0, 4).unwrap_or(u32::MAX);
        let [a, b] = bdf.0.to_be_bytes();
        let [c, d, e, f] = id.to_be_bytes();
        [a, b, c, d, e, f]
    }
}
