// SPDX-License-Identifier: GPL-2.0-or-later
//! Return codes of OPAL calls, sorted.

use eeh_recovery::FirmwareError;

use crate::opal::rc;

/// Names of the calls, as errors show them.
pub(crate) mod name {
    pub(crate) const FREEZE_STATUS: &str = "OPAL_PCI_EEH_FREEZE_STATUS";
    pub(crate) const FREEZE_CLEAR: &str = "OPAL_PCI_EEH_FREEZE_CLEAR";
    pub(crate) const FREEZE_SET: &str = "OPAL_PCI_EEH_FREEZE_SET";
    pub(crate) const RESET: &str = "OPAL_PCI_RESET";
    pub(crate) const POLL: &str = "OPAL_PCI_POLL";
    pub(crate) const NEXT_ERROR: &str = "OPAL_PCI_NEXT_ERROR";
    pub(crate) const PHB_DIAG: &str = "OPAL_PCI_GET_PHB_DIAG_DATA2";
    pub(crate) const REINIT: &str = "OPAL_PCI_REINIT";
    pub(crate) const INJECT: &str = "OPAL_PCI_ERR_INJECT";
    pub(crate) const CONFIG_READ: &str = "OPAL_PCI_CONFIG_READ";
    pub(crate) const CONFIG_WRITE: &str = "OPAL_PCI_CONFIG_WRITE";
}

/// A return code below zero as an error.
#[inline(never)]
pub(crate) const fn failure(call: &'static str, code: i64) -> FirmwareError {
    match code {
        rc::UNSUPPORTED => FirmwareError::Missing { call },
        code if code < rc::SUCCESS => FirmwareError::Failed { call, code },
        code => FirmwareError::Garbage { call, code },
    }
}

/// The answer of a call that knows 0 and errors only.
pub(crate) const fn done(call: &'static str, code: i64) -> Result<(), FirmwareError> {
    match code {
        rc::SUCCESS => Ok(()),
        code => Err(failure(call, code)),
    }
}
