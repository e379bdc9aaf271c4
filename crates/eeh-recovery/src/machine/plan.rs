// SPDX-License-Identifier: GPL-2.0-or-later
//! What each phase does: once on entering, in its body, and once when the body is through.

use super::action::{Action, Mark};
use super::state::Phase;
use crate::{ChannelState, Handler, Report, Step, Thaw};

/// The body of a phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    /// One action for each device of the PE and below it.
    Each(Visit),
    /// One action for the PE, repeated while it is answered "not yet".
    Once(Action),
    /// The reset attempt.
    Reset,
    /// Link, then the time it needs.
    Settle,
    /// Readiness and restore of each device in the order of bus numbers.
    Restore,
    /// Everything on the bus; device by device when one of them must be left alone.
    Empty,
    /// Waits.
    Pause,
    /// What was removed of the whole PE.
    AddBack,
    /// One action for each virtual function that was removed.
    AddVfs,
    /// What is asked for.
    Asked,
    /// Nothing.
    Nothing,
}

/// What is done with each device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Visit {
    /// Ask its slot.
    Presence,
    /// Switch its slot's attention indicator off.
    Attention,
    /// Call its driver.
    Call(Report),
    /// Remove it when its driver is unaware.
    RemoveUnaware,
    /// Remove it when its driver was bound since `error_detected`.
    RemoveLate,
}

impl Report {
    /// The handler that is called.
    #[must_use]
    pub const fn handler(self) -> Handler {
        match self {
            Self::Frozen => Handler::ErrorDetected(ChannelState::Frozen),
            Self::MmioEnabled => Handler::MmioEnabled,
            Self::SlotReset => Handler::SlotReset,
            Self::Resume => Handler::Resume,
            Self::PermFailure => Handler::ErrorDetected(ChannelState::PermFailure),
        }
    }

    /// Whether the drivers' answers decide anything.
    #[must_use]
    pub const fn counts(self) -> bool {
        match self {
            Self::Frozen | Self::MmioEnabled | Self::SlotReset => true,
            Self::Resume | Self::PermFailure => false,
        }
    }
}

/// The plan of a phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// What is said on entering.
    pub says: Option<Step>,
    /// What is done on entering.
    pub enter: Option<Action>,
    /// The body.
    pub body: Body,
    /// What is done when the body is through, before the next phase.
    pub leave: Option<Action>,
}

const fn plan(says: Option<Step>, enter: Option<Action>, body: Body, leave: Option<Action>) -> Plan {
    Plan { says, enter, body, leave }
}

const QUIET: Action = Action::Channel { state: Some(ChannelState::Frozen), irq: false };
const AWAKE: Action = Action::Channel { state: Some(ChannelState::Normal), irq: true };
const SILENT: Action = Action::Channel { state: None, irq: false };

impl Phase {
    /// What the phase does.
    #[must_use]
    pub const fn plan(self) -> &'static Plan {
        match self {
            Self::Presence => const { &plan(None, None, Body::Each(Visit::Presence), Some(Action::Open)) },
            Self::ReportFrozen => {
                const {
                    &plan(
                        Some(Step::NotifyShutdown),
                        Some(QUIET),
                        Body::Each(Visit::Call(Report::Frozen)),
                        None,
                    )
                }
            }
            Self::SlotState => const { &plan(None, None, Body::Once(Action::Query), None) },
            Self::TempLog => {
                const { &plan(Some(Step::CollectLog), None, Body::Once(Action::Log { permanent: false }), None) }
            }
            Self::ThawMmio => {
                const { &plan(Some(Step::EnableIo), None, Body::Once(Action::Thaw(Thaw::Mmio)), None) }
            }
            Self::ReportMmio => {
                const {
                    &plan(
                        Some(Step::NotifyResumeIo),
                        None,
                        Body::Each(Visit::Call(Report::MmioEnabled)),
                        None,
                    )
                }
            }
            Self::ThawDma => {
                const {
                    &plan(
                        Some(Step::EnabledDma),
                        None,
                        Body::Once(Action::Thaw(Thaw::Dma)),
                        Some(Action::Mark(Mark::Healed)),
                    )
                }
            }
            Self::RemoveAll => {
                const { &plan(Some(Step::ResetWithHotplug), Some(Action::Mark(Mark::Keep)), Body::Empty, None) }
            }
            Self::RemoveUnaware => {
                const {
                    &plan(
                        Some(Step::ResetWithoutHotplug),
                        Some(Action::Mark(Mark::Keep)),
                        Body::Each(Visit::RemoveUnaware),
                        None,
                    )
                }
            }
            Self::Reset => const { &plan(None, Some(Action::Mark(Mark::Block)), Body::Reset, None) },
            Self::Settle => const { &plan(None, None, Body::Settle, Some(Action::Mark(Mark::Unblock))) },
            Self::Restore => const { &plan(None, Some(Action::Configure), Body::Restore, None) },
            Self::Unfreeze => {
                const { &plan(None, None, Body::Once(Action::Unfreeze), Some(Action::Mark(Mark::Healed))) }
            }
            Self::RemoveLate => {
                const { &plan(None, Some(Action::Mark(Mark::Keep)), Body::Each(Visit::RemoveLate), None) }
            }
            Self::Pause => const { &plan(None, None, Body::Pause, None) },
            Self::AddBack => const { &plan(None, None, Body::AddBack, None) },
            Self::AddVfs => const { &plan(None, None, Body::AddVfs, None) },
            Self::Asked => const { &plan(None, None, Body::Asked, None) },
            Self::SaveState => const { &plan(None, None, Body::Once(Action::SaveState), None) },
            Self::RestoreState => const { &plan(None, None, Body::Once(Action::RestoreState), None) },
            Self::ReportReset => {
                const { &plan(None, Some(AWAKE), Body::Each(Visit::Call(Report::SlotReset)), None) }
            }
            Self::ReportResume => {
                const {
                    &plan(
                        Some(Step::NotifyResume),
                        Some(AWAKE),
                        Body::Each(Visit::Call(Report::Resume)),
                        Some(Action::Mark(Mark::Settled)),
                    )
                }
            }
            Self::ClearAttention => const { &plan(None, None, Body::Each(Visit::Attention), None) },
            Self::PermLog => {
                const { &plan(Some(Step::Unable), None, Body::Once(Action::Log { permanent: true }), None) }
            }
            Self::ReportFailure => {
                const {
                    &plan(
                        None,
                        Some(SILENT),
                        Body::Each(Visit::Call(Report::PermFailure)),
                        Some(Action::Mark(Mark::Failed)),
                    )
                }
            }
            Self::RemoveFailed => const { &plan(None, None, Body::Empty, None) },
            Self::Release => const { &plan(None, None, Body::Once(Action::Release), None) },
            Self::Done => const { &plan(None, None, Body::Nothing, None) },
        }
    }

    /// The round of calls that the phase is, if it is one.
    #[must_use]
    pub const fn report(self) -> Option<Report> {
        match self.plan().body {
            Body::Each(Visit::Call(report)) => Some(report),
            Body::Each(Visit::Presence | Visit::Attention | Visit::RemoveUnaware | Visit::RemoveLate)
            | Body::Once(_)
            | Body::Reset
            | Body::Settle
            | Body::Restore
            | Body::Empty
            | Body::Pause
            | Body::AddBack
            | Body::AddVfs
            | Body::Asked
            | Body::Nothing => None,
        }
    }
}
