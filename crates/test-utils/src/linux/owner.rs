// SPDX-License-Identifier: GPL-2.0-or-later
//! What owners of devices, drivers and administrators ask of EEH: VFIO, `pci_set_pcie_reset_state`,
//! sysfs.

use core::fmt;
use core::time::Duration;

use eeh_pe::{Bdf, DeviceId, PeId};
use eeh_recovery::{
    OwnerError, OwnerReset, OwnerState, PcieReset, Request, RequestPoll, mark_isolated, owner_state, release,
};

use super::SimLinux;

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
    /// Its driver resets the slot. C: `pci_set_pcie_reset_state`
    Reset,
    /// The slot is reset, and no driver is told. C: `eeh_pe_reset_and_recover`
    ResetAndRecover,
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
            Self::Reset => "reset by its driver",
            Self::ResetAndRecover => "reset without drivers",
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
        let answer = self.try_grant(phb, bdf, wish).await;
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
            Wish::Recover => self.recover_as_owner(pe).await,
            Wish::WriteState => self.ask(Request::write_state(self, registry, id, b"1\n")).await,
            Wish::Thaw => self.ask(Request::unfreeze(self, registry, pe)).await,
            Wish::Mark => {
                let _ = mark_isolated(self, registry, pe);
                Ok(())
            }
            Wish::Reset => self.reset_as_driver(id).await,
            Wish::ResetAndRecover => self.ask(Request::reset_and_recover(self, registry, pe)).await,
        }
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
        for step in [OwnerReset::Hot, OwnerReset::Deassert] {
            self.ask(Request::reset(self, self.registry(), pe, step)).await?;
            self.pace().sleep(HOLDS).await;
        }
        match owner_state(self, self.registry(), pe)? {
            OwnerState::Normal => Ok(()),
            OwnerState::Unavailable | OwnerState::Stopped | OwnerState::DmaStopped | OwnerState::Reset => {
                Err(OwnerError::Failed)
            }
        }
    }

    async fn reset_as_driver(&self, device: DeviceId) -> Result<(), OwnerError> {
        for step in [PcieReset::Warm, PcieReset::Deassert] {
            self.ask(Request::pcie_reset(self, self.registry(), device, step)).await?;
            self.pace().sleep(HOLDS).await;
        }
        Ok(())
    }
}
