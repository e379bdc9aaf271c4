// SPDX-License-Identifier: GPL-2.0-or-later
//! What owners of devices, drivers and administrators ask of EEH: VFIO, `pci_set_pcie_reset_state`,
//! sysfs.

use core::fmt;
use core::time::Duration;

use std::sync::PoisonError;

use eeh_pe::{Bdf, DeviceId, PeId, PeNumber, Time};
use eeh_recovery::{
    Injection, OwnerError, OwnerReset, OwnerState, PcieReset, Request, RequestPoll, SetOption, force_recover,
    inject, mark_isolated, owner_state, release,
};

use super::SimLinux;
use super::device::SimDevice;

/// How long a guest waits for its PE. C: `MAX_WAIT_FOR_RECOVERY`
const PATIENCE: Duration = Duration::from_secs(300);
/// How often it looks.
const LOOKS: Duration = Duration::from_millis(10);
/// How long a guest and a driver hold a reset.
const HOLDS: Duration = Duration::from_millis(250);

/// What somebody wants to be done with a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// A guest opens it. C: `eeh_dev_open`
    Open,
    /// The guest closes it. C: `eeh_dev_release`
    Release,
    /// The guest looks at its state, and recovers it where that is not normal.
    Recover,
    /// An administrator writes to `eeh_pe_state`.
    WriteState,
    /// A hotplug driver thaws its PE. C: `eeh_unfreeze_pe`
    Thaw,
    /// A hotplug driver marks its PE, and tells nobody. C: `eeh_pe_mark_isolated`
    Mark,
    /// An administrator has its PE recovered, whatever its state. C: `eeh_force_recover`
    Force,
    /// Its driver resets the slot. C: `pci_set_pcie_reset_state`
    Reset,
    /// The slot is reset, and no driver is told. C: `eeh_pe_reset_and_recover`
    ResetAndRecover,
    /// The guest sets an option. C: `eeh_pe_set_option`
    Option(SetOption),
    /// One step of the guest's reset. C: `eeh_pe_reset`
    Step(OwnerReset),
    /// One step of the driver's reset. C: `pci_set_pcie_reset_state`
    Pcie(PcieReset),
    /// The guest has bridges set up. C: `eeh_pe_configure`
    Configure,
    /// The guest injects an error at its next load. C: `eeh_pe_inject_err`
    Inject,
}

/// What came of a wish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// When it was made.
    pub from: Time,
    /// When it was answered.
    pub at: Time,
    /// Linux's number of the PHB.
    pub phb: u32,
    /// Which device.
    pub bdf: Bdf,
    /// The device, if there was one.
    pub device: Option<DeviceId>,
    /// Its PE.
    pub pe: Option<PeId>,
    /// EEH's number of that.
    pub number: Option<PeNumber>,
    /// What was wished.
    pub wish: Wish,
    /// What came of it.
    pub answer: Result<(), OwnerError>,
}

impl Wish {
    /// Whether it stops a PE without any error.
    #[must_use]
    pub const fn stops(self) -> bool {
        matches!(
            self,
            Self::Option(SetOption::Freeze)
                | Self::Step(OwnerReset::Hot | OwnerReset::Fundamental)
                | Self::Pcie(PcieReset::Hot | PcieReset::Warm)
                | Self::Reset
                | Self::Recover
                | Self::ResetAndRecover
                | Self::Mark
        )
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Release => "release",
            Self::Recover => "recovery by its owner",
            Self::WriteState => "write to eeh_pe_state",
            Self::Thaw => "thaw by its hotplug driver",
            Self::Mark => "mark by its hotplug driver",
            Self::Force => "force",
            Self::Reset => "reset by its driver",
            Self::ResetAndRecover => "reset without drivers",
            Self::Option(SetOption::Disable) => "option: disable",
            Self::Option(SetOption::Enable) => "option: enable",
            Self::Option(SetOption::ThawMmio) => "option: thaw MMIO",
            Self::Option(SetOption::ThawDma) => "option: thaw DMA",
            Self::Option(SetOption::Freeze) => "option: freeze",
            Self::Step(OwnerReset::Deassert) => "end of its owner's reset",
            Self::Step(OwnerReset::Hot) => "its owner's hot reset",
            Self::Step(OwnerReset::Fundamental) => "its owner's fundamental reset",
            Self::Pcie(PcieReset::Deassert) => "end of its driver's reset",
            Self::Pcie(PcieReset::Warm) => "its driver's warm reset",
            Self::Pcie(PcieReset::Hot) => "its driver's hot reset",
            Self::Configure => "configuration of bridges",
            Self::Inject => "injection of an error",
        })
    }
}

impl SimLinux {
    /// Does what somebody wants, and logs what came of it.
    ///
    /// # Errors
    ///
    /// EEH's.
    pub async fn grant(&self, phb: u32, bdf: Bdf, wish: Wish) -> Result<(), OwnerError> {
        let from = self.now();
        let device = self.device(phb, bdf).ok().and_then(|device| device.eeh());
        let pe = device.and_then(|id| self.registry().peek_device(id)).map(|view| view.pe);
        let number = pe.and_then(|pe| self.registry().peek(pe)).map(|view| view.number);
        let answer = self.try_grant(phb, bdf, wish).await;
        if !self.console().is_silent() {
            let grant = Grant { from, at: self.now(), phb, bdf, device, pe, number, wish, answer };
            self.grants.lock().unwrap_or_else(PoisonError::into_inner).push(grant);
        }
        let done = answer.map_or_else(|error| error.to_string(), |()| "done".to_owned());
        self.console().kernel(self.now(), &format_args!("{phb:04x}:{bdf}: {wish}: {done}"));
        answer
    }

    async fn try_grant(&self, phb: u32, bdf: Bdf, wish: Wish) -> Result<(), OwnerError> {
        let id = self.device(phb, bdf).ok().and_then(|device| device.eeh()).ok_or(OwnerError::Gone)?;
        let pe = self.registry().peek_device(id).ok_or(OwnerError::Gone)?.pe;
        let registry = self.registry();
        match wish {
            Wish::Open => self.ask(Request::open(self, registry, id)).await,
            Wish::Release => {
                release(self, registry, id);
                Ok(())
            }
            Wish::Recover => {
                let _quiet = self.quiet().of(pe);
                self.recover_as_owner(pe).await
            }
            Wish::WriteState => self.ask(Request::write_state(self, registry, id, b"1\n")).await,
            Wish::Thaw => self.ask(Request::unfreeze(self, registry, pe)).await,
            Wish::Mark => {
                let _ = mark_isolated(self, registry, pe);
                Ok(())
            }
            Wish::Force => {
                let _ = force_recover(self, registry, pe);
                Ok(())
            }
            Wish::Reset => {
                let device = self.device(phb, bdf).map_err(|_| OwnerError::Gone)?;
                let _work = device.work().lock().await;
                // A driver that has left its device has no reset to ask for.
                if device.is_gone() || (device.driver().is_none() && self.wants_driver(&device)) {
                    return Err(OwnerError::Gone);
                }
                let _quiet = self.quiet().of(pe);
                self.reset_as_driver(id, &device).await
            }
            Wish::ResetAndRecover => {
                let _quiet = self.quiet().of(pe);
                self.ask(Request::reset_and_recover(self, registry, pe)).await
            }
            Wish::Option(option) => self.ask(Request::set_option(self, registry, pe, option)).await,
            Wish::Step(step) => self.ask(Request::reset(self, registry, pe, step)).await,
            Wish::Pcie(step) => self.ask(Request::pcie_reset(self, registry, id, step)).await,
            Wish::Configure => self.ask(Request::configure(self, registry, pe)).await,
            Wish::Inject => self.inject_load(phb, bdf, pe),
        }
    }

    /// What came of all wishes since the last call, where a record is kept.
    #[must_use]
    pub fn take_grants(&self) -> Vec<Grant> {
        core::mem::take(&mut *self.grants.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A 32 bit load from the device's registers is to fail.
    fn inject_load(&self, phb: u32, bdf: Bdf, pe: PeId) -> Result<(), OwnerError> {
        let device = self.device(phb, bdf).map_err(|_| OwnerError::Gone)?;
        let bar = device.identity().bars.iter().find(|bar| !bar.io);
        let address = bar.map_or(0, |bar| bar.start);
        let error = Injection { kind: 1, function: 0, address, mask: u64::MAX };
        inject(self, self.registry(), pe, &error)
    }

    /// Waits for a request, as a task that nobody kills.
    async fn ask(&self, mut request: Request<'_, Self>) -> Result<(), OwnerError> {
        loop {
            match request.poll(self.now()) {
                RequestPoll::Wait { until, .. } => self.pace().sleep(until.since(self.now())).await,
                RequestPoll::Done(result) => return result,
            }
        }
    }

    /// Asks until the host has time: who has asserted a reset must release it. A driver that is wanted for
    /// its removal does not: its recovery may wait for whoever removes it.
    async fn insist<'a>(
        &'a self,
        wanted: impl Fn() -> bool,
        ask: impl Fn() -> Request<'a, Self>,
    ) -> Result<(), OwnerError> {
        let begun = self.now();
        loop {
            match self.ask(ask()).await {
                Err(OwnerError::Busy) if self.now().since(begun) < PATIENCE && !wanted() => {
                    self.pace().sleep(LOOKS).await;
                }
                answer => return answer,
            }
        }
    }

    /// What a guest's EEH does.
    async fn recover_as_owner(&self, pe: PeId) -> Result<(), OwnerError> {
        let begun = self.now();
        loop {
            match owner_state(self, self.registry(), pe)? {
                OwnerState::Normal => return Ok(()),
                OwnerState::Unavailable if self.now().since(begun) < PATIENCE => {
                    self.pace().sleep(LOOKS).await;
                }
                OwnerState::Unavailable => return Err(OwnerError::Busy),
                OwnerState::Stopped | OwnerState::DmaStopped | OwnerState::Reset => break,
            }
        }
        self.ask(Request::reset(self, self.registry(), pe, OwnerReset::Hot)).await?;
        self.pace().sleep(HOLDS).await;
        self.insist(|| false, || Request::reset(self, self.registry(), pe, OwnerReset::Deassert)).await?;
        self.pace().sleep(HOLDS).await;
        match owner_state(self, self.registry(), pe)? {
            OwnerState::Normal => Ok(()),
            OwnerState::Unavailable | OwnerState::Stopped | OwnerState::DmaStopped | OwnerState::Reset => {
                Err(OwnerError::Failed)
            }
        }
    }

    async fn reset_as_driver(&self, id: DeviceId, device: &SimDevice) -> Result<(), OwnerError> {
        let release = || Request::pcie_reset(self, self.registry(), id, PcieReset::Deassert);
        self.ask(Request::pcie_reset(self, self.registry(), id, PcieReset::Warm)).await?;
        self.pace().sleep(HOLDS).await;
        self.insist(|| device.work().is_awaited(), release).await?;
        self.pace().sleep(HOLDS).await;
        Ok(())
    }
}
