// SPDX-License-Identifier: GPL-2.0-or-later
//! RTAS status words, sorted, and how long firmware may be busy.

use core::time::Duration;

use eeh_recovery::FirmwareError;

use crate::rtas::Services;

/// Status words that mean something here (PAPR, "Return Codes").
pub(crate) mod rc {
    pub(crate) const SUCCESS: i32 = 0;
    pub(crate) const HARDWARE: i32 = -1;
    pub(crate) const BUSY: i32 = -2;
    pub(crate) const PARAMETER: i32 = -3;
    /// Of `ibm,open-errinjct`: error injection is not enabled.
    pub(crate) const NOT_ENABLED: i32 = -5;
    /// Not in this state of the PE.
    pub(crate) const UNEXPECTED_STATE: i32 = -7;
    /// Of `ibm,set-slot-reset`: no fundamental reset for this address.
    pub(crate) const NO_FUNDAMENTAL: i32 = -8;
    /// Of `ibm,slot-error-detail`: nothing to tell.
    pub(crate) const NO_LOG: i32 = 1;
}

/// How long one call may be busy, all its waits together: as much as PAPR gives
/// `ibm,configure-bridge` and `ibm,configure-pe`. C: `max_wait`
pub const BUSY_LIMIT: Duration = Duration::from_millis(200);

/// The longest single wait for a busy call; a status that asks for more is taken for a slip.
/// C: `pseries_eeh_phb_configure_bridge`
pub const LONGEST_BUSY: Duration = Duration::from_millis(100);

/// A call: its name, and the errors that PAPR defines for it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) service: Services,
    errors: &'static [i32],
}

/// A status word, sorted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    Done,
    /// To be called again after this time.
    Busy(Duration),
    Failed(FirmwareError),
}

impl Call {
    const fn new(name: &'static str, service: Services, errors: &'static [i32]) -> Self {
        Self { name, service, errors }
    }

    pub(crate) fn sort(&self, status: i32) -> Status {
        match status {
            rc::SUCCESS => Status::Done,
            rc::BUSY | 9900 => Status::Busy(Duration::from_millis(1)),
            9901 => Status::Busy(Duration::from_millis(10)),
            9902 => Status::Busy(Duration::from_millis(100)),
            9903 => Status::Busy(Duration::from_secs(1)),
            9904 => Status::Busy(Duration::from_secs(10)),
            9905 => Status::Busy(Duration::from_secs(100)),
            status if self.defines(status) => Status::Failed(self.failed(status)),
            status => Status::Failed(self.garbage(i64::from(status))),
        }
    }

    /// The call's own errors, and those that any call may have: hardware, isolation, the vendor's.
    fn defines(&self, status: i32) -> bool {
        self.errors.contains(&status) || matches!(status, rc::HARDWARE | -9000 | -9999..=-9004)
    }

    pub(crate) fn failed(&self, status: i32) -> FirmwareError {
        FirmwareError::Failed { call: self.name, code: i64::from(status) }
    }

    pub(crate) const fn garbage(&self, value: i64) -> FirmwareError {
        FirmwareError::Garbage { call: self.name, code: value }
    }

    pub(crate) const fn missing(&self) -> FirmwareError {
        FirmwareError::Missing { call: self.name }
    }

    pub(crate) const fn unfinished(&self) -> FirmwareError {
        FirmwareError::Unfinished { call: self.name }
    }

    /// Calls until firmware is not busy, without the waits that it asks for, and not more often than
    /// they would fit into [`BUSY_LIMIT`]: 201 times at most.
    pub(crate) fn at_once(&self, mut call: impl FnMut() -> i32) -> Result<(), FirmwareError> {
        let mut patience = Patience::new();
        loop {
            match self.sort(call()) {
                Status::Done => return Ok(()),
                Status::Failed(error) => return Err(error),
                Status::Busy(asked) => {
                    patience.wait(asked).ok_or(self.unfinished())?;
                }
            }
        }
    }
}

/// How much of [`BUSY_LIMIT`] is used up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience(Duration);

impl Patience {
    pub(crate) const fn new() -> Self {
        Self(Duration::ZERO)
    }

    /// How long to wait when `asked` is asked for: 1 ms at least, as [`Call::sort`] has nothing shorter.
    /// `None` when it is used up.
    pub(crate) fn wait(&mut self, asked: Duration) -> Option<Duration> {
        let pause = asked.min(LONGEST_BUSY);
        self.0 = self.0.saturating_add(pause);
        (self.0 <= BUSY_LIMIT).then_some(pause)
    }
}

pub(crate) const SET_EEH_OPTION: Call =
    Call::new("ibm,set-eeh-option", Services::SET_EEH_OPTION, &[rc::PARAMETER, -7]);
pub(crate) const SET_SLOT_RESET: Call =
    Call::new("ibm,set-slot-reset", Services::SET_SLOT_RESET, &[rc::PARAMETER, -7, rc::NO_FUNDAMENTAL]);
pub(crate) const STATE2: Call =
    Call::new("ibm,read-slot-reset-state2", Services::READ_SLOT_RESET_STATE2, &[rc::PARAMETER]);
pub(crate) const STATE: Call =
    Call::new("ibm,read-slot-reset-state", Services::READ_SLOT_RESET_STATE, &[rc::PARAMETER]);
pub(crate) const INFO2: Call =
    Call::new("ibm,get-config-addr-info2", Services::GET_CONFIG_ADDR_INFO2, &[rc::PARAMETER]);
pub(crate) const INFO: Call =
    Call::new("ibm,get-config-addr-info", Services::GET_CONFIG_ADDR_INFO, &[rc::PARAMETER]);
pub(crate) const CONFIGURE_PE: Call = Call::new("ibm,configure-pe", Services::CONFIGURE_PE, &[rc::PARAMETER]);
pub(crate) const CONFIGURE_BRIDGE: Call =
    Call::new("ibm,configure-bridge", Services::CONFIGURE_BRIDGE, &[rc::PARAMETER]);
pub(crate) const ERROR_DETAIL: Call =
    Call::new("ibm,slot-error-detail", Services::SLOT_ERROR_DETAIL, &[rc::PARAMETER]);
pub(crate) const ALLOW_UNFREEZE: Call =
    Call::new("ibm,open-sriov-allow-unfreeze", Services::ALLOW_UNFREEZE, &[rc::PARAMETER]);
pub(crate) const OPEN_ERRINJCT: Call = Call::new("ibm,open-errinjct", Services::OPEN_ERRINJCT, &[-4]);
pub(crate) const ERRINJCT: Call = Call::new("ibm,errinjct", Services::ERRINJCT, &[rc::PARAMETER, -4]);
pub(crate) const CLOSE_ERRINJCT: Call = Call::new("ibm,close-errinjct", Services::CLOSE_ERRINJCT, &[-4]);
pub(crate) const READ_CONFIG: Call =
    Call::new("ibm,read-pci-config", Services::READ_PCI_CONFIG, &[rc::PARAMETER]);
pub(crate) const WRITE_CONFIG: Call =
    Call::new("ibm,write-pci-config", Services::WRITE_PCI_CONFIG, &[rc::PARAMETER]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_busy_status_is_a_power_of_ten() {
        for (status, ms) in
            [(-2, 1), (9900, 1), (9901, 10), (9902, 100), (9903, 1000), (9904, 10_000), (9905, 100_000)]
        {
            assert_eq!(STATE2.sort(status), Status::Busy(Duration::from_millis(ms)));
        }
    }

    #[test]
    fn what_papr_does_not_define_for_a_call_is_garbage() {
        for status in [1, 9000, 9899, 9906, i32::MAX, -4, -6, -7, -8, -9001, -9003, -10_000, i32::MIN] {
            let garbage = FirmwareError::Garbage { call: "ibm,configure-pe", code: i64::from(status) };
            assert_eq!(CONFIGURE_PE.sort(status), Status::Failed(garbage));
        }
        for status in [-1, -3, -9000, -9004, -9999] {
            let failed = FirmwareError::Failed { call: "ibm,configure-pe", code: i64::from(status) };
            assert_eq!(CONFIGURE_PE.sort(status), Status::Failed(failed));
        }
        assert_eq!(SET_SLOT_RESET.sort(-7), Status::Failed(SET_SLOT_RESET.failed(-7)));
    }

    #[test]
    fn firmware_that_is_busy_for_ever_is_called_a_bounded_number_of_times() {
        for (status, expected) in [(-2, 201), (9900, 201), (9901, 21), (9902, 3), (9903, 3), (9905, 3)] {
            let mut calls = 0;
            let answer = STATE2.at_once(|| {
                calls += 1;
                status
            });
            assert_eq!((answer, calls), (Err(STATE2.unfinished()), expected));
        }
    }

    #[test]
    fn the_answer_after_busy_ones_counts() {
        for (last, expected) in [(0, Ok(())), (-1, Err(STATE2.failed(-1))), (7, Err(STATE2.garbage(7)))] {
            let mut answers = [-2, 9900, last].into_iter();
            assert_eq!(STATE2.at_once(|| answers.next().unwrap()), expected);
            assert_eq!(answers.next(), None);
        }
    }
}
