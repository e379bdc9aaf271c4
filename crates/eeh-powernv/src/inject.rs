// SPDX-License-Identifier: GPL-2.0-or-later
//! Error injection. C: `pnv_eeh_err_inject`

use eeh_recovery::{InjectError, Injection, PeTarget};

use crate::call::{done, name};
use crate::opal::Opal;
use crate::{Phbs, PowerNv};

/// C: `OPAL_ERR_INJECT_TYPE_IOA_BUS_ERR64`
const LAST_KIND: u32 = 1;
/// C: `OPAL_ERR_INJECT_FUNC_IOA_DMA_WR_TARGET`
const LAST_FUNCTION: u32 = 19;

impl<O: Opal, P: Phbs> PowerNv<O, P> {
    /// Injects an error into a PE.
    ///
    /// # Errors
    ///
    /// A type or function that OPAL does not know, before firmware is called; firmware's own.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn inject(&self, pe: &PeTarget, error: &Injection) -> Result<(), InjectError> {
        let Injection { kind, function, address, mask } = *error;
        if kind > LAST_KIND {
            return Err(InjectError::Kind(kind));
        }
        if function > LAST_FUNCTION {
            return Err(InjectError::Function(function));
        }
        let code = self.opal.pci_err_inject(pe.phb.firmware, pe.number.0, kind, function, address, mask);
        Ok(done(name::INJECT, code)?)
    }
}

#[cfg(test)]
mod tests {
    use eeh_recovery::FirmwareError;

    use super::*;
    use crate::opal::rc;
    use crate::testing::{MockOpal, PHB, Table, pe};

    const GOOD: Injection = Injection { kind: 1, function: 19, address: 0x1000, mask: !0xfff };

    #[test]
    fn numbers_out_of_range_never_reach_firmware() {
        let back = PowerNv::new(MockOpal::new(), Table::default());
        let wrong = |error| back.inject(&pe(7), &error).unwrap_err();
        assert_eq!(wrong(Injection { kind: 2, ..GOOD }), InjectError::Kind(2));
        assert_eq!(wrong(Injection { kind: u32::MAX, ..GOOD }), InjectError::Kind(u32::MAX));
        assert_eq!(wrong(Injection { function: 20, ..GOOD }), InjectError::Function(20));
    }

    #[test]
    fn arguments_and_answers_pass_through() {
        for (code, answer) in [
            (rc::SUCCESS, Ok(())),
            (rc::UNSUPPORTED, Err(FirmwareError::Missing { call: name::INJECT }.into())),
            (rc::PARAMETER, Err(FirmwareError::Failed { call: name::INJECT, code: -1 }.into())),
            (1, Err(FirmwareError::Garbage { call: name::INJECT, code: 1 }.into())),
        ] {
            let mut opal = MockOpal::new();
            opal.expect_pci_err_inject()
                .once()
                .withf(|&phb, &pe, &kind, &function, &address, &mask| {
                    (phb, pe, kind, function, address, mask) == (PHB, 7, 1, 19, 0x1000, !0xfff)
                })
                .return_const(code);
            let back = PowerNv::new(opal, Table::default());
            assert_eq!(back.inject(&pe(7), &GOOD), answer);
        }
    }
}
