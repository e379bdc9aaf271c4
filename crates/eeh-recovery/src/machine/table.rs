// SPDX-License-Identifier: GPL-2.0-or-later
//! The table of recovery: from each phase, with each cue, where to.
//!
//! No wildcards: a new phase or cue does not compile before each pair has been thought of. A pair that
//! cannot meet is listed as such and answers `None`; the machine then stays where it is.

use super::state::{Cue, Phase};

/// The phase that follows `phase` on `cue`; `None` when they cannot meet.
#[must_use]
pub const fn next(phase: Phase, cue: Cue) -> Option<Phase> {
    match phase {
        Phase::Presence => presence(cue),
        Phase::ReportFrozen => report_frozen(cue),
        Phase::SlotState => slot_state(cue),
        Phase::TempLog => temp_log(cue),
        Phase::ThawMmio => thaw(cue, Phase::ThawMmio, Phase::ReportMmio),
        Phase::ReportMmio => report_mmio(cue),
        Phase::ThawDma => thaw(cue, Phase::ThawDma, Phase::ReportResume),
        Phase::RemoveAll => remove(cue, Phase::RemoveAll),
        Phase::RemoveUnaware => remove(cue, Phase::RemoveUnaware),
        Phase::Reset => reset(cue),
        Phase::Settle => settle(cue),
        Phase::Restore => restore(cue),
        Phase::Unfreeze => unfreeze(cue),
        Phase::RemoveLate => remove_late(cue),
        Phase::Pause => pause(cue),
        Phase::AddBack => add_back(cue),
        Phase::ReportReset => report_reset(cue),
        Phase::ReportResume => report_resume(cue),
        Phase::PermLog => perm_log(cue),
        Phase::ReportFailure => last_walk(cue, Phase::ReportFailure, Phase::RemoveFailed),
        Phase::RemoveFailed => last_walk(cue, Phase::RemoveFailed, Phase::Release),
        Phase::Release => release(cue),
        Phase::Done => None,
    }
}

/// Asks the slots; at the end the budget decides.
const fn presence(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Answered | Cue::DeviceGone => Some(Phase::Presence),
        Cue::Finished => Some(Phase::ReportFrozen),
        Cue::NoCard | Cue::OverBudget | Cue::JobLost => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::Again
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::Removed
        | Cue::AttemptFailed
        | Cue::GaveUp
        | Cue::Fenced => None,
    }
}

/// The answers count only together with the slot's state and the log: only a disconnect ends it here.
const fn report_frozen(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Answered | Cue::DeviceGone => Some(Phase::ReportFrozen),
        Cue::Unaware | Cue::CanRecover | Cue::NeedReset => Some(Phase::SlotState),
        Cue::Disconnect | Cue::JobLost => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::Again
        | Cue::Finished
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Removed
        | Cue::AttemptFailed
        | Cue::GaveUp
        | Cue::Fenced => None,
    }
}

const fn slot_state(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Again => Some(Phase::SlotState),
        Cue::Finished => Some(Phase::TempLog),
        Cue::GaveUp => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled | Cue::Fenced => Some(Phase::Done),
        Cue::Answered
        | Cue::DeviceGone
        | Cue::JobLost
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::Removed
        | Cue::AttemptFailed => None,
    }
}

/// What the drivers answered to `error_detected` decides the way.
const fn temp_log(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Again => Some(Phase::TempLog),
        Cue::Unaware => Some(Phase::RemoveAll),
        Cue::CanRecover => Some(Phase::ThawMmio),
        Cue::NeedReset => Some(Phase::RemoveUnaware),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::Answered
        | Cue::DeviceGone
        | Cue::JobLost
        | Cue::Finished
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Disconnect
        | Cue::Removed
        | Cue::AttemptFailed
        | Cue::GaveUp
        | Cue::Fenced => None,
    }
}

/// A thaw that does not work, or takes too long, is a reset.
const fn thaw(cue: Cue, same: Phase, then: Phase) -> Option<Phase> {
    match cue {
        Cue::Again => Some(same),
        Cue::Finished => Some(then),
        Cue::GaveUp => Some(Phase::RemoveUnaware),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled | Cue::Fenced => Some(Phase::Done),
        Cue::Answered
        | Cue::DeviceGone
        | Cue::JobLost
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::Removed
        | Cue::AttemptFailed => None,
    }
}

const fn report_mmio(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Answered | Cue::DeviceGone => Some(Phase::ReportMmio),
        Cue::CanRecover => Some(Phase::ThawDma),
        Cue::NeedReset => Some(Phase::RemoveUnaware),
        Cue::Disconnect | Cue::JobLost => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::Again
        | Cue::Finished
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::Removed
        | Cue::AttemptFailed
        | Cue::GaveUp
        | Cue::Fenced => None,
    }
}

/// Devices go away ahead of the reset; the PE stays, being kept.
const fn remove(cue: Cue, same: Phase) -> Option<Phase> {
    match cue {
        Cue::Answered | Cue::DeviceGone => Some(same),
        Cue::Finished => Some(Phase::Reset),
        Cue::JobLost => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::Again
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::Removed
        | Cue::AttemptFailed
        | Cue::GaveUp
        | Cue::Fenced => None,
    }
}

/// The wire.
const fn reset(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Again | Cue::AttemptFailed => Some(Phase::Reset),
        Cue::Finished => Some(Phase::Settle),
        Cue::GaveUp => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled | Cue::Fenced => Some(Phase::Done),
        Cue::Answered
        | Cue::DeviceGone
        | Cue::JobLost
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::Removed => None,
    }
}

/// A link that does not come up is a failed attempt; if a fence is the reason, the next one meets it.
const fn settle(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Again => Some(Phase::Settle),
        Cue::Finished => Some(Phase::Restore),
        Cue::AttemptFailed => Some(Phase::Reset),
        Cue::GaveUp => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::Answered
        | Cue::DeviceGone
        | Cue::JobLost
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::Removed
        | Cue::Fenced => None,
    }
}

/// A device that does not get ready is a failed attempt.
const fn restore(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Again | Cue::Answered | Cue::DeviceGone => Some(Phase::Restore),
        Cue::Finished => Some(Phase::Unfreeze),
        Cue::AttemptFailed => Some(Phase::Reset),
        Cue::GaveUp => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::JobLost
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::Removed
        | Cue::Fenced => None,
    }
}

/// A PE that stays frozen is a failed attempt.
const fn unfreeze(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Again => Some(Phase::Unfreeze),
        Cue::Finished => Some(Phase::RemoveLate),
        Cue::AttemptFailed => Some(Phase::Reset),
        Cue::GaveUp => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled | Cue::Fenced => Some(Phase::Done),
        Cue::Answered
        | Cue::DeviceGone
        | Cue::JobLost
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::Removed => None,
    }
}

/// A driver that was bound since `error_detected` has lost its device to the reset and hears of
/// nothing: its device is removed and added back, as that of an unaware driver.
const fn remove_late(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Answered | Cue::DeviceGone => Some(Phase::RemoveLate),
        Cue::Finished => Some(Phase::ReportReset),
        Cue::Removed => Some(Phase::Pause),
        Cue::JobLost => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::Again
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::AttemptFailed
        | Cue::GaveUp
        | Cue::Fenced => None,
    }
}

const fn pause(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Finished => Some(Phase::AddBack),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::Again
        | Cue::Answered
        | Cue::DeviceGone
        | Cue::JobLost
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::Removed
        | Cue::AttemptFailed
        | Cue::GaveUp
        | Cue::Fenced => None,
    }
}

/// With unaware drivers only, nobody waits for `slot_reset`.
const fn add_back(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Finished => Some(Phase::ReportReset),
        Cue::Unaware => Some(Phase::ReportResume),
        Cue::JobLost => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::Again
        | Cue::Answered
        | Cue::DeviceGone
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::Removed
        | Cue::AttemptFailed
        | Cue::GaveUp
        | Cue::Fenced => None,
    }
}

/// After the reset only "recovered" or silence lets a device go on.
const fn report_reset(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Answered | Cue::DeviceGone => Some(Phase::ReportReset),
        Cue::Finished => Some(Phase::ReportResume),
        Cue::Disconnect | Cue::JobLost => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::Again
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Removed
        | Cue::AttemptFailed
        | Cue::GaveUp
        | Cue::Fenced => None,
    }
}

const fn report_resume(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Answered | Cue::DeviceGone => Some(Phase::ReportResume),
        Cue::Finished | Cue::Cancelled => Some(Phase::Done),
        Cue::JobLost => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Again
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::Removed
        | Cue::AttemptFailed
        | Cue::GaveUp
        | Cue::Fenced => None,
    }
}

const fn perm_log(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Again => Some(Phase::PermLog),
        Cue::Finished => Some(Phase::ReportFailure),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::Answered
        | Cue::DeviceGone
        | Cue::JobLost
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::Removed
        | Cue::AttemptFailed
        | Cue::GaveUp
        | Cue::Fenced => None,
    }
}

/// The way out goes on whatever happens to a device or a helper.
const fn last_walk(cue: Cue, same: Phase, then: Phase) -> Option<Phase> {
    match cue {
        Cue::Answered | Cue::DeviceGone | Cue::JobLost => Some(same),
        Cue::Finished => Some(then),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::Again
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::Removed
        | Cue::AttemptFailed
        | Cue::GaveUp
        | Cue::Fenced => None,
    }
}

const fn release(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Finished | Cue::Cancelled => Some(Phase::Done),
        Cue::Again
        | Cue::Answered
        | Cue::DeviceGone
        | Cue::JobLost
        | Cue::PeGone
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::Removed
        | Cue::AttemptFailed
        | Cue::GaveUp
        | Cue::Fenced => None,
    }
}
