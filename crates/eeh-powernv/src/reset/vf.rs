// SPDX-License-Identifier: GPL-2.0-or-later
//! The reset of a virtual function: Function Level Reset, or that of the Advanced Features
//! capability. C: `pnv_eeh_reset_vf_pe`, `pnv_eeh_do_flr`, `pnv_eeh_do_af_flr`
//!
//! Both are one write of a bit that clears itself (PCIe 6.0 7.5.3.4; ECN Advanced Capabilities for
//! Conventional PCI, 6.x.1): there is nothing to release. (C writes a zero later, and writes Device
//! Control as 32 bits, which clears the error bits of Device Status beside it.)

use core::time::Duration;

use eeh_pe::Time;
use eeh_recovery::{ConfigSpace, DeviceTarget, FirmwareError, ResetPoll, Wait, Width};

use crate::call::name;
use crate::config::all_ones;

use super::{Outcome, answer, given_up, wait};

/// The function needs this long before it may be accessed (PCIe 6.0 6.6.2).
pub const FLR_SETTLE: Duration = Duration::from_millis(100);

/// Waits for pending transactions; after the last the reset is done all the same, as in C and the
/// PCI core: completions that never come would hold it for ever.
pub const PENDING_WAITS: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

/// PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR
const DEVCAP: u16 = 0x04;
const DEVCAP_FLR: u32 = 0x1000_0000;
/// PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR
const DEVCTL: u16 = 0x08;
const DEVCTL_FLR: u32 = 0x8000;
/// PCI_EXP_DEVSTA, PCI_EXP_DEVSTA_TRPND
const DEVSTA: u16 = 0x0a;
const DEVSTA_PENDING: u32 = 0x20;
/// PCI_AF_CAP, PCI_AF_CAP_TP and PCI_AF_CAP_FLR
const AF_CAP: u16 = 3;
const AF_CAP_TP_FLR: u32 = 0x03;
/// PCI_AF_CTRL, PCI_AF_CTRL_FLR
const AF_CTRL: u16 = 4;
const AF_CTRL_FLR: u32 = 0x01;
/// PCI_AF_STATUS, PCI_AF_STATUS_TP
const AF_STATUS: u16 = 5;
const AF_STATUS_PENDING: u32 = 0x01;

#[derive(Debug)]
pub(super) struct FunctionReset {
    device: DeviceTarget,
    step: Step,
}

/// Which of the two registers does it.
#[derive(Clone, Copy, Debug)]
enum Method {
    Express,
    AdvancedFeatures,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Idle,
    /// Transactions were pending; look again then, with so many waits behind us.
    Pending(Method, Time, usize),
    /// The bit was written; accessible from then on.
    Settling(Time),
    Over(Outcome),
}

impl FunctionReset {
    pub(super) const fn new(device: DeviceTarget) -> Self {
        Self { device, step: Step::Idle }
    }

    pub(super) fn poll(&mut self, config: &impl ConfigSpace, now: Time) -> ResetPoll {
        let outcome = match self.step {
            Step::Idle => self.method(config).and_then(|method| self.try_reset(config, method, 0, now)),
            Step::Pending(_, until, _) if now < until => return wait(until, Wait::TransactionsPending),
            Step::Settling(until) if now < until => return wait(until, Wait::FlrSettle),
            Step::Pending(method, _, waits) => self.try_reset(config, method, waits, now),
            Step::Settling(_) => return self.over(Ok(())),
            Step::Over(outcome) => return answer(outcome),
        };
        outcome.unwrap_or_else(|error| self.over(Err(error)))
    }

    fn method(&self, config: &impl ConfigSpace) -> Result<Method, FirmwareError> {
        if let Some(offset) = at(self.device.pcie_cap, DEVCAP)
            && self.read(config, offset, Width::Word)? & DEVCAP_FLR != 0
        {
            return Ok(Method::Express);
        }
        if let Some(offset) = at(self.device.af_cap, AF_CAP)
            && self.read(config, offset, Width::Byte)? & AF_CAP_TP_FLR == AF_CAP_TP_FLR
        {
            return Ok(Method::AdvancedFeatures);
        }
        Err(FirmwareError::Missing { call: "Function Level Reset" })
    }

    /// Resets, or waits for pending transactions first.
    fn try_reset(
        &mut self,
        config: &impl ConfigSpace,
        method: Method,
        waits: usize,
        now: Time,
    ) -> Result<ResetPoll, FirmwareError> {
        if let Some(delay) = PENDING_WAITS.get(waits)
            && self.pending(config, method)?
        {
            let until = now.after(*delay);
            self.step = Step::Pending(method, until, waits.saturating_add(1));
            return Ok(wait(until, Wait::TransactionsPending));
        }
        self.trigger(config, method)?;
        let until = now.after(FLR_SETTLE);
        self.step = Step::Settling(until);
        Ok(wait(until, Wait::FlrSettle))
    }

    fn pending(&self, config: &impl ConfigSpace, method: Method) -> Result<bool, FirmwareError> {
        let (cap, register, width, bit) = match method {
            Method::Express => (self.device.pcie_cap, DEVSTA, Width::Half, DEVSTA_PENDING),
            Method::AdvancedFeatures => (self.device.af_cap, AF_STATUS, Width::Byte, AF_STATUS_PENDING),
        };
        Ok(self.read(config, cap.saturating_add(register), width)? & bit != 0)
    }

    fn trigger(&self, config: &impl ConfigSpace, method: Method) -> Outcome {
        match method {
            Method::Express => {
                let offset = self.device.pcie_cap.saturating_add(DEVCTL);
                let control = self.read(config, offset, Width::Half)?;
                config.write(&self.device, offset, Width::Half, control | DEVCTL_FLR)
            }
            Method::AdvancedFeatures => {
                let offset = self.device.af_cap.saturating_add(AF_CTRL);
                config.write(&self.device, offset, Width::Byte, AF_CTRL_FLR)
            }
        }
    }

    /// A register's value; all ones are nobody's: a function that is gone is not reset.
    fn read(&self, config: &impl ConfigSpace, offset: u16, width: Width) -> Result<u32, FirmwareError> {
        let value = config.read(&self.device, offset, width)?;
        if value == all_ones(width) {
            return Err(FirmwareError::Garbage { call: name::CONFIG_READ, code: i64::from(value) });
        }
        Ok(value)
    }

    fn over(&mut self, outcome: Outcome) -> ResetPoll {
        self.step = Step::Over(outcome);
        answer(outcome)
    }

    pub(super) const fn abandon(&mut self) {
        if !matches!(self.step, Step::Over(_)) {
            self.step = Step::Over(Err(given_up(name::CONFIG_WRITE)));
        }
    }
}

/// A register of a capability, if the device has that.
const fn at(cap: u16, register: u16) -> Option<u16> {
    match cap {
        0 => None,
        cap => Some(cap.saturating_add(register)),
    }
}

#[cfg(test)]
#[path = "vf_tests.rs"]
mod tests;
