// SPDX-License-Identifier: GPL-2.0-or-later
//! Linux as the environment of detection and recovery.

use eeh_pe::Time;
use eeh_recovery::{Params, Platform};

use crate::env::KernelEnv;
use crate::firmware::Firmware;
use crate::mailbox::{KernelHelper, KernelWake};
use crate::observer::KernelObserver;
use crate::pci_core::KernelCore;
use crate::{params, state, time};

/// Linux: what it has one of has no size here.
pub(crate) struct KernelPlatform {
    pub(crate) firmware: Firmware,
}

impl Platform for KernelPlatform {
    type Env = KernelEnv;
    type Firmware = Firmware;
    type Core = KernelCore;
    type Helper = KernelHelper;
    type Wake = KernelWake;
    type Observer = KernelObserver;

    #[inline]
    fn firmware(&self) -> &Firmware {
        &self.firmware
    }
    fn core(&self) -> &KernelCore {
        &KernelCore
    }
    fn helper(&self) -> &KernelHelper {
        &KernelHelper
    }
    fn wake(&self) -> &KernelWake {
        &KernelWake
    }
    fn observer(&self) -> &KernelObserver {
        &KernelObserver
    }
    fn params(&self) -> Params {
        params::current()
    }
    #[inline]
    fn enabled(&self) -> bool {
        state::enabled()
    }
    fn now(&self) -> Time {
        time::now()
    }
    #[inline]
    fn ticks(&self) -> u64 {
        time::ticks()
    }
    fn time_of(&self, ticks: u64) -> Time {
        time::of(ticks)
    }
}
