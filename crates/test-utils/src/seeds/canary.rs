// SPDX-License-Identifier: GPL-2.0-or-later
//! Bugs planted in the machine, one for each checker: a checker that does not see its own is none.

use std::sync::Arc;

use eeh_pe::PeFlags;
use eeh_recovery::{Observer, PciCore, What};

use super::check::Checker;
use super::plan::Plan;
use super::run::Evidence;
use crate::drivers::Step;
use crate::engine::Fault;
use crate::linux::{Call, SimDevice};

/// A planted bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Canary {
    /// Something is still to come when time is up.
    NeverAtRest,
    /// A driver hangs that nobody knows of.
    Hang,
    /// A PE keeps RECOVERING.
    Mark,
    /// A PE freezes and nobody is told.
    Freeze,
    /// A reset is not released.
    Reset,
    /// A removed device is held for ever.
    Hold,
    /// A device is taken out of the tree behind Linux's back.
    Forget,
    /// A device's addresses are forgotten.
    Addresses,
    /// An interrupt is disabled once too often.
    Interrupt,
    /// `slot_reset` is delivered twice.
    Again,
    /// A handler is called after the device was removed.
    TooLate,
    /// A freeze is reported twice.
    Twice,
    /// A driver gives up that nobody expects to.
    GivesUp,
    /// A device forgets its settings.
    Amnesia,
    /// Chance that does not come from the seed.
    Chance,
}

impl Canary {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::NeverAtRest,
        Self::Hang,
        Self::Mark,
        Self::Freeze,
        Self::Reset,
        Self::Hold,
        Self::Forget,
        Self::Addresses,
        Self::Interrupt,
        Self::Again,
        Self::TooLate,
        Self::Twice,
        Self::GivesUp,
        Self::Amnesia,
        Self::Chance,
    ];

    /// Who must see it.
    #[must_use]
    pub const fn seen_by(self) -> Checker {
        match self {
            Self::NeverAtRest => Checker::Liveness,
            Self::Hang => Checker::Deadlock,
            Self::Mark => Checker::Marks,
            Self::Freeze => Checker::Frozen,
            Self::Reset => Checker::Resets,
            Self::Hold => Checker::Orphans,
            Self::Forget => Checker::Tree,
            Self::Addresses => Checker::Addresses,
            Self::Interrupt => Checker::Interrupts,
            Self::Again => Checker::Order,
            Self::TooLate => Checker::Removed,
            Self::Twice => Checker::Once,
            Self::GivesUp => Checker::Reason,
            Self::Amnesia => Checker::Works,
            Self::Chance => Checker::Determinism,
        }
    }

    /// Plants what must be there before the run.
    pub(super) fn disturb(self, plan: &mut Plan) {
        let words = if self == Self::Hang {
            "aware,hang=error_detected"
        } else if self == Self::GivesUp {
            "aware,disconnect"
        } else {
            return;
        };
        // The device that the first fault breaks.
        let Some((_, Fault::Break(phb, bdf))) = plan.timed.first() else { return };
        if let Ok(temperament) = words.parse() {
            let at = crate::topology::PciAddress { phb: *phb, bdf: *bdf };
            plan.options.temperaments.insert(at, temperament);
        }
    }
}

impl Canary {
    /// Plants what must be there when the run is over.
    pub(super) fn tamper(self, evidence: &mut Evidence<'_>) {
        let linux = evidence.linux;
        match self {
            Self::Again => self.repeat(evidence, Step::SlotReset, false),
            Self::TooLate => self.repeat(evidence, Step::Resume, true),
            Self::Twice => {
                let detected = evidence.run.events.iter().find(|(_, e)| matches!(e.what, What::Detected(_)));
                let Some((at, event)) = detected.copied() else { return };
                // Probes excuse some reports, so many are needed.
                for _ in 0..100 {
                    linux.watcher().event(at, &event);
                }
                evidence.run.events.extend(linux.watcher().take_record());
            }
            Self::NeverAtRest | Self::Hang | Self::GivesUp | Self::Chance => {}
            Self::Mark
            | Self::Freeze
            | Self::Reset
            | Self::Hold
            | Self::Forget
            | Self::Addresses
            | Self::Interrupt
            | Self::Amnesia => {
                if let Some(device) = any_device(evidence) {
                    self.tamper_with(evidence, &device);
                }
            }
        }
    }

    /// The call of `step` that was noted last is made once more.
    fn repeat(self, evidence: &mut Evidence<'_>, step: Step, gone: bool) {
        let Some(at) = evidence.calls.iter().rposition(|call| call.step == step) else { return };
        let Some(call) = evidence.calls.get(at).copied() else { return };
        evidence.calls.insert(at + 1, Call { gone, ..call });
    }

    fn tamper_with(self, evidence: &Evidence<'_>, device: &Arc<SimDevice>) {
        let linux = evidence.linux;
        let Some(id) = device.eeh() else { return };
        let pe = linux.registry().peek_device(id).and_then(|view| linux.registry().get(view.pe));
        let (Some(tree), Some(pe)) = (linux.registry().tree(id.tree()), pe) else { return };
        let Some(hardware) = linux.hardware(device.phb_number()) else { return };
        let registers = device.identity().bars.iter().find(|bar| !bar.io);
        match self {
            Self::Mark => drop(tree.lock().mark_subtree(pe.id(), PeFlags::RECOVERING)),
            Self::Freeze => drop(hardware.freeze(pe.number().0)),
            Self::Reset => {
                let Some(bridge) = device.phb().and_then(|phb| phb.bridge_to(device.bdf().bus())) else {
                    return;
                };
                // Secondary Bus Reset, in the upper half of the word at 0x3c.
                let control = hardware.config_read(bridge.bdf(), 0x3e, 2).unwrap_or(0);
                let _ = hardware.config_write(bridge.bdf(), 0x3e, 2, control | 0x40);
            }
            Self::Hold => {
                core::mem::forget(linux.registry().get_device(id));
                drop(tree.remove_device(id, linux.now()));
            }
            Self::Forget => drop(tree.remove_device(id, linux.now())),
            Self::Addresses => {
                tree.map().remove_device(id);
            }
            Self::Interrupt => device_irq(linux, device),
            Self::Amnesia => {
                if let Some(bar) = registers {
                    hardware.write32(bar.start, 0x0bad);
                }
            }
            Self::NeverAtRest
            | Self::Hang
            | Self::Again
            | Self::TooLate
            | Self::Twice
            | Self::GivesUp
            | Self::Chance => {}
        }
    }
}

fn device_irq(linux: &crate::linux::SimLinux, device: &Arc<SimDevice>) {
    linux.enable_irq(device);
}

/// A device that works, with registers and a driver.
fn any_device(evidence: &Evidence<'_>) -> Option<Arc<SimDevice>> {
    let all = evidence.linux.phbs().into_iter().flat_map(|phb| phb.devices());
    let mut good = all.filter(|d| {
        d.driver().is_some()
            && d.identity().bars.iter().any(|bar| !bar.io)
            && evidence.linux.works(d.phb_number(), d.bdf()).is_ok()
    });
    good.next()
}
