// SPDX-License-Identifier: GPL-2.0-or-later
//! The phases of a recovery.

/// Where a recovery stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// Asks each device's slot whether a card is there.
    Presence,
    /// Tells drivers of the freeze: `error_detected(IO frozen)`.
    ReportFrozen,
    /// Waits until firmware knows the slot's state.
    SlotState,
    /// Collects the temporary log.
    TempLog,
    /// Lets MMIO through, without a reset.
    ThawMmio,
    /// Lets drivers look at their device: `mmio_enabled`.
    ReportMmio,
    /// Lets DMA through, without a reset.
    ThawDma,
    /// Removes all devices: nobody is aware.
    RemoveAll,
    /// Removes the devices whose drivers are unaware, one by one.
    RemoveUnaware,
    /// Resets, at most three times.
    Reset,
    /// Gives link and devices their time.
    Settle,
    /// Waits for each device to be ready and restores its configuration space, bridges first.
    Restore,
    /// Clears the freeze of each PE.
    Unfreeze,
    /// Pauses before devices are added back.
    Pause,
    /// Adds back what was removed.
    AddBack,
    /// Tells drivers that the slot was reset: `slot_reset`.
    ReportReset,
    /// Lets drivers go on: `resume`.
    ReportResume,
    /// Collects the permanent log.
    PermLog,
    /// Tells drivers of the permanent failure.
    ReportFailure,
    /// Removes the devices for good.
    RemoveFailed,
    /// The PE is gone: finishes the hardware part.
    Release,
    /// Over.
    Done,
}
