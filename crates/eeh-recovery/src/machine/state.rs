// SPDX-License-Identifier: GPL-2.0-or-later
//! Where a recovery stands, and what moves it.

/// Where a recovery stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// Asks each device's slot whether a card is there; then the budget.
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
    /// Gives the link its time.
    Settle,
    /// Waits for each device to be ready and restores its configuration space, bridges first.
    Restore,
    /// Clears the freeze of each PE.
    Unfreeze,
    /// Removes the devices whose drivers were bound since `error_detected`: they know nothing of the
    /// reset.
    RemoveLate,
    /// Pauses before devices are added back.
    Pause,
    /// Adds back what was removed.
    AddBack,
    /// Tells drivers that the slot was reset: `slot_reset`.
    ReportReset,
    /// Lets drivers go on: `resume`.
    ReportResume,
    /// Switches the attention indicators of the slots off again.
    ClearAttention,
    /// Collects the permanent log.
    PermLog,
    /// Tells drivers of the permanent failure.
    ReportFailure,
    /// Removes the devices for good.
    RemoveFailed,
    /// Leaves hardware as whoever comes next needs it, and hands a successor over.
    Release,
    /// Adds the virtual functions that were removed: their physical function works again.
    AddVfs,
    /// Does what was asked for and needs no reset.
    Asked,
    /// Saves the state of devices ahead of a reset without their drivers.
    SaveState,
    /// Gives devices their state back after such a reset.
    RestoreState,
    /// Over.
    Done,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 28] = [
        Self::Presence,
        Self::ReportFrozen,
        Self::SlotState,
        Self::TempLog,
        Self::ThawMmio,
        Self::ReportMmio,
        Self::ThawDma,
        Self::RemoveAll,
        Self::RemoveUnaware,
        Self::Reset,
        Self::Settle,
        Self::Restore,
        Self::Unfreeze,
        Self::RemoveLate,
        Self::Pause,
        Self::AddBack,
        Self::ReportReset,
        Self::ReportResume,
        Self::ClearAttention,
        Self::PermLog,
        Self::ReportFailure,
        Self::RemoveFailed,
        Self::Release,
        Self::AddVfs,
        Self::Asked,
        Self::SaveState,
        Self::RestoreState,
        Self::Done,
    ];
}

/// What moves a recovery: an answer, reduced to what the table needs to know.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Cue {
    /// A device is dealt with; the next one follows.
    Answered,
    /// A device, or the bus, went away before the action reached it; the next one follows.
    DeviceGone,
    /// The helper died or passed its limit.
    JobLost,
    /// The PE was removed by somebody else.
    PeGone,
    /// The PHB was removed.
    Cancelled,
    /// A wait is over: the same once more.
    Again,
    /// The phase has done what it was for.
    Finished,
    /// No slot holds a card.
    NoCard,
    /// The PE froze too often.
    OverBudget,
    /// Together, the drivers said nothing: none of them is aware.
    Unaware,
    /// Together, they can recover without a reset.
    CanRecover,
    /// Together, they need a reset.
    NeedReset,
    /// Together, they gave up.
    Disconnect,
    /// The PE works again, and devices were removed.
    Removed,
    /// A reset attempt failed and another is left.
    AttemptFailed,
    /// No attempt or no time is left.
    GaveUp,
    /// The whole PHB is fenced: its recovery takes over.
    Fenced,
    /// The reset that was asked for is done, and kept until its end is asked for.
    Held,
    /// The PE works again, and no driver is to be told.
    NoDrivers,
    /// What was asked for could not be done.
    Refused,
}

impl Cue {
    /// Every cue.
    pub const ALL: [Self; 20] = [
        Self::Answered,
        Self::DeviceGone,
        Self::JobLost,
        Self::PeGone,
        Self::Cancelled,
        Self::Again,
        Self::Finished,
        Self::NoCard,
        Self::OverBudget,
        Self::Unaware,
        Self::CanRecover,
        Self::NeedReset,
        Self::Disconnect,
        Self::Removed,
        Self::AttemptFailed,
        Self::GaveUp,
        Self::Fenced,
        Self::Held,
        Self::NoDrivers,
        Self::Refused,
    ];
}
