// SPDX-License-Identifier: GPL-2.0-or-later
//! The machine's firmware: one of two back ends, chosen at boot.

use eeh_pe::{PeNumber, Time};
use eeh_powernv::PowerNv;
use eeh_pseries::PSeries;
use eeh_recovery::{
    ConfigSpace, ConfigurePoll, DeviceTarget, ErrorLog, ErrorSource, FirmwareError, FreezeState, InjectError,
    Injection, NextError, PeTarget, PhbTarget, ResetKind, ResetPoint, ResetPoll, Severity, SlotControl,
    SlotState, Thaw, Width,
};

use crate::opal::KernelOpal;
use crate::phbs::KernelPhbs;
use crate::rtas::KernelRtas;

/// Firmware.
pub(crate) enum Firmware {
    /// OPAL.
    PowerNv(PowerNv<KernelOpal, KernelPhbs>),
    /// RTAS.
    PSeries(PSeries<KernelRtas>),
}

impl Firmware {
    /// OPAL.
    pub(crate) const fn powernv() -> Self {
        Self::PowerNv(PowerNv::new(KernelOpal, KernelPhbs))
    }

    /// RTAS.
    ///
    /// # Errors
    ///
    /// It lacks a call that EEH cannot do without.
    pub(crate) fn pseries() -> Result<Self, FirmwareError> {
        Ok(Self::PSeries(PSeries::new(KernelRtas::new())?))
    }
}

/// One reset attempt in progress.
pub(crate) enum Reset {
    PowerNv(eeh_powernv::Reset),
    PSeries(eeh_pseries::Reset),
}

/// One configuration of bridges in progress.
pub(crate) enum Configure {
    PowerNv(<PowerNv<KernelOpal, KernelPhbs> as SlotControl>::Configure),
    PSeries(<PSeries<KernelRtas> as SlotControl>::Configure),
}

/// The same call of either back end.
macro_rules! either {
    ($self:ident, $back:ident => $call:expr) => {
        match $self {
            Firmware::PowerNv($back) => $call,
            Firmware::PSeries($back) => $call,
        }
    };
}

impl SlotState for Firmware {
    #[inline]
    fn state(&self, pe: &PeTarget) -> Result<FreezeState, FirmwareError> {
        either!(self, back => back.state(pe))
    }

    fn freeze(&self, pe: &PeTarget) -> Result<(), FirmwareError> {
        either!(self, back => back.freeze(pe))
    }

    fn linux_bits(&self, state: FreezeState) -> u32 {
        either!(self, back => back.linux_bits(state))
    }
}

impl ConfigSpace for Firmware {
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

impl SlotControl for Firmware {
    type Reset = Reset;
    type Configure = Configure;

    fn thaw(&self, pe: &PeTarget, what: Thaw) -> Result<(), FirmwareError> {
        either!(self, back => back.thaw(pe, what))
    }

    fn begin_reset(&self, pe: &PeTarget, point: &ResetPoint, kind: ResetKind) -> Reset {
        match self {
            Self::PowerNv(back) => Reset::PowerNv(back.begin_reset(pe, point, kind)),
            Self::PSeries(back) => Reset::PSeries(back.begin_reset(pe, point, kind)),
        }
    }

    fn poll_reset(&self, reset: &mut Reset, now: Time) -> ResetPoll {
        match (self, reset) {
            (Self::PowerNv(back), Reset::PowerNv(reset)) => back.poll_reset(reset, now),
            (Self::PSeries(back), Reset::PSeries(reset)) => back.poll_reset(reset, now),
            // There is one back end, which began it.
            (Self::PowerNv(_), Reset::PSeries(_)) | (Self::PSeries(_), Reset::PowerNv(_)) => ResetPoll::Done,
        }
    }

    fn abandon_reset(&self, reset: &mut Reset) {
        match (self, reset) {
            (Self::PowerNv(back), Reset::PowerNv(reset)) => back.abandon_reset(reset),
            (Self::PSeries(back), Reset::PSeries(reset)) => back.abandon_reset(reset),
            (Self::PowerNv(_), Reset::PSeries(_)) | (Self::PSeries(_), Reset::PowerNv(_)) => {}
        }
    }

    fn begin_configure(&self, pe: &PeTarget) -> Configure {
        match self {
            Self::PowerNv(back) => Configure::PowerNv(back.begin_configure(pe)),
            Self::PSeries(back) => Configure::PSeries(back.begin_configure(pe)),
        }
    }

    fn poll_configure(&self, configure: &mut Configure, now: Time) -> ConfigurePoll {
        match (self, configure) {
            (Self::PowerNv(back), Configure::PowerNv(configure)) => back.poll_configure(configure, now),
            (Self::PSeries(back), Configure::PSeries(configure)) => back.poll_configure(configure, now),
            (Self::PowerNv(_), Configure::PSeries(_)) | (Self::PSeries(_), Configure::PowerNv(_)) => {
                ConfigurePoll::Done
            }
        }
    }

    fn inject(&self, pe: &PeTarget, error: &Injection) -> Result<(), InjectError> {
        either!(self, back => back.inject(pe, error))
    }

    fn reinit(&self, device: &DeviceTarget) -> Result<(), FirmwareError> {
        either!(self, back => back.reinit(device))
    }
}

impl ErrorLog for Firmware {
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

    fn print(&self, phb: &PhbTarget, data: &[u8], line: &mut dyn FnMut(core::fmt::Arguments<'_>)) {
        either!(self, back => back.print(phb, data, line))
    }
}

impl ErrorSource for Firmware {
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
