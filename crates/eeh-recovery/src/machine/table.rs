// SPDX-License-Identifier: GPL-2.0-or-later
//! The table of recovery: from each phase, with each cue, where to.
//!
//! No wildcards: a new phase or cue does not compile before each pair has been thought of. A pair that
//! cannot meet is listed as such and answers `None`; the machine then stays where it is.

mod end;
mod request;
mod reset;

use end::{add_vfs, clear_attention, last_walk, perm_log, release, report_reset, report_resume};
use request::{asked, restore_state, save_state};
use reset::{add_back, pause, remove_late, reset, restore, settle, unfreeze};

use super::state::{Cue, Phase};

/// Where each phase goes with each cue, both in the order of their declaration.
type Table = [[Option<Phase>; Cue::ALL.len()]; Phase::ALL.len()];

static TABLE: Table = table();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "while it is compiled, where neither goes unnoticed"
)]
const fn table() -> Table {
    let mut table = [[None; Cue::ALL.len()]; Phase::ALL.len()];
    let mut row = 0;
    while row < Phase::ALL.len() {
        let mut column = 0;
        while column < Cue::ALL.len() {
            table[row][column] = follows(Phase::ALL[row], Cue::ALL[column]);
            column += 1;
        }
        row += 1;
    }
    table
}

/// The phase that follows `phase` on `cue`; `None` when they cannot meet.
#[must_use]
#[expect(clippy::as_conversions, reason = "a variant's place among the others")]
pub fn next(phase: Phase, cue: Cue) -> Option<Phase> {
    *TABLE.get(phase as usize)?.get(cue as usize)?
}

const fn follows(phase: Phase, cue: Cue) -> Option<Phase> {
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
        Phase::ClearAttention => clear_attention(cue),
        Phase::PermLog => perm_log(cue),
        Phase::ReportFailure => last_walk(cue, Phase::ReportFailure, Phase::RemoveFailed),
        Phase::RemoveFailed => last_walk(cue, Phase::RemoveFailed, Phase::Release),
        Phase::Release => release(cue),
        Phase::AddVfs => add_vfs(cue),
        Phase::Asked => asked(cue),
        Phase::SaveState => save_state(cue),
        Phase::RestoreState => restore_state(cue),
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
        | Cue::Fenced
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
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
        | Cue::Fenced
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
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
        | Cue::AttemptFailed
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
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
        | Cue::Fenced
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
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
        | Cue::AttemptFailed
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
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
        | Cue::Fenced
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
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
        | Cue::Fenced
        | Cue::Held
        | Cue::NoDrivers
        | Cue::Refused => None,
    }
}
