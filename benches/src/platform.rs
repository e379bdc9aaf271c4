// SPDX-License-Identifier: GPL-2.0-or-later
//! The rest of the environment: nobody recovers anything while checks are measured.

use core::fmt;

use eeh_pe::{Time, TreeId};
use eeh_powernv::opal::Opal;
use eeh_powernv::{PhbFacts, PhbModel, Phbs, PowerNv};
use eeh_recovery::{
    ChannelState, Driver, ErsResult, Event, FirmwareError, Helper, Job, JobId, Location, Observer, Params,
    PciCore, PhbTarget, Platform, RecoveryId, Wake,
};

use crate::env::Host;

/// All PHBs are the same.
#[derive(Clone, Copy)]
pub struct SamePhbs;

impl Phbs for SamePhbs {
    fn facts(&self, _phb: u64) -> Option<PhbFacts> {
        Some(PhbFacts {
            model: PhbModel::Phb4,
            hub: 0,
            diag_size: PhbFacts::DEFAULT_DIAG_SIZE,
            pe_count: 4096,
        })
    }

    fn rearm(&self, _phb: u64) {}

    fn line(&self, _phb: u64, _line: fmt::Arguments<'_>) {}
}

/// Nobody is told, woken or asked to help.
pub struct Nobody;

impl Observer for Nobody {
    fn event(&self, _now: Time, _event: &Event) {}

    fn line(&self, _now: Time, _: &PhbTarget, _: Option<RecoveryId>, _: fmt::Arguments<'_>) {}
}

impl Wake for Nobody {
    fn wake(&self, _tree: TreeId) {}

    fn request_check(&self, _tree: TreeId) {}

    fn take_check(&self, _tree: TreeId) -> bool {
        false
    }
}

impl Helper<Host> for Nobody {
    fn start(&self, _tree: TreeId, _id: JobId, _job: Job<Host>) {}

    fn abandon(&self, _tree: TreeId, _id: JobId) {}
}

impl PciCore<Host> for Nobody {
    fn set_channel_state(&self, (): &(), _state: ChannelState) {}

    fn disable_irq(&self, (): &()) -> bool {
        false
    }

    fn enable_irq(&self, (): &()) {}

    fn driver(&self, (): &()) -> Option<Driver> {
        None
    }

    fn needs_fundamental(&self, (): &()) -> bool {
        false
    }

    fn location(&self, (): &()) -> Location {
        Location::new("N/A")
    }

    fn phb_location(&self, _phb: &PhbTarget) -> Location {
        Location::new("N/A")
    }

    fn save_state(&self, (): &()) {}

    fn restore_state(&self, (): &()) {}

    fn reenable(&self, (): &()) -> bool {
        true
    }

    fn uevent(&self, (): &(), _result: ErsResult) {}

    fn notify_resume(&self, (): &()) -> Result<(), FirmwareError> {
        Ok(())
    }
}

/// Firmware, and nobody else.
pub struct OnlyFirmware<O> {
    powernv: PowerNv<O, SamePhbs>,
    nobody: Nobody,
}

impl<O: Opal> OnlyFirmware<O> {
    /// A platform over `opal`.
    pub const fn new(opal: O) -> Self {
        Self { powernv: PowerNv::new(opal, SamePhbs), nobody: Nobody }
    }
}

impl<O: Opal + Sync> Platform for OnlyFirmware<O> {
    type Env = Host;
    type Firmware = PowerNv<O, SamePhbs>;
    type Core = Nobody;
    type Helper = Nobody;
    type Wake = Nobody;
    type Observer = Nobody;

    fn firmware(&self) -> &Self::Firmware {
        &self.powernv
    }

    fn core(&self) -> &Nobody {
        &self.nobody
    }

    fn helper(&self) -> &Nobody {
        &self.nobody
    }

    fn wake(&self) -> &Nobody {
        &self.nobody
    }

    fn observer(&self) -> &Nobody {
        &self.nobody
    }

    fn params(&self) -> Params {
        Params::default()
    }

    fn enabled(&self) -> bool {
        true
    }

    fn now(&self) -> Time {
        Time::ZERO
    }
}
