// SPDX-License-Identifier: GPL-2.0-or-later
//! The moments at which a driver's code runs.

use core::fmt;
use core::str::FromStr;

use eeh_recovery::{ChannelState, Handler};

/// A callback of a driver.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Step {
    /// `probe`: the driver is bound to the device.
    Probe,
    /// `remove`: it is unbound.
    Remove,
    /// `error_detected(pci_channel_io_frozen)`
    ErrorDetected,
    /// `mmio_enabled`
    MmioEnabled,
    /// `slot_reset`
    SlotReset,
    /// `resume`
    Resume,
    /// `error_detected(pci_channel_io_perm_failure)`
    Failure,
}

impl Step {
    /// All steps.
    pub const ALL: [Self; 7] = [
        Self::Probe,
        Self::Remove,
        Self::ErrorDetected,
        Self::MmioEnabled,
        Self::SlotReset,
        Self::Resume,
        Self::Failure,
    ];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Remove => "remove",
            Self::ErrorDetected => "error_detected",
            Self::MmioEnabled => "mmio_enabled",
            Self::SlotReset => "slot_reset",
            Self::Resume => "resume",
            Self::Failure => "failure",
        }
    }

    /// Whether only a driver with error handlers has this callback.
    #[must_use]
    pub const fn is_error_handler(self) -> bool {
        !matches!(self, Self::Probe | Self::Remove)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Probe => 1,
            Self::Remove => 1 << 1,
            Self::ErrorDetected => 1 << 2,
            Self::MmioEnabled => 1 << 3,
            Self::SlotReset => 1 << 4,
            Self::Resume => 1 << 5,
            Self::Failure => 1 << 6,
        }
    }
}

impl From<Handler> for Step {
    fn from(handler: Handler) -> Self {
        match handler {
            Handler::ErrorDetected(ChannelState::PermFailure) => Self::Failure,
            Handler::ErrorDetected(ChannelState::Normal | ChannelState::Frozen) => Self::ErrorDetected,
            Handler::MmioEnabled => Self::MmioEnabled,
            Handler::SlotReset => Self::SlotReset,
            Handler::Resume => Self::Resume,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no step.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{0}` is no step of a driver; steps are probe, remove, error_detected, mmio_enabled, slot_reset, resume, failure"
)]
pub struct UnknownStep(pub String);

impl FromStr for Step {
    type Err = UnknownStep;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = text.replace('-', "_");
        Self::ALL.into_iter().find(|step| step.name() == wanted).ok_or_else(|| UnknownStep(text.to_owned()))
    }
}

/// Some of the steps.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Steps(u8);

impl Steps {
    /// With `step` added.
    #[must_use]
    pub const fn with(self, step: Step) -> Self {
        Self(self.0 | step.bit())
    }

    /// Whether `step` is among them.
    #[must_use]
    pub const fn has(self, step: Step) -> bool {
        self.0 & step.bit() != 0
    }

    /// Those in both.
    #[must_use]
    pub const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Them, in the order of [`Step::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Step> {
        Step::ALL.into_iter().filter(move |step| self.has(*step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_parses_back_from_its_name() {
        for step in Step::ALL {
            assert_eq!(step.name().parse::<Step>(), Ok(step));
        }
        assert_eq!("slot-reset".parse::<Step>(), Ok(Step::SlotReset));
    }

    #[test]
    fn an_unknown_step_is_answered_with_the_list() {
        let error = "reset".parse::<Step>().expect_err("not a step");
        assert!(error.to_string().contains("slot_reset"), "{error}");
    }
}
