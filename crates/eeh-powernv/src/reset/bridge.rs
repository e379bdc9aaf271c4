// SPDX-License-Identifier: GPL-2.0-or-later
//! The reset of what is below a bridge other than the root port. C: `__pnv_eeh_bridge_reset`

use core::time::Duration;

use eeh_pe::{DeviceFlags, Time};
use eeh_recovery::{ConfigSpace, DeviceTarget, FirmwareError, ResetKind, ResetPoll, Wait, Width};

use crate::call::name;
use crate::config::all_ones;
use crate::opal::scope;

use super::firmware::FirmwareReset;
use super::{Outcome, Way, answer, given_up, root, slot, wait};

/// How long the secondary bus is held in reset: twice Trst, which is 1 ms (PCI 3.0 4.3.2; PCIe 6.0
/// 7.5.1.3.13). C: 250 ms
pub const HOLD: Duration = Duration::from_millis(2);

/// How long the port's Surprise Down error stays masked after the release: a port whose link is to
/// go down has left for Detect by then (PCIe 6.0 6.6.1), and coming up is no error. C: 1.8 s
pub const LINK_DOWN: Duration = Duration::from_millis(20);

/// PCI_EXP_FLAGS, PCI_EXP_FLAGS_SLOT
const EXPRESS_FLAGS: u16 = 0x02;
const SLOT: u32 = 0x0100;
/// PCI_EXP_SLTCAP, PCI_EXP_SLTCAP_PCP
const SLOT_CAPABILITIES: u16 = 0x14;
const POWER_CONTROLLER: u32 = 2;

/// PCI_BRIDGE_CONTROL
const CONTROL: u16 = 0x3e;
/// PCI_BRIDGE_CTL_BUS_RESET
const BUS_RESET: u32 = 0x40;
/// PCI_ERR_UNCOR_MASK, from the AER capability on.
const UNCORRECTABLE_MASK: u16 = 0x08;
/// PCI_ERR_UNC_SURPDN
const SURPRISE_DOWN: u32 = 0x20;

/// The way for a bridge.
///
/// - A root port is firmware's, whatever the caller calls it.
/// - Fundamental: by firmware where it offers that for the slot and the port switches its power, else the
///   bus reset must do. (skiboot's is nothing but the power: without a controller it only remembers to
///   have switched it and answers success. C takes that for a reset.)
/// - Hot: always the bridge's own register, 4 s faster than skiboot's slot (250 ms hold, 1.8 s
///   settling, link polling), with the same signal on the wire. C asks firmware first.
pub(super) fn choose(phb: u64, bridge: DeviceTarget, kind: ResetKind) -> Way {
    if bridge.flags.contains(DeviceFlags::ROOT_PORT) {
        return Way::Firmware(root::reset(phb, kind));
    }
    match kind {
        ResetKind::Fundamental if bridge.reset_by_firmware => Way::Slot(bridge),
        ResetKind::Fundamental | ResetKind::Hot => Way::Bridge(BridgeReset::new(bridge)),
    }
}

/// The way for a slot that firmware offers to reset, once the port may be asked.
pub(super) fn settle(config: &impl ConfigSpace, bridge: DeviceTarget) -> Way {
    if switches_power(config, &bridge) {
        let slot = slot(bridge.phb.firmware, &bridge);
        Way::Firmware(FirmwareReset::new(slot, scope::PCI_FUNDAMENTAL))
    } else {
        Way::Bridge(BridgeReset::new(bridge))
    }
}

/// Whether the port has a slot with a power controller (PCIe 6.0 7.5.3.2, 7.5.3.9).
fn switches_power(config: &impl ConfigSpace, bridge: &DeviceTarget) -> bool {
    let read = |offset: u16, width| {
        let value = config.read(bridge, bridge.pcie_cap.saturating_add(offset), width).ok();
        value.filter(|value| *value != all_ones(width)).unwrap_or(0)
    };
    bridge.pcie_cap != 0
        && read(EXPRESS_FLAGS, Width::Half) & SLOT != 0
        && read(SLOT_CAPABILITIES, Width::Word) & POWER_CONTROLLER != 0
}

/// A secondary bus reset in configuration space.
#[derive(Debug)]
pub(super) struct BridgeReset {
    bridge: DeviceTarget,
    /// Bridge Control without the reset bit.
    control: u32,
    /// The Surprise Down mask is ours to take away.
    masked: bool,
    step: Step,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Idle,
    /// In reset until then.
    Held(Time),
    /// Released; Surprise Down masked until then.
    Released(Time),
    Over(Outcome),
}

impl BridgeReset {
    const fn new(bridge: DeviceTarget) -> Self {
        Self { bridge, control: 0, masked: false, step: Step::Idle }
    }

    pub(super) fn poll(&mut self, config: &impl ConfigSpace, now: Time) -> ResetPoll {
        match self.step {
            Step::Idle => match self.assert(config, now.after(HOLD)) {
                Ok(()) => wait(now.after(HOLD), Wait::ResetHold),
                Err(error) => {
                    self.undo(config);
                    self.over(Err(error))
                }
            },
            Step::Held(until) if now < until => wait(until, Wait::ResetHold),
            Step::Released(until) if now < until => wait(until, Wait::LinkUp),
            Step::Held(_) => match self.release(config) {
                Ok(()) if self.masked => {
                    let until = now.after(LINK_DOWN);
                    self.step = Step::Released(until);
                    wait(until, Wait::LinkUp)
                }
                outcome => {
                    self.unmask(config);
                    self.over(outcome)
                }
            },
            Step::Released(_) => {
                self.unmask(config);
                self.over(Ok(()))
            }
            Step::Over(outcome) => answer(outcome),
        }
    }

    /// Masks Surprise Down and sets the reset bit, and looks whether it is set: a bridge that does
    /// not answer has reset nothing.
    fn assert(&mut self, config: &impl ConfigSpace, until: Time) -> Outcome {
        let control = self.read(config, CONTROL, Width::Half)?;
        self.control = control & !BUS_RESET;
        self.mask(config)?;
        // From here on the bit may be set, and is cleared on every path.
        self.step = Step::Held(until);
        config.write(&self.bridge, CONTROL, Width::Half, self.control | BUS_RESET)?;
        let control = self.read(config, CONTROL, Width::Half)?;
        if control & BUS_RESET == 0 { Err(unexpected(control)) } else { Ok(()) }
    }

    /// Clears the reset bit, and looks whether it is clear.
    fn release(&self, config: &impl ConfigSpace) -> Outcome {
        config.write(&self.bridge, CONTROL, Width::Half, self.control)?;
        let control = self.read(config, CONTROL, Width::Half)?;
        if control & BUS_RESET == 0 { Ok(()) } else { Err(unexpected(control)) }
    }

    fn mask(&mut self, config: &impl ConfigSpace) -> Outcome {
        let Some(offset) = self.mask_offset() else { return Ok(()) };
        let mask = self.read(config, offset, Width::Word)?;
        if mask & SURPRISE_DOWN == 0 {
            self.masked = true;
            config.write(&self.bridge, offset, Width::Word, mask | SURPRISE_DOWN)?;
        }
        Ok(())
    }

    /// Takes our mask away. A bridge that does not answer keeps it: then the reset has failed anyway.
    fn unmask(&mut self, config: &impl ConfigSpace) {
        let Some(offset) = self.mask_offset().filter(|_| self.masked) else { return };
        self.masked = false;
        if let Ok(mask) = self.read(config, offset, Width::Word) {
            let _ = config.write(&self.bridge, offset, Width::Word, mask & !SURPRISE_DOWN);
        }
    }

    fn mask_offset(&self) -> Option<u16> {
        (self.bridge.aer_cap != 0).then(|| self.bridge.aer_cap.saturating_add(UNCORRECTABLE_MASK))
    }

    /// Releases and unmasks whatever may be asserted or masked.
    fn undo(&mut self, config: &impl ConfigSpace) {
        if let Step::Held(_) = self.step {
            let _ = self.release(config);
        }
        self.unmask(config);
    }

    /// A register's value; all ones are nobody's.
    fn read(&self, config: &impl ConfigSpace, offset: u16, width: Width) -> Result<u32, FirmwareError> {
        let value = config.read(&self.bridge, offset, width)?;
        if value == all_ones(width) { Err(unexpected(value)) } else { Ok(value) }
    }

    fn over(&mut self, outcome: Outcome) -> ResetPoll {
        self.step = Step::Over(outcome);
        answer(outcome)
    }

    pub(super) fn abandon(&mut self, config: &impl ConfigSpace) {
        if let Step::Over(_) = self.step {
            return;
        }
        self.undo(config);
        self.step = Step::Over(Err(given_up(name::CONFIG_WRITE)));
    }
}

fn unexpected(value: u32) -> FirmwareError {
    FirmwareError::Garbage { call: name::CONFIG_READ, code: i64::from(value) }
}

#[cfg(test)]
#[path = "bridge_tests.rs"]
mod tests;
