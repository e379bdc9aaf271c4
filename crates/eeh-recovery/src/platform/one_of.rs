// SPDX-License-Identifier: GPL-2.0-or-later
//! The firmware of a machine that may have either: one of two back ends, chosen at boot.

use core::fmt;

use eeh_pe::{PeNumber, Time};

use super::{
    ConfigSpace, ConfigurePoll, DeviceTarget, ErrorLog, ErrorSource, FirmwareError, FreezeState, InjectError,
    Injection, NextError, PeTarget, PhbTarget, ResetKind, ResetPoint, ResetPoll, Severity, SlotControl,
    SlotState, Thaw, Width,
};

/// PowerNV's or pSeries': of back ends, and of what each of them has in progress.
#[derive(Debug)]
pub enum OneOf<N, S> {
    /// Over OPAL.
    PowerNv(N),
    /// Over RTAS.
    PSeries(S),
}

impl<N, S> OneOf<N, S> {
    /// PowerNV's.
    #[must_use]
    pub const fn powernv(&self) -> Option<&N> {
        match self {
            Self::PowerNv(back) => Some(back),
            Self::PSeries(_) => None,
        }
    }

    /// pSeries'.
    #[must_use]
    pub const fn pseries(&self) -> Option<&S> {
        match self {
            Self::PowerNv(_) => None,
            Self::PSeries(back) => Some(back),
        }
    }
}

/// What was begun by the other back end is not this one's to go on with, and nothing came of it.
const FOREIGN: FirmwareError = FirmwareError::Missing { call: "call of the other platform" };

/// The same call of either. Provided methods too: the default is not the back end's answer.
macro_rules! either {
    ($self:ident, $back:ident => $call:expr) => {
        match $self {
            OneOf::PowerNv($back) => $call,
            OneOf::PSeries($back) => $call,
        }
    };
}

impl<N: SlotState, S: SlotState> SlotState for OneOf<N, S> {
    #[inline(always)]
    fn state_at(&self, phb: u64, pe: Option<PeNumber>) -> Result<FreezeState, FirmwareError> {
        either!(self, back => back.state_at(phb, pe))
    }

    fn freeze(&self, pe: &PeTarget) -> Result<(), FirmwareError> {
        either!(self, back => back.freeze(pe))
    }

    fn linux_bits(&self, state: FreezeState) -> u32 {
        either!(self, back => back.linux_bits(state))
    }
}

impl<N: ConfigSpace, S: ConfigSpace> ConfigSpace for OneOf<N, S> {
    fn read(&self, device: &DeviceTarget, offset: u16, width: Width) -> Result<u32, FirmwareError> {
        either!(self, back => back.read(device, offset, width))
    }

    fn write(
        &self,
        device: &DeviceTarget,
        offset: u16,
        width: Width,
        value: u32,
    ) -> Result<(), FirmwareError> {
        either!(self, back => back.write(device, offset, width, value))
    }
}

impl<N: SlotControl, S: SlotControl> SlotControl for OneOf<N, S> {
    type Reset = OneOf<N::Reset, S::Reset>;
    type Configure = OneOf<N::Configure, S::Configure>;

    fn thaw(&self, pe: &PeTarget, what: Thaw) -> Result<(), FirmwareError> {
        either!(self, back => back.thaw(pe, what))
    }

    fn needs_point(&self) -> bool {
        either!(self, back => back.needs_point())
    }

    fn begin_reset(&self, pe: &PeTarget, point: &ResetPoint, kind: ResetKind) -> Self::Reset {
        match self {
            Self::PowerNv(back) => OneOf::PowerNv(back.begin_reset(pe, point, kind)),
            Self::PSeries(back) => OneOf::PSeries(back.begin_reset(pe, point, kind)),
        }
    }

    fn poll_reset(&self, reset: &mut Self::Reset, now: Time) -> ResetPoll {
        match (self, reset) {
            (Self::PowerNv(back), OneOf::PowerNv(reset)) => back.poll_reset(reset, now),
            (Self::PSeries(back), OneOf::PSeries(reset)) => back.poll_reset(reset, now),
            (Self::PowerNv(_), OneOf::PSeries(_)) | (Self::PSeries(_), OneOf::PowerNv(_)) => {
                ResetPoll::Failed(FOREIGN)
            }
        }
    }

    fn abandon_reset(&self, reset: &mut Self::Reset) {
        match (self, reset) {
            (Self::PowerNv(back), OneOf::PowerNv(reset)) => back.abandon_reset(reset),
            (Self::PSeries(back), OneOf::PSeries(reset)) => back.abandon_reset(reset),
            (Self::PowerNv(_), OneOf::PSeries(_)) | (Self::PSeries(_), OneOf::PowerNv(_)) => {}
        }
    }

    fn begin_configure(&self, pe: &PeTarget) -> Self::Configure {
        match self {
            Self::PowerNv(back) => OneOf::PowerNv(back.begin_configure(pe)),
            Self::PSeries(back) => OneOf::PSeries(back.begin_configure(pe)),
        }
    }

    fn poll_configure(&self, configure: &mut Self::Configure, now: Time) -> ConfigurePoll {
        match (self, configure) {
            (Self::PowerNv(back), OneOf::PowerNv(configure)) => back.poll_configure(configure, now),
            (Self::PSeries(back), OneOf::PSeries(configure)) => back.poll_configure(configure, now),
            (Self::PowerNv(_), OneOf::PSeries(_)) | (Self::PSeries(_), OneOf::PowerNv(_)) => {
                ConfigurePoll::Failed(FOREIGN)
            }
        }
    }

    fn reinit(&self, device: &DeviceTarget) -> Result<(), FirmwareError> {
        either!(self, back => back.reinit(device))
    }

    fn inject(&self, pe: &PeTarget, error: &Injection) -> Result<(), InjectError> {
        either!(self, back => back.inject(pe, error))
    }
}

impl<N: ErrorLog, S: ErrorLog> ErrorLog for OneOf<N, S> {
    fn capture(
        &self,
        pe: &PeTarget,
        severity: Severity,
        driver: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, FirmwareError> {
        either!(self, back => back.capture(pe, severity, driver, buffer))
    }

    fn is_shared(&self, phb: &PhbTarget) -> bool {
        either!(self, back => back.is_shared(phb))
    }

    fn needs_mmio(&self, phb: &PhbTarget) -> bool {
        either!(self, back => back.needs_mmio(phb))
    }

    fn print(&self, phb: &PhbTarget, data: &[u8], line: &mut dyn FnMut(fmt::Arguments<'_>)) {
        either!(self, back => back.print(phb, data, line))
    }
}

impl<N: ErrorSource, S: ErrorSource> ErrorSource for OneOf<N, S> {
    fn next_error(&self, phb: &PhbTarget) -> Result<NextError, FirmwareError> {
        either!(self, back => back.next_error(phb))
    }

    fn rearm(&self, phb: &PhbTarget) {
        either!(self, back => back.rearm(phb));
    }

    fn clear_unknown(&self, phb: &PhbTarget, number: PeNumber) -> Result<(), FirmwareError> {
        either!(self, back => back.clear_unknown(phb, number))
    }
}
