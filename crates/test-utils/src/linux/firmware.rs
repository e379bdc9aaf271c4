// SPDX-License-Identifier: GPL-2.0-or-later
//! Simulated Linux's firmware back end: of either platform.

use core::fmt;

use eeh_pe::{Bdf, PeNumber, Time};
use eeh_powernv::opal::{Opal, rc};
use eeh_powernv::{self as powernv, PowerNv};
use eeh_pseries::rtas::{Address, Rtas};
use eeh_pseries::{self as pseries, PSeries};
use eeh_recovery::{
    ConfigSpace, ConfigurePoll, DeviceTarget, ErrorLog, ErrorSource, FirmwareError, FreezeState, InjectError,
    Injection, NextError, PeTarget, PhbTarget, ResetKind, ResetPoint, ResetPoll, Severity, SlotControl,
    SlotState, Thaw, Width,
};

use super::platform::SimPhbs;
use crate::opal::{self, Version};
use crate::rtas::{Behaviour, Garbage, buid_of};

/// Which platform, and how its firmware behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FirmwareKind {
    /// PowerNV, over OPAL.
    PowerNv(Version),
    /// pSeries, over RTAS.
    PSeries(Behaviour),
}

impl FirmwareKind {
    /// pSeries with nothing unusual.
    #[must_use]
    pub fn pseries() -> Self {
        Self::PSeries(Behaviour::default())
    }

    /// Whether it is pSeries.
    #[must_use]
    pub const fn is_pseries(self) -> bool {
        matches!(self, Self::PSeries(_))
    }
}

impl From<Version> for FirmwareKind {
    fn from(version: Version) -> Self {
        Self::PowerNv(version)
    }
}

impl From<Behaviour> for FirmwareKind {
    fn from(behaviour: Behaviour) -> Self {
        Self::PSeries(behaviour)
    }
}

/// A back end.
#[derive(Debug)]
pub enum SimFirmware {
    /// PowerNV's.
    PowerNv(PowerNv<opal::Garbage, SimPhbs>),
    /// pSeries'.
    PSeries(PSeries<Garbage>),
}

/// A reset attempt in progress.
#[derive(Debug)]
pub enum SimReset {
    /// PowerNV's.
    PowerNv(powernv::Reset),
    /// pSeries'.
    PSeries(pseries::Reset),
}

/// A configuration of bridges in progress.
#[derive(Debug)]
pub enum SimConfigure {
    /// PowerNV's.
    PowerNv(()),
    /// pSeries'.
    PSeries(pseries::Configure),
}

impl SimFirmware {
    /// Firmware's number of a PHB.
    #[must_use]
    pub const fn phb_id(&self, number: u32) -> u64 {
        match self {
            Self::PowerNv(_) => number as u64,
            Self::PSeries(_) => buid_of(number),
        }
    }

    /// A configuration read that nobody checks; `None` without an answer. C: `pnv_pci_cfg_read`,
    /// `rtas_pci_dn_read_config`
    pub(super) fn config_read(&self, phb: u64, bdf: Bdf, offset: u16, size: u8) -> Option<u32> {
        let mut value = u32::MAX;
        let answered = match self {
            Self::PowerNv(back) => {
                back.opal().pci_config_read(phb, bdf.0, offset, size, &mut value) == rc::SUCCESS
            }
            Self::PSeries(back) => {
                let at = Address::register(phb, bdf, offset)?;
                back.rtas().read_pci_config(at, size.into(), &mut value) == 0
            }
        };
        answered.then_some(value)
    }

    /// A configuration write that nobody checks. Firmware's refusal is a write that was dropped: the
    /// caller sees it when it reads.
    pub(super) fn config_write(&self, phb: u64, bdf: Bdf, offset: u16, size: u8, value: u32) {
        match self {
            Self::PowerNv(back) => {
                let _ = back.opal().pci_config_write(phb, bdf.0, offset, size, value);
            }
            Self::PSeries(back) => {
                if let Some(at) = Address::register(phb, bdf, offset) {
                    let _ = back.rtas().write_pci_config(at, size.into(), value);
                }
            }
        }
    }

    /// The PE of a device, with EEH enabled for it; `None` when it does without. `wired` is what the
    /// hardware has, which PowerNV's Linux has chosen itself. C: `pnv_eeh_probe`, `pseries_eeh_init_edev`
    pub(super) fn probe(
        &self,
        phb: u64,
        bdf: Bdf,
        wired: Option<u32>,
    ) -> Result<Option<PeNumber>, FirmwareError> {
        match self {
            Self::PowerNv(_) => Ok(wired.map(PeNumber)),
            Self::PSeries(back) => back.probe(phb, bdf),
        }
    }

    /// What PowerNV's back end asks of PHBs.
    pub(super) const fn phbs(&self) -> Option<&SimPhbs> {
        match self {
            Self::PowerNv(back) => Some(back.phbs()),
            Self::PSeries(_) => None,
        }
    }

    pub(super) const fn rtas(&self) -> Option<&Garbage> {
        match self {
            Self::PowerNv(_) => None,
            Self::PSeries(back) => Some(back.rtas()),
        }
    }

    /// pSeries' back end.
    #[must_use]
    pub const fn pseries(&self) -> Option<&PSeries<Garbage>> {
        match self {
            Self::PowerNv(_) => None,
            Self::PSeries(back) => Some(back),
        }
    }
}

impl SlotState for SimFirmware {
    fn state(&self, pe: &PeTarget) -> Result<FreezeState, FirmwareError> {
        match self {
            Self::PowerNv(back) => back.state(pe),
            Self::PSeries(back) => back.state(pe),
        }
    }

    fn freeze(&self, pe: &PeTarget) -> Result<(), FirmwareError> {
        match self {
            Self::PowerNv(back) => back.freeze(pe),
            Self::PSeries(back) => back.freeze(pe),
        }
    }

    fn linux_bits(&self, state: FreezeState) -> u32 {
        match self {
            Self::PowerNv(back) => back.linux_bits(state),
            Self::PSeries(back) => back.linux_bits(state),
        }
    }
}

impl ConfigSpace for SimFirmware {
    fn read(&self, device: &DeviceTarget, offset: u16, width: Width) -> Result<u32, FirmwareError> {
        match self {
            Self::PowerNv(back) => back.read(device, offset, width),
            Self::PSeries(back) => back.read(device, offset, width),
        }
    }

    fn write(
        &self,
        device: &DeviceTarget,
        offset: u16,
        width: Width,
        value: u32,
    ) -> Result<(), FirmwareError> {
        match self {
            Self::PowerNv(back) => back.write(device, offset, width, value),
            Self::PSeries(back) => back.write(device, offset, width, value),
        }
    }
}

/// Attempts and configurations of the other platform cannot be: what one made, it alone gets back.
const FOREIGN: FirmwareError = FirmwareError::Missing { call: "call of the other platform" };

impl SlotControl for SimFirmware {
    type Reset = SimReset;
    type Configure = SimConfigure;

    fn thaw(&self, pe: &PeTarget, what: Thaw) -> Result<(), FirmwareError> {
        match self {
            Self::PowerNv(back) => back.thaw(pe, what),
            Self::PSeries(back) => back.thaw(pe, what),
        }
    }

    fn needs_point(&self) -> bool {
        self.rtas().is_none()
    }

    fn begin_reset(&self, pe: &PeTarget, point: &ResetPoint, kind: ResetKind) -> SimReset {
        match self {
            Self::PowerNv(back) => SimReset::PowerNv(back.begin_reset(pe, point, kind)),
            Self::PSeries(back) => SimReset::PSeries(back.begin_reset(pe, point, kind)),
        }
    }

    fn poll_reset(&self, reset: &mut SimReset, now: Time) -> ResetPoll {
        match (self, reset) {
            (Self::PowerNv(back), SimReset::PowerNv(reset)) => back.poll_reset(reset, now),
            (Self::PSeries(back), SimReset::PSeries(reset)) => back.poll_reset(reset, now),
            _ => ResetPoll::Failed(FOREIGN),
        }
    }

    fn abandon_reset(&self, reset: &mut SimReset) {
        match (self, reset) {
            (Self::PowerNv(back), SimReset::PowerNv(reset)) => back.abandon_reset(reset),
            (Self::PSeries(back), SimReset::PSeries(reset)) => back.abandon_reset(reset),
            _ => {}
        }
    }

    fn begin_configure(&self, pe: &PeTarget) -> SimConfigure {
        match self {
            Self::PowerNv(back) => {
                back.begin_configure(pe);
                SimConfigure::PowerNv(())
            }
            Self::PSeries(back) => SimConfigure::PSeries(back.begin_configure(pe)),
        }
    }

    fn poll_configure(&self, configure: &mut SimConfigure, now: Time) -> ConfigurePoll {
        match (self, configure) {
            (Self::PowerNv(back), SimConfigure::PowerNv(unit)) => back.poll_configure(unit, now),
            (Self::PSeries(back), SimConfigure::PSeries(configure)) => back.poll_configure(configure, now),
            _ => ConfigurePoll::Failed(FOREIGN),
        }
    }

    fn reinit(&self, device: &DeviceTarget) -> Result<(), FirmwareError> {
        match self {
            Self::PowerNv(back) => back.reinit(device),
            Self::PSeries(back) => back.reinit(device),
        }
    }

    fn inject(&self, pe: &PeTarget, error: &Injection) -> Result<(), InjectError> {
        match self {
            Self::PowerNv(back) => back.inject(pe, error),
            Self::PSeries(back) => SlotControl::inject(back, pe, error),
        }
    }
}

impl ErrorLog for SimFirmware {
    fn capture(
        &self,
        pe: &PeTarget,
        severity: Severity,
        driver: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, FirmwareError> {
        match self {
            Self::PowerNv(back) => back.capture(pe, severity, driver, buffer),
            Self::PSeries(back) => back.capture(pe, severity, driver, buffer),
        }
    }

    fn is_shared(&self, phb: &PhbTarget) -> bool {
        match self {
            Self::PowerNv(back) => back.is_shared(phb),
            Self::PSeries(back) => back.is_shared(phb),
        }
    }

    fn needs_mmio(&self, phb: &PhbTarget) -> bool {
        match self {
            Self::PowerNv(back) => back.needs_mmio(phb),
            Self::PSeries(back) => back.needs_mmio(phb),
        }
    }

    fn print(&self, phb: &PhbTarget, data: &[u8], line: &mut dyn FnMut(fmt::Arguments<'_>)) {
        match self {
            Self::PowerNv(back) => back.print(phb, data, line),
            Self::PSeries(back) => back.print(phb, data, line),
        }
    }
}

impl ErrorSource for SimFirmware {
    fn next_error(&self, phb: &PhbTarget) -> Result<NextError, FirmwareError> {
        match self {
            Self::PowerNv(back) => back.next_error(phb),
            Self::PSeries(back) => back.next_error(phb),
        }
    }

    fn rearm(&self, phb: &PhbTarget) {
        match self {
            Self::PowerNv(back) => back.rearm(phb),
            Self::PSeries(back) => back.rearm(phb),
        }
    }

    fn clear_unknown(&self, phb: &PhbTarget, number: PeNumber) -> Result<(), FirmwareError> {
        match self {
            Self::PowerNv(back) => back.clear_unknown(phb, number),
            Self::PSeries(back) => back.clear_unknown(phb, number),
        }
    }
}
