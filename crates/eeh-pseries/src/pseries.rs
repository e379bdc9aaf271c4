// SPDX-License-Identifier: GPL-2.0-or-later
//! The back end, and what it needs of the firmware.

use eeh_recovery::{FirmwareError, PeTarget};

use crate::rtas::{Address, Rtas, Services};
use crate::status::{
    CONFIGURE_BRIDGE, CONFIGURE_PE, Call, ERROR_DETAIL, SET_EEH_OPTION, SET_SLOT_RESET, STATE, STATE2,
};

/// Without one of each line there is no EEH. The calls that find a PE's address are not among them.
/// C: `eeh_pseries_init`
const NEEDED: [&[Call]; 5] = [
    &[SET_EEH_OPTION],
    &[SET_SLOT_RESET],
    &[STATE2, STATE],
    &[ERROR_DETAIL],
    &[CONFIGURE_PE, CONFIGURE_BRIDGE],
];

/// The pSeries back end: eeh-recovery's firmware traits over RTAS.
///
/// PAPR knows PEs only: a PHB's own PE has no state, no freeze and no reset.
#[derive(Clone, Copy, Debug)]
pub struct PSeries<R> {
    pub(crate) rtas: R,
    pub(crate) services: Services,
}

impl<R: Rtas> PSeries<R> {
    /// A back end over `rtas`.
    ///
    /// # Errors
    ///
    /// [`FirmwareError::Missing`] when firmware lacks a call that EEH cannot do without.
    ///
    /// # Context
    ///
    /// Any. C: `eeh_pseries_init`
    pub fn new(rtas: R) -> Result<Self, FirmwareError> {
        let services = rtas.services();
        for alternatives in NEEDED {
            let there = alternatives.iter().any(|call| services.contains(call.service));
            if let Some(call) = alternatives.first()
                && !there
            {
                return Err(call.missing());
            }
        }
        Ok(Self { rtas, services })
    }

    /// The firmware.
    pub const fn rtas(&self) -> &R {
        &self.rtas
    }

    pub(crate) const fn has(&self, call: &Call) -> bool {
        self.services.contains(call.service)
    }

    /// An error that says so when firmware lacks `call`.
    pub(crate) fn require(&self, call: &Call) -> Result<(), FirmwareError> {
        if self.has(call) { Ok(()) } else { Err(call.missing()) }
    }
}

/// A PE as RTAS is told of it; `None` of a PHB's own.
pub(crate) fn address(pe: &PeTarget) -> Option<Address> {
    Some(Address::pe(pe.phb.firmware, pe.below_phb()?))
}

/// What a PHB's own PE answers where no answer would be true.
pub(crate) const NO_PHB: FirmwareError = FirmwareError::Missing { call: "EEH call for a whole PHB" };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MockRtas, NEEDED_SERVICES};

    fn new(services: Services) -> Result<(), FirmwareError> {
        let mut rtas = MockRtas::new();
        rtas.expect_services().return_const(services);
        PSeries::new(rtas).map(|_| ())
    }

    #[test]
    fn a_call_that_eeh_cannot_do_without_is_named() {
        for (service, call) in [
            (Services::SET_EEH_OPTION, "ibm,set-eeh-option"),
            (Services::SET_SLOT_RESET, "ibm,set-slot-reset"),
            (Services::READ_SLOT_RESET_STATE2, "ibm,read-slot-reset-state2"),
            (Services::SLOT_ERROR_DETAIL, "ibm,slot-error-detail"),
            (Services::CONFIGURE_PE, "ibm,configure-pe"),
        ] {
            assert_eq!(new(NEEDED_SERVICES.difference(service)), Err(FirmwareError::Missing { call }));
        }
        assert_eq!(new(NEEDED_SERVICES), Ok(()));
    }

    #[test]
    fn the_older_calls_will_do() {
        let newer = Services::READ_SLOT_RESET_STATE2 | Services::CONFIGURE_PE;
        let older = Services::READ_SLOT_RESET_STATE | Services::CONFIGURE_BRIDGE;
        assert_eq!(new(NEEDED_SERVICES.difference(newer).union(older)), Ok(()));
    }
}
