// SPDX-License-Identifier: GPL-2.0-or-later
//! Rows of the last reports, and of the way out.

use crate::machine::state::{Cue, Phase};

/// After the reset only "recovered" or silence lets a device go on.
pub(super) const fn report_reset(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Answered | Cue::DeviceGone => Some(Phase::ReportReset),
        Cue::Finished => Some(Phase::ReportResume),
        Cue::GaveUp => Some(Phase::RemoveLate),
        Cue::Disconnect | Cue::JobLost => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled => Some(Phase::Done),
        Cue::Removed => Some(Phase::AddVfs),
        Cue::Again
        | Cue::NoCard
        | Cue::OverBudget
        | Cue::Unaware
        | Cue::CanRecover
        | Cue::NeedReset
        | Cue::AttemptFailed
        | Cue::Fenced
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
    }
}

/// A virtual function that cannot be added is no loss for the others.
pub(super) const fn add_vfs(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Answered | Cue::DeviceGone => Some(Phase::AddVfs),
        Cue::Finished => Some(Phase::ReportResume),
        Cue::JobLost => Some(Phase::PermLog),
        Cue::PeGone => Some(Phase::Release),
        Cue::Cancelled | Cue::Fenced => Some(Phase::Done),
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
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
    }
}

pub(super) const fn report_resume(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Answered | Cue::DeviceGone => Some(Phase::ReportResume),
        Cue::Finished => Some(Phase::ClearAttention),
        Cue::Cancelled => Some(Phase::Done),
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
        | Cue::Fenced
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
    }
}

/// The PE works; lights do not undo that.
pub(super) const fn clear_attention(cue: Cue) -> Option<Phase> {
    match cue {
        Cue::Answered | Cue::DeviceGone | Cue::JobLost => Some(Phase::ClearAttention),
        Cue::Finished | Cue::Cancelled => Some(Phase::Done),
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
        | Cue::Fenced
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
    }
}

pub(super) const fn perm_log(cue: Cue) -> Option<Phase> {
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
        | Cue::Fenced
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
    }
}

/// The way out goes on whatever happens to a device or a helper.
pub(super) const fn last_walk(cue: Cue, same: Phase, then: Phase) -> Option<Phase> {
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
        | Cue::Fenced
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
    }
}

pub(super) const fn release(cue: Cue) -> Option<Phase> {
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
        | Cue::Fenced
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
    }
}
