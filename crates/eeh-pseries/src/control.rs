// SPDX-License-Identifier: GPL-2.0-or-later
//! Changes of a slot, put together; and the errors that firmware tells of by itself: none.

use eeh_pe::{PeNumber, Time};
use eeh_recovery::{
    ConfigurePoll, DeviceTarget, ErrorSource, FirmwareError, InjectError, Injection, NextError, PeTarget,
    PhbTarget, ResetKind, ResetPoint, ResetPoll, SlotControl, Thaw,
};

use crate::pseries::address;
use crate::rtas::{Address, Rtas};
use crate::{Configure, PSeries, Reset};

impl<R: Rtas> SlotControl for PSeries<R> {
    type Reset = Reset;
    type Configure = Configure;

    fn thaw(&self, pe: &PeTarget, what: Thaw) -> Result<(), FirmwareError> {
        address(pe).map_or(Ok(()), |pe| self.thaw_address(pe, what))
    }

    fn needs_point(&self) -> bool {
        false
    }

    /// The point does not matter: PAPR resets the PE.
    fn begin_reset(&self, pe: &PeTarget, _point: &ResetPoint, kind: ResetKind) -> Reset {
        Reset::new(address(pe), kind)
    }

    fn poll_reset(&self, reset: &mut Reset, now: Time) -> ResetPoll {
        reset.poll(self, now)
    }

    fn abandon_reset(&self, reset: &mut Reset) {
        reset.abandon(self);
    }

    fn begin_configure(&self, pe: &PeTarget) -> Configure {
        Configure::new(address(pe))
    }

    fn poll_configure(&self, configure: &mut Configure, now: Time) -> ConfigurePoll {
        configure.poll(self, now)
    }

    /// Nothing: [`SlotControl::poll_configure`] does it. C: `restore_config` of `pseries_eeh_ops`
    fn reinit(&self, _device: &DeviceTarget) -> Result<(), FirmwareError> {
        Ok(())
    }

    fn inject(&self, pe: &PeTarget, error: &Injection) -> Result<(), InjectError> {
        // The inherent function.
        Self::inject(self, pe, error)
    }
}

/// PAPR has nobody to ask. C: `next_error` of `pseries_eeh_ops`
impl<R: Rtas> ErrorSource for PSeries<R> {
    fn next_error(&self, _phb: &PhbTarget) -> Result<NextError, FirmwareError> {
        Ok(NextError::None)
    }

    fn rearm(&self, _phb: &PhbTarget) {}

    fn clear_unknown(&self, phb: &PhbTarget, number: PeNumber) -> Result<(), FirmwareError> {
        self.thaw_address(Address::pe(phb.firmware, number), Thaw::All)
    }
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
