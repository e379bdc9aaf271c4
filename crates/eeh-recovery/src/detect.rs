// SPDX-License-Identifier: GPL-2.0-or-later
//! Detection: is an all-ones read the end of a device, or of the slot?
//!
//! Takes no lock, and stores to no memory that CPUs share unless a freeze is found: flags first,
//! and for a PE that looks healthy one firmware call. Whoever finds a freeze first queues the report, and
//! takes the devices offline under the tree's lock.

use core::time::Duration;

use eeh_pe::{
    Counter, Detection, DeviceFlags, DeviceId, DeviceView, Isolate, PeFlags, PeId, PeView, Registry,
};

use crate::observe::{DeviceEvent, Event, FirmwareEvent, Observer, Subject, What};
use crate::targets::pe_target_of_view;
use crate::{ChannelState, FirmwareError, FreezeState, PciCore, Platform, SlotState, Wake};

/// Where a check is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Context {
    /// Task, softirq or hard interrupt, also with interrupts off and raw spinlocks held.
    Normal,
    /// NMI, crash or debugger: flags answer, because firmware refuses re-entry.
    Nmi,
}

/// What a check found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[must_use]
pub enum Check {
    /// No device of ours has the address, or the device is gone.
    Unknown,
    /// EEH is off, or the PE belongs to a guest: not ours to judge.
    Ignored,
    /// The slot works: the device really answered all ones.
    Healthy,
    /// The slot is frozen and this check was the first to see it.
    Found,
    /// The slot is frozen, which is known.
    Known,
}

impl Check {
    /// Whether the read failed because of a freeze. C: the return value of `eeh_check_failure`
    #[must_use]
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Found | Self::Known => true,
            Self::Unknown | Self::Ignored | Self::Healthy => false,
        }
    }
}

/// Checks the device that decodes a CPU address. C: `eeh_check_failure`
///
/// # Context
///
/// Any, as `context` says.
#[inline]
pub fn check_failure<P: Platform>(
    platform: &P,
    registry: &Registry<P::Env>,
    address: u64,
    context: Context,
) -> Check {
    match registry.lookup(address) {
        Some(device) => check(platform, registry, device, address, context),
        None => {
            registry.stats().count(Counter::NoDevice);
            Check::Unknown
        }
    }
}

/// Checks a device. C: `eeh_dev_check_failure`
///
/// # Context
///
/// Any, as `context` says.
#[inline]
pub fn dev_check_failure<P: Platform>(
    platform: &P,
    registry: &Registry<P::Env>,
    device: DeviceId,
    context: Context,
) -> Check {
    check(platform, registry, device, 0, context)
}

/// Known freezes and gone devices are answered here, with few loads; the rest is out of line.
#[inline(always)]
fn check<P: Platform>(
    platform: &P,
    registry: &Registry<P::Env>,
    device: DeviceId,
    address: u64,
    context: Context,
) -> Check {
    let stats = registry.stats().here();
    stats.count(Counter::TotalMmioFfs);
    if !platform.enabled() {
        return Check::Ignored;
    }
    let Some(glance) = registry.glance(device) else {
        stats.count(Counter::StaleHandles);
        return if cfg!(eeh_mutant = "hazard_5_3_gone_has_failed") { Check::Known } else { Check::Unknown };
    };
    if glance.flags.contains(PeFlags::PASSED) {
        stats.count(Counter::IgnoredCheck);
        return Check::Ignored;
    }
    if glance.flags.contains(PeFlags::ISOLATED) || glance.device.contains(DeviceFlags::PERM_FAILURE) {
        if stats.count_isolated_read(glance.pe) && context == Context::Normal {
            return runaway(platform, registry, device);
        }
        return Check::Known;
    }
    if context == Context::Nmi {
        return Check::Healthy;
    }
    ask(platform, registry, device, address)
}

/// A PE that looks healthy: firmware decides. One call, which tells of a fenced PHB too.
#[inline(never)]
fn ask<P: Platform>(platform: &P, registry: &Registry<P::Env>, device: DeviceId, address: u64) -> Check {
    let Some((device, pe)) = look(registry, device) else {
        registry.stats().count(Counter::StaleHandles);
        return Check::Unknown;
    };
    // Before firmware is asked: a recovery that ends between its answer and our mark has dealt with
    // the freeze, and knows the report by its time.
    let now = platform.now();
    let state = platform.firmware().state(&pe_target_of_view(&pe));
    let nonsense = state.err();
    let isolated = match state {
        // What firmware says makes no sense: the worker asks again, with the PE safe meanwhile.
        Err(FirmwareError::Garbage { .. }) => {
            Some((pe.id, FreezeState::Unavailable { wait: Duration::ZERO }))
        }
        // Firmware that cannot tell has not told of a freeze.
        Err(_) | Ok(FreezeState::Active) => None,
        Ok(FreezeState::PhbFenced) => Some((phb_of(registry, &pe), FreezeState::PhbFenced)),
        // "Temporarily unavailable" and "not supported" are for the worker to sort out.
        Ok(
            state @ (FreezeState::MmioFrozen
            | FreezeState::DmaFrozen
            | FreezeState::Frozen
            | FreezeState::InReset
            | FreezeState::Unavailable { .. }
            | FreezeState::NotSupported),
        ) => Some((pe.id, state)),
    };
    let Some((frozen, state)) = isolated else {
        registry.stats().count_false_positive(pe.id);
        return Check::Healthy;
    };
    match registry.isolate_at(frozen, Detection { at: now, address }) {
        Isolate::Won => {
            registry.stats().count(Counter::SlotResets);
            go_offline(platform, registry, frozen);
            let subject = Subject::Device(device.bdf, pe.number);
            let tell = |subject, what| {
                platform.observer().event(now, &Event { phb: pe.phb, recovery: None, subject, what });
            };
            if let Some(error) = nonsense {
                tell(Subject::Phb, What::Firmware(FirmwareEvent::CallFailed(error)));
            }
            tell(subject, What::Detected(state));
            platform.wake().wake(frozen.tree());
            Check::Found
        }
        Isolate::AlreadyIsolated => Check::Known,
        Isolate::Stale => Check::Unknown,
    }
}

/// The devices of a PE that was just isolated are offline from this moment: a driver whose own timeout
/// comes next leaves the device alone. C: `eeh_pe_mark_isolated`
pub(crate) fn go_offline<P: Platform>(platform: &P, registry: &Registry<P::Env>, pe: PeId) {
    if let Some(tree) = registry.tree(pe.tree()) {
        tree.visit_reported(pe, |device| platform.core().set_channel_state(device, ChannelState::Frozen));
    }
}

/// A device and its PE.
fn look<E: eeh_pe::Env>(registry: &Registry<E>, device: DeviceId) -> Option<(DeviceView, PeView)> {
    let device = registry.peek_device(device)?;
    Some((device, registry.peek(device.pe)?))
}

/// The PHB's own PE.
pub(crate) fn phb_of<E: eeh_pe::Env>(registry: &Registry<E>, pe: &PeView) -> PeId {
    let mut at = *pe;
    while let Some(parent) = at.parent.and_then(|parent| registry.peek(parent)) {
        at = parent;
    }
    at.id
}

/// A driver does nothing but read from a frozen device.
#[cold]
#[inline(never)]
fn runaway<P: Platform>(platform: &P, registry: &Registry<P::Env>, device: DeviceId) -> Check {
    let Some((device, pe)) = look(registry, device) else { return Check::Known };
    let what = What::Device(DeviceEvent::Runaway { reads: eeh_pe::RUNAWAY_READS });
    let subject = Subject::Device(device.bdf, pe.number);
    let event = Event { phb: pe.phb, recovery: None, subject, what };
    platform.observer().event(platform.now(), &event);
    Check::Known
}

/// Queues a recovery of a PE whatever its state, and wakes the worker. C: `eeh_force_recover`
///
/// # Context
///
/// Any but NMI.
pub fn force_recover<P: Platform>(platform: &P, registry: &Registry<P::Env>, pe: PeId) -> eeh_pe::Report {
    let report = registry.report_at(pe, Detection { at: platform.now(), address: 0 });
    platform.wake().wake(pe.tree());
    report
}

/// Whether a helper may call `handler` of a device's driver: asked under the `device_lock`, so that a
/// driver that was bound since the worker looked is not told of what it has not begun.
///
/// # Context
///
/// Any.
#[must_use]
pub fn may_call<E: eeh_pe::Env>(registry: &Registry<E>, device: DeviceId, handler: crate::Handler) -> bool {
    let never = DeviceFlags::LOCK_LOST | DeviceFlags::NO_HANDLER;
    if cfg!(eeh_mutant = "hazard_5_15_nobody_looks_again") {
        return true;
    }
    registry
        .peek_device(device)
        .is_some_and(|view| !view.flags.intersects(never) && crate::worker::may_hear(view.flags, handler))
}

/// A driver was bound to a device: what the driver before it heard does not count. Called under the
/// `device_lock`.
///
/// # Context
///
/// A task; takes the tree's lock.
pub fn driver_bound<E: eeh_pe::Env>(registry: &Registry<E>, device: DeviceId) {
    let Some(tree) = registry.tree(device.tree()) else { return };
    let mut guard = tree.lock();
    // In one hold of the lock, as a recovery ends: or the flag would outlive the recovery.
    let pe = guard.device(device).and_then(|device| device.pe());
    let late = pe.is_some_and(|pe| pe.flags().contains(PeFlags::RECOVERING));
    let set = if late { DeviceFlags::NO_HANDLER } else { DeviceFlags::empty() };
    let _ = guard.change_device(device, set, DeviceFlags::IN_ERROR);
}
