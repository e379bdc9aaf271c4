// SPDX-License-Identifier: GPL-2.0-or-later
//! Bugs planted in the machine, one for each checker: a checker that does not see its own is none.

use core::future::Future as _;
use core::task::{Context, Waker};
use std::sync::Arc;

use eeh_pe::{Bdf, DeviceFlags, PeFlags, PeNumber};
use eeh_recovery::{ChannelState, Event, FreezeState, Handler, PciCore, Phase, Subject, What};

use super::check::Checker;
use super::plan::Plan;
use super::run::Evidence;
use crate::discipline;
use crate::drivers::Step;
use crate::engine::{Affected, Fault, Round};
use crate::hw::Stopped;
use crate::linux::{Call, SimDevice, SimLinux};

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
    /// Something is reported that never froze.
    Invented,
    /// A driver is not told of a freeze.
    Silence,
    /// Drivers are told in the wrong order.
    UpsideDown,
    /// A reset that is none.
    NotReset,
    /// A device is opened and nobody has asked for that.
    Opened,
    /// What froze in its owner's hands is thawed.
    Thawed,
    /// A virtual function has failed for good and stays.
    FailedVf,
    /// A virtual function is there that was switched off.
    LeftVf,
    /// A reference to a device that is there is never put.
    Reference,
    /// Hardware is asked under a tree's lock.
    UnderTree,
    /// An error handler is called under the lock of hotplug.
    UnderRescan,
    /// The framework reads a register of a stopped PE.
    Touch,
    /// A recovery is forgotten in the middle.
    Unended,
    /// A device keeps the mark of one that a recovery has removed.
    DeviceMark,
    /// A PHB is fenced and nobody is told.
    Fence,
    /// PERST is not released.
    Wire,
    /// A PE is kept in reset when all is given back.
    Kept,
    /// A virtual function is switched on and not there.
    MissingVf,
    /// A device is left offline.
    Offline,
}

impl Canary {
    /// All of them.
    pub const ALL: [Self; 34] = [
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
        Self::Invented,
        Self::Silence,
        Self::UpsideDown,
        Self::NotReset,
        Self::Opened,
        Self::Thawed,
        Self::FailedVf,
        Self::LeftVf,
        Self::Reference,
        Self::UnderTree,
        Self::UnderRescan,
        Self::Touch,
        Self::Unended,
        Self::DeviceMark,
        Self::Fence,
        Self::Wire,
        Self::Kept,
        Self::MissingVf,
        Self::Offline,
    ];

    /// Who must see it, and what part of what it says.
    #[must_use]
    pub const fn seen_by(self) -> (Checker, &'static str) {
        match self {
            Self::NeverAtRest => (Checker::Liveness, "part does not come to rest"),
            Self::Unended => (Checker::Liveness, "never ended"),
            Self::Hang => (Checker::Deadlock, "wait for ever"),
            Self::Mark => (Checker::Marks, " PE "),
            Self::DeviceMark => (Checker::Marks, " keeps DeviceFlags("),
            Self::Freeze => (Checker::Frozen, " PE "),
            Self::Fence => (Checker::Frozen, "is fenced"),
            Self::Reset => (Checker::Resets, "asserted: "),
            Self::Wire => (Checker::Resets, " resets asserted"),
            Self::Hold => (Checker::Orphans, ""),
            Self::Forget => (Checker::Tree, " devices in the tree"),
            Self::Addresses => (Checker::Addresses, " leads to "),
            Self::Interrupt => (Checker::Interrupts, ": depth "),
            Self::Again => (Checker::Order, " after "),
            Self::TooLate => (Checker::Removed, " is gone, and its driver's "),
            Self::Twice => (Checker::Once, " is reported again at "),
            Self::Invented => (Checker::Once, " never froze"),
            Self::GivesUp => (Checker::Reason, " for no reason"),
            Self::Amnesia => (Checker::Works, "forgotten"),
            Self::Offline => (Checker::Works, ": its channel is "),
            Self::Chance => (Checker::Determinism, ", then "),
            Self::Silence | Self::UpsideDown => (Checker::Told, ""),
            Self::NotReset => (Checker::Real, ""),
            Self::Opened => (Checker::Owners, " is open "),
            Self::Thawed => (Checker::Owners, " in its owner's hands"),
            Self::Kept => (Checker::Owners, " when all is given back"),
            Self::FailedVf => (Checker::Vfs, " has failed for good and stays"),
            Self::LeftVf => (Checker::Vfs, " is there, and its physical function has "),
            Self::MissingVf => (Checker::Vfs, " is switched on, and not there"),
            Self::Reference => (Checker::Ledger, " references, not "),
            Self::UnderTree | Self::UnderRescan => (Checker::Locks, ""),
            Self::Touch => (Checker::Mmio, ""),
        }
    }

    /// Plants what must be there before the run.
    pub(super) fn disturb(self, plan: &mut Plan) {
        if matches!(self, Self::FailedVf | Self::LeftVf | Self::MissingVf) {
            return plan.switch_on_functions();
        }
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
                evidence.run.events.push((at, event));
            }
            Self::Invented => {
                let detected = evidence.run.events.iter().find(|(_, e)| matches!(e.what, What::Detected(_)));
                let Some((at, event)) = detected.copied() else { return };
                let subject = Subject::Pe(PeNumber(0xdead));
                let what = What::Detected(FreezeState::Frozen);
                evidence.run.events.push((at, Event { subject, what, ..event }));
            }
            Self::Silence | Self::UpsideDown => self.mislead(evidence),
            Self::NotReset => evidence.kept.extend(evidence.came.first().copied()),
            Self::FailedVf | Self::LeftVf | Self::MissingVf => self.tamper_with_vf(linux),
            Self::Unended => {
                if let Some(recovery) = evidence.run.recoveries.first_mut() {
                    recovery.ended = None;
                }
            }
            Self::NeverAtRest | Self::Hang | Self::GivesUp | Self::Chance => {}
            Self::Mark
            | Self::Freeze
            | Self::Reset
            | Self::Hold
            | Self::Forget
            | Self::Addresses
            | Self::Interrupt
            | Self::Amnesia
            | Self::Opened
            | Self::Thawed
            | Self::Reference
            | Self::UnderTree
            | Self::UnderRescan
            | Self::DeviceMark
            | Self::Fence
            | Self::Wire
            | Self::Kept
            | Self::Offline
            | Self::Touch => {
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

    /// A call that a round has made is not made, or another is made before it.
    fn mislead(self, evidence: &mut Evidence<'_>) {
        let frozen = |round: &&mut Round| round.phase == Phase::ReportFrozen && !round.devices.is_empty();
        for round in evidence.run.rounds.iter_mut().filter(frozen) {
            let (from, to) = round.calls;
            let calls = evidence.calls.get_mut(from..to).unwrap_or_default();
            let told = |call: &&mut Call| {
                call.step == Step::ErrorDetected
                    && round.devices.iter().any(|d| d.booted && d.bdf == call.bdf)
            };
            let Some(call) = calls.iter_mut().find(told) else { continue };
            if self == Self::Silence {
                call.phb = u32::MAX;
            } else {
                // Another device of the round, behind this one, was told first.
                let behind = Affected { bdf: Bdf(0xffff), physfn: None, booted: true };
                let at = *call;
                round.devices.push(behind);
                *call = Call { bdf: behind.bdf, ..at };
                round.calls.1 += 1;
                let place = evidence.calls.iter().position(|call| call.bdf == behind.bdf).unwrap_or(0);
                evidence.calls.insert(place + 1, at);
            }
            return;
        }
    }

    fn tamper_with_vf(self, linux: &SimLinux) {
        let all = linux.phbs().into_iter().flat_map(|phb| phb.devices());
        let Some(vf) = all.into_iter().find(|device| device.identity().physfn.is_some()) else { return };
        let Some((id, phb)) = vf.eeh().zip(vf.phb()) else { return };
        if self == Self::MissingVf {
            // Nobody is at it: it takes time only.
            let _ = linux.virtual_time().map(|time| time.run(linux.remove(vf.phb_number(), vf.bdf())));
        } else if self == Self::LeftVf {
            if let Some(pf) = vf.identity().physfn.and_then(|pf| phb.device(pf)) {
                pf.set_vfs(0);
            }
        } else if let Some(tree) = linux.registry().tree(id.tree()) {
            let _ = tree.lock().change_device(id, DeviceFlags::PERM_FAILURE, DeviceFlags::empty());
        }
    }

    fn tamper_with(self, evidence: &mut Evidence<'_>, device: &Arc<SimDevice>) {
        let linux = evidence.linux;
        let Some(id) = device.eeh() else { return };
        let pe = linux.registry().peek_device(id).and_then(|view| linux.registry().get(view.pe));
        let (Some(tree), Some(pe)) = (linux.registry().tree(id.tree()), pe) else { return };
        let Some(hardware) = linux.hardware(device.phb_number()) else { return };
        let registers = device.identity().bars.iter().find(|bar| !bar.io);
        match self {
            Self::Mark => drop(tree.lock().mark_subtree(pe.id(), PeFlags::RECOVERING)),
            Self::DeviceMark => {
                let _ = tree.lock().change_device(id, DeviceFlags::DISCONNECTED, DeviceFlags::empty());
            }
            Self::Kept => drop(tree.lock().mark_subtree(pe.id(), PeFlags::RESET)),
            Self::Offline => linux.set_channel_state(device, ChannelState::Frozen),
            Self::Fence => hardware.fence(),
            Self::Wire => hardware.perst(true),
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
            Self::Opened => {
                let _ = tree.lock().open_device(id);
            }
            Self::Thawed => {
                let _ = tree.lock().open_device(id);
                evidence.account.open_at_boot(device, id, pe.id());
                hardware.freeze(pe.number().0);
                hardware.release(pe.number().0, Stopped::ALL);
            }
            Self::Reference => core::mem::forget(linux.registry().get_device(id)),
            Self::UnderTree => {
                let guard = tree.lock();
                let _ = hardware.config_read(device.bdf(), 0, 4);
                drop(guard);
            }
            Self::UnderRescan => call_under_rescan(linux, id, device),
            Self::Touch => {
                hardware.freeze(pe.number().0);
                if let Some(bar) = registers {
                    let _ = hardware.read32(bar.start);
                }
            }
            Self::Invented
            | Self::Silence
            | Self::UpsideDown
            | Self::NotReset
            | Self::FailedVf
            | Self::LeftVf
            | Self::MissingVf
            | Self::Unended
            | Self::NeverAtRest
            | Self::Hang
            | Self::Again
            | Self::TooLate
            | Self::Twice
            | Self::GivesUp
            | Self::Chance => {}
        }
    }
}

/// A task takes the lock of hotplug, and calls an error handler.
fn call_under_rescan(linux: &SimLinux, id: eeh_pe::DeviceId, device: &Arc<SimDevice>) {
    discipline::set_task(Some(u64::MAX));
    let held = linux.rescan_lock().try_lock();
    let mut call = Box::pin(linux.call(id, device, Handler::Resume));
    let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    drop(call);
    drop(held);
    discipline::set_task(None);
}

fn device_irq(linux: &SimLinux, device: &Arc<SimDevice>) {
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
