// SPDX-License-Identifier: GPL-2.0-or-later
//! Rows from the reset to the moment at which drivers hear of it.

use crate::machine::state::{Cue, Phase};

/// The wire.
pub(super) const fn reset(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Again | Cue::AttemptFailed => Some(Phase::Reset),
        Cue::Finished => Some(Phase::Settle),
        Cue::GaveUp => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled | Cue::Fenced => Some(Phase::Done),
        Cue::Held | Cue::Refused => Some(Phase::Done),
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
        | Cue::NoDrivers => None,
    }
}

/// A link that does not come up is a failed attempt; if a fence is the reason, the next one meets it.
pub(super) const fn settle(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Again => Some(Phase::Settle),
        Cue::Finished => Some(Phase::Restore),
        Cue::AttemptFailed => Some(Phase::Reset),
        Cue::GaveUp => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::Refused => Some(Phase::Done),
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
        | Cue::Fenced
        | Cue::Held
        | Cue::NoDrivers => None,
    }
}

/// A device that does not get ready is a failed attempt.
pub(super) const fn restore(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Again | Cue::Answered | Cue::DeviceGone => Some(Phase::Restore),
        Cue::Finished => Some(Phase::Unfreeze),
        Cue::AttemptFailed => Some(Phase::Reset),
        Cue::GaveUp => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::Refused => Some(Phase::Done),
        Cue::JobLost
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::Removed
        | Cue::Fenced
        | Cue::Held
        | Cue::NoDrivers => None,
    }
}

/// A PE that stays frozen is a failed attempt.
pub(super) const fn unfreeze(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Again => Some(Phase::Unfreeze),
        Cue::Finished => Some(Phase::RemoveLate),
        Cue::AttemptFailed => Some(Phase::Reset),
        Cue::GaveUp => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled | Cue::Fenced => Some(Phase::Done),
        Cue::NoDrivers => Some(Phase::RestoreState),
        Cue::Refused => Some(Phase::Done),
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
        | Cue::Held => None,
    }
}

/// A driver that was bound since `error_detected` has lost its device to the reset and hears of
/// nothing: its device is removed and added back, as that of an unaware driver.
pub(super) const fn remove_late(cue: Cue) -> Option<Phase> {
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
        | Cue::Fenced
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
    }
}

pub(super) const fn pause(cue: Cue) -> Option<Phase> {
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
        | Cue::Fenced
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
    }
}

/// With unaware drivers only, or after it, nobody waits for `slot_reset`. A card of which nothing comes back is lost.
/// What froze again before all was back is reset once more, without those that have been added.
pub(super) const fn add_back(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Again => Some(Phase::AddBack),
        Cue::Finished => Some(Phase::ReportReset),
        Cue::Unaware => Some(Phase::ReportResume),
        Cue::Removed => Some(Phase::AddVfs),
        Cue::AttemptFailed => Some(Phase::RemoveUnaware),
        Cue::JobLost | Cue::GaveUp => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled | Cue::Fenced => Some(Phase::Done),
        Cue::Answered
        | Cue::DeviceGone
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::Disconnect
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
    }
}
