// SPDX-License-Identifier: GPL-2.0-or-later
//! Rows of what an owner, a driver or an administrator asks for.

use crate::machine::state::{Cue, Phase};

/// Nothing was marked for it: when the PE goes there is nothing to leave behind.
pub(super) const fn asked(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Again => Some(Phase::Asked),
        Cue::Finished | Cue::Refused | Cue::PeGone | Cue::Cancelled | Cue::Fenced => Some(Phase::Done),
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
        | Cue::Held
        | Cue::NoDrivers => None,
    }
}

pub(super) const fn save_state(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Finished => Some(Phase::Reset),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::Answered
        | Cue::DeviceGone
        | Cue::JobLost
        | Cue::Again
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

/// A device that cannot be had back is its owner's to know.
pub(super) const fn restore_state(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Finished | Cue::Refused | Cue::Cancelled => Some(Phase::Done),
        Cue::PeGone => Some(Phase::Release),
        Cue::Answered
        | Cue::DeviceGone
        | Cue::JobLost
        | Cue::Again
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
        | Cue::NoDrivers => None,
    }
}
