// SPDX-License-Identifier: GPL-2.0-or-later
//! Detection: is an all-ones read the end of a device, or of the slot?
//!
//! Takes no lock, and stores to no memory that CPUs share unless a freeze is found: flags first,
//! and for a PE that looks healthy one firmware call. Whoever finds a freeze first queues the report, and
//! takes the devices offline under the tree's lock.

use core::time::Duration;

use eeh_pe::{
    Counter, Detection, DeviceFlags, DeviceId, Glance, GlanceAt, Isolate, PeFlags, PeId, PeView, Registry,
    SlotName,
};

use crate::observe::{DeviceEvent, Event, FirmwareEvent, Observer, Subject, What};
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
    let check = check_failure_at_once(platform, registry, address, || context);
    check.unwrap_or_else(|| check_failure_at_length(platform, registry, address, context))
}

/// The same, where it takes some looking to tell the context: only what acts on it asks.
///
/// `None` when it takes a longer look: see [`check_failure_at_length`]. A caller that does that last has nothing to
/// keep over a call.
///
/// # Context
///
/// Any, as `context` says.
#[inline]
pub fn check_failure_at_once<P: Platform>(
    platform: &P,
    registry: &Registry<P::Env>,
    address: u64,
    context: impl FnOnce() -> Context,
) -> Option<Check> {
    match registry.glance_at(address) {
        GlanceAt::Device(glance) => Some(check(platform, registry, || glance, address, context)),
        GlanceAt::Nobody => {
            registry.stats().count(Counter::NoDevice);
            Some(Check::Unknown)
        }
        GlanceAt::Unsettled => None,
    }
}

/// The same for an address among many, or while some come or go.
///
/// # Context
///
/// Any, as `context` says.
#[cold]
#[inline(never)]
pub fn check_failure_at_length<P: Platform>(
    platform: &P,
    registry: &Registry<P::Env>,
    address: u64,
    context: Context,
) -> Check {
    match registry.glance_at_length(address) {
        Some(glance) => check(platform, registry, || glance, address, || context),
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
    check(platform, registry, || registry.glance(device), 0, || context)
}

/// The same by a device's short name, which is looked up on the way. C: `eeh_dev_check_failure`
///
/// # Context
///
/// Any, as `context` says.
#[inline]
pub fn dev_check_failure_named<P: Platform>(
    platform: &P,
    registry: &Registry<P::Env>,
    name: SlotName,
    context: impl FnOnce() -> Context,
) -> Check {
    check(platform, registry, || registry.glance_named(name), 0, context)
}

/// Known freezes and gone devices are answered here, with few loads and no call; the rest is out of line.
#[inline(always)]
fn check<'r, P: Platform>(
    platform: &P,
    registry: &'r Registry<P::Env>,
    glance: impl FnOnce() -> Option<Glance<'r, P::Env>>,
    address: u64,
    context: impl FnOnce() -> Context,
) -> Check {
    let stats = registry.stats().here();
    stats.count(Counter::TotalMmioFfs);
    if !platform.enabled() {
        return Check::Ignored;
    }
    let Some(glance) = glance() else {
        stats.count(Counter::StaleHandles);
        return if cfg!(eeh_mutant = "hazard_5_3_gone_has_failed") { Check::Known } else { Check::Unknown };
    };
    if glance.flags.contains(PeFlags::PASSED) {
        stats.count(Counter::IgnoredCheck);
        return Check::Ignored;
    }
    if glance.flags.contains(PeFlags::ISOLATED) || glance.device.contains(DeviceFlags::PERM_FAILURE) {
        if stats.count_isolated_read(glance.key()) && context() == Context::Normal {
            let one = glance;
            return runaway(platform, registry, &one);
        }
        return Check::Known;
    }
    if context() == Context::Nmi {
        return Check::Healthy;
    }
    // A copy, so that it is put together in memory here and nowhere before.
    let one = glance;
    ask(platform, registry, &one, address)
}

/// A PE that looks healthy: firmware decides. One call, which tells of a fenced PHB too.
#[cfg_attr(CONFIG_EEH_RUST, optimize(speed))]
#[inline(never)]
fn ask<P: Platform>(
    platform: &P,
    registry: &Registry<P::Env>,
    glance: &Glance<'_, P::Env>,
    address: u64,
) -> Check {
    // Before firmware is asked: a recovery that ends between its answer and our mark has dealt with
    // the freeze, and knows the report by its time.
    let ticks = platform.ticks();
    match platform.firmware().state_at(glance.firmware, glance.below_phb()) {
        Ok(FreezeState::Active) => {
            registry.stats().count_false_positive(glance.key());
            Check::Healthy
        }
        state => doubt(platform, registry, glance, state, (ticks, address)),
    }
}

/// Firmware did not say that all is well.
#[cold]
#[inline(never)]
fn doubt<P: Platform>(
    platform: &P,
    registry: &Registry<P::Env>,
    glance: &Glance<'_, P::Env>,
    state: Result<FreezeState, FirmwareError>,
    (ticks, address): (u64, u64),
) -> Check {
    let (device, pe) = glance.ids();
    let Some(pe) = registry.peek(pe) else {
        registry.stats().count(Counter::StaleHandles);
        return Check::Unknown;
    };
    let detection = Detection { at: platform.time_of(ticks), address };
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
    match isolate(platform, registry, frozen, detection) {
        Isolate::Won => {
            let now = detection.at;
            let tell = |subject, what| {
                platform.observer().event(now, &Event { phb: pe.phb, recovery: None, subject, what });
            };
            if let Some(error) = nonsense {
                tell(Subject::Phb, What::Firmware(FirmwareEvent::CallFailed(error)));
            }
            tell(subject_of(registry, device, &pe), What::Detected(state));
            platform.wake().wake(frozen.tree());
            Check::Found
        }
        Isolate::AlreadyIsolated => Check::Known,
        Isolate::Stale => Check::Unknown,
    }
}

/// The device in its PE, or the PE alone when the device went meanwhile.
fn subject_of<E: eeh_pe::Env>(registry: &Registry<E>, device: DeviceId, pe: &PeView) -> Subject {
    let bdf = registry.peek_device(device).map(|device| device.bdf);
    bdf.map_or(Subject::Pe(pe.number), |bdf| Subject::Device(bdf, pe.number))
}

/// Isolates a PE and queues its report; whoever wins wakes the worker. Its devices are offline from this
/// moment: a driver whose own timeout comes next leaves the device alone. C: `eeh_pe_mark_isolated`
pub(crate) fn isolate<P: Platform>(
    platform: &P,
    registry: &Registry<P::Env>,
    pe: PeId,
    detection: Detection,
) -> Isolate {
    let answer = registry.isolate_at(pe, detection);
    if answer == Isolate::Won {
        registry.stats().count(Counter::SlotResets);
        if let Some(tree) = registry.tree(pe.tree()) {
            tree.visit_reported(pe, |device| platform.core().set_channel_state(device, ChannelState::Frozen));
        }
    }
    answer
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
fn runaway<P: Platform>(platform: &P, registry: &Registry<P::Env>, glance: &Glance<'_, P::Env>) -> Check {
    let (device, pe) = glance.ids();
    let Some(device) = registry.peek_device(device) else { return Check::Known };
    let Some(pe) = registry.peek(pe) else { return Check::Known };
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
    if cfg!(eeh_mutant = "hazard_5_15_nobody_looks_again") {
        return true;
    }
    registry.peek_device(device).is_some_and(|view| {
        !view.flags.contains(DeviceFlags::LOCK_LOST)
            && !crate::worker::is_late(view.flags, handler)
            && crate::worker::may_hear(view.flags, handler)
    })
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
