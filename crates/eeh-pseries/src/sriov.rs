// SPDX-License-Identifier: GPL-2.0-or-later
//! Virtual functions under open SR-IOV. C: `pseries_notify_resume`, `pseries_send_allow_unfreeze`

use eeh_pe::Bdf;
use eeh_recovery::FirmwareError;

use crate::PSeries;
use crate::rtas::{Address, Rtas};
use crate::status::ALLOW_UNFREEZE;

/// How many PEs fit into one call: 4096 bytes of 16 bit numbers. C: `RTAS_DATA_BUF_SIZE`
pub const MAX_PES: usize = 2048;

impl<R: Rtas> PSeries<R> {
    /// Tells firmware that it may unfreeze virtual functions of the physical function `pf`, by their PE
    /// numbers there: the driver of `pf`, or of the one function, has recovered. Of none, nothing is
    /// called. (C copies any number of them into a buffer for [`MAX_PES`].)
    ///
    /// # Errors
    ///
    /// [`FirmwareError::Missing`] without the call, or when there are more than [`MAX_PES`]; the
    /// firmware's own.
    ///
    /// # Context
    ///
    /// The worker. C: `pseries_call_allow_unfreeze`
    pub fn allow_unfreeze(&self, buid: u64, pf: Bdf, pes: &[u16]) -> Result<(), FirmwareError> {
        self.require(&ALLOW_UNFREEZE)?;
        if pes.len() > MAX_PES {
            return Err(FirmwareError::Missing { call: "room for so many virtual functions" });
        }
        if pes.is_empty() {
            return Ok(());
        }
        let pf = Address::device(buid, pf);
        ALLOW_UNFREEZE.at_once(|| self.rtas.open_sriov_allow_unfreeze(pf, pes))
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;
    use crate::rtas::Services;
    use crate::testing::{BUID, MockRtas, NEEDED_SERVICES, NOT_SUCCESS, back, rtas};

    fn with(status: i32, times: usize) -> MockRtas {
        let mut rtas = rtas();
        rtas.expect_open_sriov_allow_unfreeze()
            .times(times)
            .withf(|pf, pes| *pf == Address { buid: BUID, config_addr: 0x0002_1000 } && pes[0] == 0x102)
            .return_const(status);
        rtas
    }

    #[test]
    fn the_physical_function_and_its_pes_are_named() {
        let back = back(with(0, 1));
        assert_eq!(back.allow_unfreeze(BUID, Bdf(0x0210), &[0x102, 0x103]), Ok(()));
        assert_eq!(back.allow_unfreeze(BUID, Bdf(0x0210), &[]), Ok(()));
    }

    #[test]
    fn no_status_but_success_is_one() {
        for status in NOT_SUCCESS {
            assert!(back(with(status, 1)).allow_unfreeze(BUID, Bdf(0x0210), &[0x102]).is_err());
        }
    }

    #[test]
    fn more_than_fit_are_refused() {
        let mut pes = vec![0x102; MAX_PES];
        assert_eq!(back(with(0, 1)).allow_unfreeze(BUID, Bdf(0x0210), &pes), Ok(()));
        pes.push(0);
        let answer = back(rtas()).allow_unfreeze(BUID, Bdf(0x0210), &pes);
        assert!(matches!(answer, Err(FirmwareError::Missing { .. })));
    }

    #[test]
    fn a_firmware_without_the_call_is_not_called() {
        let mut rtas = MockRtas::new();
        rtas.expect_services().return_const(NEEDED_SERVICES.difference(Services::ALLOW_UNFREEZE));
        let answer = back(rtas).allow_unfreeze(BUID, Bdf(0x0210), &[1]);
        assert_eq!(answer, Err(FirmwareError::Missing { call: "ibm,open-sriov-allow-unfreeze" }));
    }
}
