// SPDX-License-Identifier: GPL-2.0-or-later
//! The machine's actions, as far as they are done at once.

use core::iter;

use eeh_pe::{
    Bdf, DeviceFlags, DeviceHold, DeviceId, DeviceWalk, Env, Passed, PeFlags, PeHold, PeId, PeNumber, PeType,
    PeView, Time, Walk,
};

use super::{Active, Worker};
use crate::ask::Ask;
use crate::config_space::{dump, restore};
use crate::machine::{Action, Input, Mark, thawed};
use crate::observe::{DeviceEvent, FirmwareEvent, RecoveryId, Step, Subject, What};
use crate::targets::{device_target, pe_target_of_view};
use crate::{
    ChannelState, ConfigurePoll, DeviceTarget, ErrorLog, FirmwareError, FreezeState, Location, PciCore,
    PeTarget, Platform, Severity, SlotControl, SlotState, Thaw,
};

/// Attempts to clear a freeze. C: `eeh_clear_pe_frozen_state`
const UNFREEZE_ATTEMPTS: u32 = 3;

/// Flags of a device that nothing is done to any more.
const BEYOND: DeviceFlags =
    DeviceFlags::REMOVED.union(DeviceFlags::PERM_FAILURE).union(DeviceFlags::LOCK_LOST);

/// What is done with each device.
type Each<'a, 'r, E> = dyn FnMut(&DeviceHold<'r, E>, <E as Env>::Device) + 'a;

impl<'r, P: Platform> Worker<'r, P> {
    /// Does the action, or starts the job that does it.
    pub(super) fn perform(&mut self, active: &mut Active<'r, P>, action: Action, now: Time) {
        if !matches!(action, Action::Configure | Action::Log { .. }) {
            // Left over from a phase that came to another end.
            active.configure = None;
        }
        let input = match action {
            Action::Open => self.open(active, now),
            Action::Channel { state, irq } => {
                self.set_channel(active, state);
                self.set_irq(active, irq);
                Input::Done
            }
            Action::Mark(mark) => self.mark(active, mark),
            Action::Query => self.query(active, &active.target, now),
            Action::Look => {
                let input = self.look(active, now);
                self.mark_again(active, input);
                input
            }
            Action::Log { permanent } => self.log(active, permanent, now),
            Action::Thaw(what) => self.thaw(active, what, now),
            Action::BeginReset { attempt } => self.begin_reset(active, attempt, now),
            Action::PollReset => self.poll_reset(active, now),
            Action::Link { bus } => self.link(active, bus, now),
            Action::Configure => self.configure(active, now),
            Action::Ready(device) => self.ready(active, device, now),
            Action::Restore(device) => self.restore(active, device, now),
            Action::Unfreeze => self.unfreeze(active, now),
            Action::SaveState => self.save_state(active, now),
            Action::RestoreState => self.restore_state(active),
            Action::Release => self.release(active, now),
            Action::Presence(_)
            | Action::Attention(_)
            | Action::Call(..)
            | Action::Remove { .. }
            | Action::RemoveBus
            | Action::AddVf(_)
            | Action::AddBus => return self.start_job(active, action, now),
        };
        let _ = active.machine.handle(input, now);
    }

    /// Calls `each` for each device of the PE and below it, without the lock.
    pub(super) fn for_each(
        &self,
        active: &Active<'r, P>,
        mut each: impl FnMut(&DeviceHold<'r, P::Env>, <P::Env as Env>::Device),
    ) {
        self.for_each_below(active.machine.root(), &mut each);
    }

    /// The same for any PE.
    pub(super) fn for_each_below(&self, root: &PeHold<'r, P::Env>, each: &mut Each<'_, 'r, P::Env>) {
        let Some(root) = root.try_clone() else { return };
        for device in DeviceWalk::new(root) {
            if let Some(platform) = device.platform() {
                each(&device, platform);
            }
        }
    }

    fn open(&self, active: &Active<'r, P>, now: Time) -> Input {
        let core = self.platform.core();
        let mut location = None;
        self.for_each(active, |_, device| {
            location.get_or_insert_with(|| core.location(&device));
        });
        let phb = core.phb_location(&self.phb);
        let step = if active.target.kind.contains(PeType::PHB) {
            Step::RecoveringPhb(phb)
        } else {
            Step::Recovering { pe: location.unwrap_or(Location::new("N/A")), phb }
        };
        self.tell(active, What::Step(step), now);
        let root = active.target.pe;
        let mut guard = self.tree.lock();
        guard.change_subtree_devices(root, DeviceFlags::empty(), DeviceFlags::NO_HANDLER);
        let count = guard.note_freeze(root, now);
        drop(guard);
        Input::Counted { count, max: self.platform.params().max_freezes }
    }

    /// Sets the channel state of the devices that still take part.
    pub(super) fn set_channel(&self, active: &Active<'r, P>, state: Option<ChannelState>) {
        let Some(state) = state else { return };
        let core = self.platform.core();
        self.for_each(active, |hold, device| {
            if !hold.flags().intersects(BEYOND) && !self.is_others(active, hold) {
                core.set_channel_state(&device, state);
            }
        });
    }

    /// Switches INTx, each way as often as the other: the flag remembers who owes an enable.
    fn set_irq(&self, active: &Active<'r, P>, on: bool) {
        let core = self.platform.core();
        self.for_each(active, |hold, device| {
            let off = hold.flags().contains(DeviceFlags::IRQ_DISABLED);
            if on && off {
                let _ = hold.clear(DeviceFlags::IRQ_DISABLED);
                core.enable_irq(&device);
            } else if !on && !off && !hold.flags().intersects(BEYOND) && !self.is_others(active, hold) {
                let bound = core.driver(&device).is_some();
                if bound && core.disable_irq(&device) {
                    let _ = hold.set(DeviceFlags::IRQ_DISABLED);
                }
            }
        });
    }

    fn mark(&self, active: &Active<'r, P>, mark: Mark) -> Input {
        let root = active.target.pe;
        let blocked = PeFlags::RESET | PeFlags::CFG_BLOCKED;
        let passed = if active.asked.is_some() { Passed::Include } else { Passed::Skip };
        if active.asked.is_some() {
            // Drivers are not told, nor shown.
        } else if mark == Mark::Healed {
            self.set_channel(active, Some(ChannelState::Normal));
        } else if mark == Mark::Failed {
            self.set_channel(active, Some(ChannelState::PermFailure));
        }
        let mut guard = self.tree.lock();
        match mark {
            Mark::Keep => {
                guard.mark_subtree(root, PeFlags::KEEP);
            }
            Mark::Block => {
                guard.mark_subtree(root, blocked);
            }
            Mark::Unblock => guard.clear_subtree(root, blocked, Passed::Include),
            Mark::Healed => guard.clear_subtree(root, PeFlags::ISOLATED, passed),
            Mark::Settled => {
                let clear = DeviceFlags::IN_ERROR | DeviceFlags::NO_HANDLER;
                guard.change_subtree_devices(root, DeviceFlags::empty(), clear);
            }
            Mark::Failed => {
                guard.clear_subtree(root, blocked | PeFlags::KEEP, Passed::Include);
                guard.mark_subtree(root, PeFlags::REMOVED);
                let failed = DeviceFlags::PERM_FAILURE | DeviceFlags::REMOVED;
                guard.change_subtree_devices(root, failed, DeviceFlags::IN_ERROR);
                guard.forget_freezes(root);
            }
        }
        Input::Done
    }

    /// The state of a PE. A fence of the whole PHB isolates that, whose recovery takes over.
    pub(super) fn query(&self, active: &Active<'r, P>, target: &PeTarget, now: Time) -> Input {
        let state = self.platform.firmware().state(target);
        if matches!(state, Ok(FreezeState::PhbFenced))
            && !active.target.kind.contains(PeType::PHB)
            && let Some(phb) = self.phb_pe()
        {
            let at = eeh_pe::Detection { at: now, address: 0 };
            let _ = self.tree.registry().isolate_at(phb.pe, at);
            return Input::Fenced;
        }
        match state {
            Ok(state) => Input::State(Some(state)),
            Err(error) => {
                self.tell_call(Some(active.id), error, now);
                Input::State(None)
            }
        }
    }

    /// Whether what is missing cannot be added because the PE has stopped again, or one above it. If its drivers have
    /// heard of this reset, or the reset is another's, the next recovery adds it back.
    fn look(&self, active: &Active<'r, P>, now: Time) -> Input {
        let registry = self.tree.registry();
        let target = active.target.pe;
        let Input::State(state) = self.query(active, &active.target, now) else { return Input::Fenced };
        let stopped = match state {
            Some(
                FreezeState::PhbFenced
                | FreezeState::Frozen
                | FreezeState::MmioFrozen
                | FreezeState::DmaFrozen
                | FreezeState::InReset
                | FreezeState::Unavailable { .. },
            ) => !self.is_passed(target),
            Some(FreezeState::Active | FreezeState::NotSupported) | None => false,
        };
        if stopped && active.machine.may_reset_again() {
            return Input::State(state);
        }
        if stopped && !active.machine.is_empty() {
            let _ = registry.isolate_at(target, eeh_pe::Detection { at: now, address: 0 });
            return Input::Fenced;
        }
        let above = |view: &PeView| view.parent.and_then(|parent| registry.peek(parent));
        let pending = PeFlags::PENDING | PeFlags::PASSED;
        let waits = |view: PeView| view.flags & pending == PeFlags::PENDING;
        if iter::successors(registry.peek(target), above).skip(1).any(waits) {
            Input::Fenced
        } else {
            Input::Done
        }
    }

    /// The reset that is made again is for who has frozen by now, too.
    fn mark_again(&mut self, active: &Active<'r, P>, looked: Input) {
        if matches!(looked, Input::State(_)) {
            self.tree.lock().mark_subtree(active.target.pe, PeFlags::ISOLATED);
            self.last = Some((active.target.pe, self.platform.now()));
        }
    }

    fn is_passed(&self, pe: PeId) -> bool {
        self.tree.registry().peek(pe).is_some_and(|view| view.flags.contains(PeFlags::PASSED))
    }

    fn thaw(&mut self, active: &Active<'r, P>, what: Thaw, now: Time) -> Input {
        let before = self.query(active, &active.target, now);
        if let Input::State(state) = before {
            if thawed(state, what) {
                return before;
            }
            // Of a PE that firmware knows nothing of, nothing is frozen.
            if active.asked.is_some() && matches!(state, Some(FreezeState::NotSupported)) {
                return Input::State(Some(FreezeState::Active));
            }
        } else {
            return before;
        }
        self.before_change(&active.target, now);
        self.for_each_pe(active, &mut |worker, pe| {
            let result = worker.platform.firmware().thaw(pe, what);
            worker.tell_failed(active, result, now);
            // Only the PE that was asked for: those below it may be others'.
            active.asked.is_none()
        });
        self.query(active, &active.target, now)
    }

    /// Calls `each` for the PE and each PE below it that is ours, without the lock, while it answers true.
    fn for_each_pe(&self, active: &Active<'r, P>, each: &mut dyn FnMut(&Self, &PeTarget) -> bool) {
        let Some(root) = active.machine.root().try_clone() else { return };
        for pe in Walk::new(root) {
            let view = self.tree.registry().peek(pe.id());
            // A PE that is passed through is its owner's to thaw.
            let hosts = |view: &PeView| active.asked.is_some() || !view.flags.contains(PeFlags::PASSED);
            let target = view.filter(hosts).map(|view| pe_target_of_view(&view));
            if target.is_some_and(|target| !each(self, &target)) {
                return;
            }
        }
    }

    /// Clears every freeze, and looks whether it is clear.
    fn unfreeze(&mut self, active: &Active<'r, P>, now: Time) -> Input {
        self.before_change(&active.target, now);
        self.tell_left_frozen(active, now);
        let mut answer = Input::State(Some(FreezeState::Active));
        self.for_each_pe(active, &mut |worker, pe| {
            for _ in 0..UNFREEZE_ATTEMPTS {
                let result = worker.platform.firmware().thaw(pe, Thaw::All);
                if !worker.tell_failed(active, result, now) {
                    break;
                }
            }
            answer = worker.query(active, pe, now);
            matches!(answer, Input::State(Some(FreezeState::Active)))
        });
        answer
    }

    /// C: `eeh_slot_error_detail`
    fn log(&mut self, active: &mut Active<'r, P>, permanent: bool, now: Time) -> Input {
        let firmware = self.platform.firmware();
        if permanent {
            // It may have worked again already. Firmware that gives it up now cuts it off: no news to anybody.
            self.tree.lock().mark_subtree(active.target.pe, PeFlags::ISOLATED);
        }
        if !active.target.kind.contains(PeType::PHB) && !active.dead {
            if active.configure.is_none() && (permanent || firmware.needs_mmio(&self.phb)) {
                self.before_change(&active.target, now);
                let result = firmware.thaw(&active.target, Thaw::Mmio);
                self.tell_failed(active, result, now);
            }
            let configured = self.configure(active, now);
            if !matches!(configured, Input::Done) {
                return configured;
            }
            self.log_devices(active, permanent, now);
        }
        if firmware.is_shared(&self.phb) {
            self.print_diag(Some(active.id), now);
        } else if !active.dead {
            let severity = if permanent { Severity::Permanent } else { Severity::Temporary };
            self.print_fetched(&active.target, severity, Some(active.id), now);
        }
        Input::Done
    }

    /// Begins to set bridges up, or goes on with it. What firmware refuses is told, and no reason to
    /// stop.
    fn configure(&self, active: &mut Active<'r, P>, now: Time) -> Input {
        let firmware = self.platform.firmware();
        let mut configure =
            active.configure.take().unwrap_or_else(|| firmware.begin_configure(&active.target));
        match firmware.poll_configure(&mut configure, now) {
            ConfigurePoll::Wait { until, why } => {
                active.configure = Some(configure);
                return Input::Later { until, why };
            }
            ConfigurePoll::Done => {}
            ConfigurePoll::Failed(error) => {
                self.tell_call(Some(active.id), error, now);
                if active.asked.is_some_and(|asked| matches!(asked.ask, Ask::Configure)) {
                    return Input::State(None);
                }
            }
        }
        Input::Done
    }

    /// Configuration space of each device, for the log and for firmware. When the PE is given up it is restored
    /// first, so that drivers can bring their device to rest; and where a partition's platform may have reset
    /// the PHB by itself, so that a recovery without a reset leaves no device without addresses.
    fn log_devices(&mut self, active: &Active<'r, P>, permanent: bool, now: Time) {
        let (platform, phb) = (self.platform, self.phb.number);
        let firmware = platform.firmware();
        let shared = firmware.is_shared(&self.phb);
        let restores = permanent || firmware.needs_mmio(&self.phb);
        if !shared {
            self.diag.forget_driver_log();
        }
        let Some(root) = active.machine.root().try_clone() else { return };
        for hold in DeviceWalk::new(root) {
            let Some((target, saved, pe)) = self.look_at(hold.id()) else { continue };
            if pe.1.contains(PeFlags::CFG_BLOCKED) && !permanent {
                continue;
            }
            let bridge = target.flags.contains(DeviceFlags::BRIDGE);
            if restores && is_saved(&saved) {
                let _ = restore(firmware, &target, bridge, &saved);
            }
            dump(firmware, &target, bridge, |line| {
                if !shared {
                    self.diag.note_for_firmware(&line, phb, target.bdf);
                }
                let what = What::Device(DeviceEvent::Config(line));
                self.tell_of(Some(active.id), Subject::Device(target.bdf, pe.0), what, now);
            });
        }
    }

    /// Copies of what is known of a live device: target, saved configuration space, its PE's number
    /// and flags.
    pub(super) fn look_at(&self, device: DeviceId) -> Option<(DeviceTarget, [u32; 16], (PeNumber, PeFlags))> {
        let guard = self.tree.lock();
        let device = guard.device(device)?;
        let pe = device.pe()?;
        Some((device_target(self.phb, device), *device.saved_config(), (pe.number(), pe.flags())))
    }

    /// Tells of a failed firmware call; whether it failed.
    pub(super) fn tell_failed(
        &self,
        active: &Active<'r, P>,
        result: Result<(), FirmwareError>,
        now: Time,
    ) -> bool {
        if let Err(error) = result {
            self.tell_call(Some(active.id), error, now);
        }
        result.is_err()
    }

    /// Tells of a failed firmware call; of nonsense that firmware tells again and again only once in a
    /// recovery.
    pub(super) fn tell_call(&self, recovery: Option<RecoveryId>, error: FirmwareError, now: Time) {
        if matches!(error, FirmwareError::Garbage { .. }) {
            let told = self.nonsense.get();
            if told.contains(&Some((recovery, error))) {
                return;
            }
            let [a, b, c, _] = told;
            self.nonsense.set([Some((recovery, error)), a, b, c]);
        }
        let what = What::Firmware(FirmwareEvent::CallFailed(error));
        self.tell_of(recovery, Subject::Phb, what, now);
    }

    pub(super) fn tell_device(
        &self,
        active: &Active<'r, P>,
        (bdf, pe): (Bdf, PeNumber),
        event: DeviceEvent,
        now: Time,
    ) {
        self.tell_of(Some(active.id), Subject::Device(bdf, pe), What::Device(event), now);
    }
}

/// Whether configuration space had been saved when it could be read.
pub(super) fn is_saved(saved: &[u32; 16]) -> bool {
    saved.first().is_some_and(|&id| id != 0 && id != u32::MAX)
}
