// SPDX-License-Identifier: GPL-2.0-or-later
//! What drivers answer, and how the answers of several become one.

use core::fmt;

/// A driver's answer to an error handler. C: `pci_ers_result_t`
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum ErsResult {
    /// No error handler said anything. C: `PCI_ERS_RESULT_NONE`
    None,
    /// C: `PCI_ERS_RESULT_CAN_RECOVER`
    CanRecover,
    /// C: `PCI_ERS_RESULT_NEED_RESET`
    NeedReset,
    /// C: `PCI_ERS_RESULT_DISCONNECT`
    Disconnect,
    /// C: `PCI_ERS_RESULT_RECOVERED`
    Recovered,
    /// C: `PCI_ERS_RESULT_NO_AER_DRIVER`
    NoAerDriver,
}

/// The text Linux prints. C: `pci_ers_result_name`
impl fmt::Display for ErsResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::CanRecover => "can recover",
            Self::NeedReset => "need reset",
            Self::Disconnect => "disconnect",
            Self::Recovered => "recovered",
            Self::NoAerDriver => "no AER driver",
        })
    }
}
