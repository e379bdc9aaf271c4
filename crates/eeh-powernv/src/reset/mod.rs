// SPDX-License-Identifier: GPL-2.0-or-later
//! Resets: where one is applied, and what all ways have in common. C: `pnv_eeh_reset`
//!
//! | point                                    | way                          | file       |
//! |------------------------------------------|------------------------------|------------|
//! | the PHB                                  | OPAL, complete               | `phb`      |
//! | below the root port                      | OPAL, hot or fundamental     | `root`     |
//! | below another bridge                     | the bridge's own register    | `bridge`   |
//! | the same, fundamental, where power is switched | OPAL, the bridge's slot | `bridge`   |
//! | a virtual function                       | its own registers            | `vf`       |
//!
//! An attempt asserts once, and releases once whatever becomes of it: a refused assertion, a failed
//! poll, a wait that never ends and an attempt that is given up included. It is done only when every
//! step was: the release alone proves nothing, firmware answers 0 to it in any case.

mod bridge;
mod firmware;
mod phb;
mod root;
mod vf;

use eeh_pe::{PeType, Time};
use eeh_recovery::{DeviceTarget, FirmwareError, PeTarget, ResetKind, ResetPoint, ResetPoll, Wait};

use crate::call::{done, name};
use crate::opal::{self, Opal, scope};
use crate::{PhbFacts, Phbs, PowerNv};

use self::bridge::BridgeReset;
use self::vf::FunctionReset;

pub use self::bridge::{HOLD, LINK_DOWN};
pub use self::firmware::LONGEST;
pub use self::vf::{FLR_SETTLE, PENDING_WAITS};

use self::firmware::FirmwareReset;

/// One reset attempt in progress.
#[derive(Debug)]
pub struct Reset {
    /// The PHB whose error injection registers are to be cleared first.
    disarm: Option<u64>,
    way: Way,
}

/// What an attempt does.
#[derive(Debug)]
enum Way {
    Firmware(FirmwareReset),
    Bridge(BridgeReset),
    Function(FunctionReset),
    /// A fundamental reset by firmware, if the bridge switches its slot's power.
    Slot(DeviceTarget),
    /// Nothing was asserted.
    Refused(FirmwareError),
}

/// A step of one of the ways, seen from outside.
type Outcome = Result<(), FirmwareError>;

const fn answer(outcome: Outcome) -> ResetPoll {
    match outcome {
        Ok(()) => ResetPoll::Done,
        Err(error) => ResetPoll::Failed(error),
    }
}

const fn wait(until: Time, why: Wait) -> ResetPoll {
    ResetPoll::Wait { until, why }
}

/// The bridge that is to be told is not known.
const NO_BRIDGE: FirmwareError = FirmwareError::Missing { call: "bridge above the PE" };

impl Reset {
    pub(crate) fn new(facts: Option<PhbFacts>, pe: &PeTarget, point: &ResetPoint, kind: ResetKind) -> Self {
        let phb = pe.phb.firmware;
        // A PHB's complete reset clears the registers by itself.
        let whole = pe.kind.contains(PeType::PHB) || *point == ResetPoint::Phb;
        let keeps = facts.is_some_and(|facts| facts.model.keeps_injected_error());
        let way = match *point {
            _ if whole => Way::Firmware(phb::complete(phb)),
            ResetPoint::Phb | ResetPoint::RootBus => Way::Firmware(root::reset(phb, kind)),
            ResetPoint::Bridge(device) => bridge::choose(phb, device, kind),
            ResetPoint::Function(device) => Way::Function(FunctionReset::new(device)),
            ResetPoint::Unknown => Way::Refused(NO_BRIDGE),
        };
        Self { disarm: (keeps && !whole).then_some(phb), way }
    }

    pub(crate) fn poll<O: Opal, P: Phbs>(&mut self, back: &PowerNv<O, P>, now: Time) -> ResetPoll {
        if let Some(phb) = self.disarm.take()
            && let Err(error) = disarm(&back.opal, phb)
        {
            self.way = Way::Refused(error);
        }
        match &mut self.way {
            Way::Firmware(reset) => reset.poll(&back.opal, now),
            Way::Bridge(reset) => reset.poll(back, now),
            Way::Function(reset) => reset.poll(back, now),
            Way::Slot(bridge) => {
                self.way = bridge::settle(back, *bridge);
                self.poll(back, now)
            }
            Way::Refused(error) => ResetPoll::Failed(*error),
        }
    }

    pub(crate) fn abandon<O: Opal, P: Phbs>(&mut self, back: &PowerNv<O, P>) {
        match &mut self.way {
            Way::Firmware(reset) => reset.abandon(&back.opal),
            Way::Bridge(reset) => reset.abandon(back),
            Way::Function(reset) => reset.abandon(),
            Way::Slot(_) => self.way = Way::Refused(given_up(name::RESET)),
            Way::Refused(_) => {}
        }
        self.disarm = None;
    }
}

/// Clears the PHB's error injection registers: on P7IOC an injected error stays armed after it hit,
/// and would freeze the PE again during its recovery. Asserts nothing on the bus.
fn disarm(opal: &impl Opal, phb: u64) -> Outcome {
    done(name::RESET, opal.pci_reset(phb, scope::PHB_ERROR, opal::reset::ASSERT))
}

/// Given up before its end.
const fn given_up(call: &'static str) -> FirmwareError {
    FirmwareError::Unfinished { call }
}

/// The slot of a bridge.
const fn slot(phb: u64, device: &DeviceTarget) -> u64 {
    opal::slot_id(phb, device.bdf.0)
}

#[cfg(test)]
#[path = "reset_tests.rs"]
mod tests;
