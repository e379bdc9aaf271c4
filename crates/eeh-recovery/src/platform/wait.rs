// SPDX-License-Identifier: GPL-2.0-or-later
//! Every wait, and which text asks for it.

/// Why something waits, and which text asks for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Wait {
    /// OPAL answered a positive number of milliseconds (OPAL_PCI_RESET, OPAL_PCI_POLL).
    OpalPoll,
    /// Secondary Bus Reset is held for Trst, 1 ms at least (PCI 3.0 4.3.2; PCIe 6.0 7.5.1.3.13); a
    /// PE's reset for 100 ms (PAPR, `ibm,set-slot-reset`, R-2).
    ResetHold,
    /// 1.5 s after the release of a PE's reset (PAPR, `ibm,set-slot-reset`, R-3).
    PeSettle,
    /// 100 ms after link up or release of reset before the first access (PCIe 6.0 6.6.1).
    LinkSettle,
    /// Link training after release of reset: 1 s at most (PCIe 6.0 6.6.1).
    LinkUp,
    /// Trhfa, 2^25 clocks: a conventional device after reset (PCI 3.0 4.3.2).
    ConventionalSettle,
    /// The device answers all ones or Request Retry Status (PCIe 6.0 6.6.1, 2.3.1).
    DeviceReady,
    /// 100 ms after a Function Level Reset (PCIe 6.0 6.6.2).
    FlrSettle,
    /// Pending transactions before a Function Level Reset (PCIe 6.0 6.6.2).
    TransactionsPending,
    /// Firmware says "temporarily unavailable for n ms" (PAPR R1-7.3.11-1; OPAL: 1 s).
    FirmwareUnavailable,
    /// An extended busy code asks to call again later (PAPR 7.3.3).
    RtasBusy,
    /// An error handler, or adding or removing a device, is running in the helper.
    Helper,
    /// A request waits for the worker, which may be busy with a recovery.
    Host,
    /// The pause before devices are added back (a parameter; C: 5 s).
    AddBack,
    /// The PE of a report is referenced as often as can be counted: 10 ms, then it is tried again.
    References,
}
