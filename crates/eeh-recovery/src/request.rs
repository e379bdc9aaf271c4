// SPDX-License-Identifier: GPL-2.0-or-later
//! Asking a PHB's worker, and waiting for it: as steps, like everything here that takes time.

use core::time::Duration;

use eeh_pe::{
    DeviceId, Opened, PeFlags, PeHold, PeId, Registry, RequestError, RequestId, RequestState, Time,
};

use crate::ask::{Ask, By};
use crate::passthrough::{Answer, is_hosts};
use crate::targets::pe_target_of_view;
use crate::{
    FreezeState, OwnerError, OwnerReset, PcieReset, Platform, SetOption, SlotControl, SlotState, Thaw, Wait,
    Wake, freeze, reads_as_state,
};

/// How often a caller looks whether it is answered.
const INTERVAL: Duration = Duration::from_millis(10);

/// What a request wants next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum RequestPoll {
    /// Poll again at `until`, or drop the request: a caller that is killed meanwhile does.
    Wait {
        /// When.
        until: Time,
        /// Why.
        why: Wait,
    },
    /// It is over.
    Done(Result<(), OwnerError>),
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Goal {
    /// Over before it began.
    Nothing(Result<(), OwnerError>),
    /// Something to do with a PE.
    Pe(PeId, Ask),
    /// The same, but only if the PE is marked isolated.
    IfIsolated(PeId, Ask),
    /// To own a device.
    Open(DeviceId),
}

/// Something asked of a PHB's worker: by an owner, a driver, or an administrator.
///
/// The caller polls it without any lock and sleeps in between. Dropping it is harmless at any point:
/// what has begun comes to its end without the caller, what has not will not begin.
///
/// While a recovery holds the worker up, it waits for [`Params::owner_wait`](crate::Params::owner_wait)
/// and is then [`OwnerError::Busy`]: a recovery may wait for the rescan lock, and whoever holds that
/// for the caller to end.
pub struct Request<'a, P: Platform> {
    platform: &'a P,
    registry: &'a Registry<P::Env>,
    goal: Goal,
    posted: Option<(PeHold<'a, P::Env>, RequestId)>,
    /// When it stops waiting for its turn.
    limit: Option<Time>,
}

impl<'a, P: Platform> Request<'a, P> {
    const fn new(platform: &'a P, registry: &'a Registry<P::Env>, goal: Goal) -> Self {
        Self { platform, registry, goal, posted: None, limit: None }
    }

    /// Opens a device: its PE is the caller's from then on, and detection leaves it alone. A frozen PE
    /// is thawed first, or reset where its card needs that. C: `eeh_dev_open`
    #[must_use]
    pub const fn open(platform: &'a P, registry: &'a Registry<P::Env>, device: DeviceId) -> Self {
        Self::new(platform, registry, Goal::Open(device))
    }

    /// Sets an option; [`SetOption::Freeze`] is done at once. C: `eeh_pe_set_option`
    #[must_use]
    pub fn set_option(platform: &'a P, registry: &'a Registry<P::Env>, pe: PeId, option: SetOption) -> Self {
        let goal = match option.ask() {
            Some(Ask::ChangeOwner) if !platform.enabled() => Goal::Nothing(Err(OwnerError::Failed)),
            Some(ask) => Goal::Pe(pe, ask),
            None if option == SetOption::Freeze => Goal::Nothing(freeze(platform, registry, pe)),
            None => Goal::Nothing(Ok(())),
        };
        Self::new(platform, registry, goal)
    }

    /// Resets a PE, or lets it go. C: `eeh_pe_reset`
    #[must_use]
    pub fn reset(platform: &'a P, registry: &'a Registry<P::Env>, pe: PeId, reset: OwnerReset) -> Self {
        let ask = reset.kind().map_or(Ask::Deassert(By::Owner), |kind| Ask::Reset(kind, By::Owner));
        Self::new(platform, registry, Goal::Pe(pe, ask))
    }

    /// Sets bridges up after a reset, where firmware does that. C: `eeh_pe_configure`
    #[must_use]
    pub const fn configure(platform: &'a P, registry: &'a Registry<P::Env>, pe: PeId) -> Self {
        Self::new(platform, registry, Goal::Pe(pe, Ask::Configure))
    }

    /// Thaws a PE, in hardware and in its marks: a freeze that comes later is found again (hazard
    /// 5.16). C: `eeh_unfreeze_pe`
    #[must_use]
    pub const fn unfreeze(platform: &'a P, registry: &'a Registry<P::Env>, pe: PeId) -> Self {
        Self::new(platform, registry, Goal::Pe(pe, Ask::Thaw(Thaw::All)))
    }

    /// Resets a PE and restores its devices, without their drivers. C: `eeh_pe_reset_and_recover`
    #[must_use]
    pub const fn reset_and_recover(platform: &'a P, registry: &'a Registry<P::Env>, pe: PeId) -> Self {
        Self::new(platform, registry, Goal::Pe(pe, Ask::ResetAndRecover))
    }

    /// A driver resets the slot of its device, or ends that reset. The other devices of the slot are
    /// saved and restored for it. C: `pcibios_set_pcie_reset_state`
    #[must_use]
    pub fn pcie_reset(
        platform: &'a P,
        registry: &'a Registry<P::Env>,
        device: DeviceId,
        reset: PcieReset,
    ) -> Self {
        let goal = match registry.peek_device(device) {
            None => Goal::Nothing(Err(OwnerError::Gone)),
            Some(view) => Goal::Pe(view.pe, reset.ask(By::Driver(view.bdf))),
        };
        Self::new(platform, registry, goal)
    }

    /// An administrator writes a device's `eeh_pe_state`: a PE that is isolated is thawed, any other
    /// is left alone. What is not a state's text is refused and changes nothing, and a recovery is
    /// never interfered with (hazard 5.18). C: `eeh_pe_state_store`
    #[must_use]
    pub fn write_state(
        platform: &'a P,
        registry: &'a Registry<P::Env>,
        device: DeviceId,
        text: &[u8],
    ) -> Self {
        let goal = match registry.peek_device(device) {
            None => Goal::Nothing(Err(OwnerError::Gone)),
            Some(_) if !reads_as_state(text) => Goal::Nothing(Err(OwnerError::Invalid)),
            Some(view) => Goal::IfIsolated(view.pe, Ask::Thaw(Thaw::All)),
        };
        Self::new(platform, registry, goal)
    }

    /// Moves it on.
    ///
    /// # Context
    ///
    /// A task, without any lock; takes the tree's lock and never waits.
    pub fn poll(&mut self, now: Time) -> RequestPoll {
        let limit = *self.limit.get_or_insert_with(|| now.after(self.platform.params().owner_wait));
        let Some((pe, id)) = self.posted.as_ref().map(|(hold, id)| (hold.id(), *id)) else {
            return self.begin(now, limit);
        };
        match self.state(pe, id) {
            RequestState::Waiting if now >= limit => self.done(Err(OwnerError::Busy)),
            RequestState::Waiting | RequestState::Begun => wait(now),
            RequestState::Gone => self.done(Err(OwnerError::Gone)),
            RequestState::Answered(code) => {
                self.posted = None;
                self.answered(Answer::decode(code), now, limit)
            }
        }
    }

    fn answered(&mut self, answer: Answer, now: Time, limit: Time) -> RequestPoll {
        match (answer, self.goal) {
            (Answer::Done, Goal::Open(device)) => self.own(device, now, limit),
            (Answer::Done, _) => self.done(Ok(())),
            (Answer::Failed, _) => self.done(Err(OwnerError::Failed)),
            (Answer::Gone, _) => self.done(Err(OwnerError::Gone)),
            (Answer::Busy, _) => self.later(now, limit),
        }
    }

    /// Posts what is asked, if anything has to be done.
    fn begin(&mut self, now: Time, limit: Time) -> RequestPoll {
        match self.goal {
            Goal::Nothing(result) => RequestPoll::Done(result),
            Goal::Pe(pe, ask) => self.post(pe, ask, now, limit),
            Goal::IfIsolated(pe, ask) => self.if_isolated(pe, ask, now, limit),
            Goal::Open(device) => self.begin_open(device, now, limit),
        }
    }

    fn if_isolated(&mut self, pe: PeId, ask: Ask, now: Time, limit: Time) -> RequestPoll {
        let Some(view) = self.registry.peek(pe) else { return self.done(Err(OwnerError::Gone)) };
        if !view.flags.contains(PeFlags::ISOLATED) {
            return self.done(Ok(()));
        }
        if cfg!(eeh_mutant = "hazard_5_18_state_write_thaws_at_once") {
            let _ = self.platform.firmware().thaw(&pe_target_of_view(&view), Thaw::All);
            return self.done(Ok(()));
        }
        // Not even later: when the recovery is over there is nothing to thaw.
        let busy = PeFlags::RECOVERING | PeFlags::RESET | PeFlags::PENDING;
        if view.flags.intersects(busy) || is_hosts(self.registry, &view) {
            return self.done(Err(OwnerError::Busy));
        }
        self.post(pe, ask, now, limit)
    }

    fn begin_open(&mut self, device: DeviceId, now: Time, limit: Time) -> RequestPoll {
        let view = self.registry.peek_device(device).and_then(|device| self.registry.peek(device.pe));
        let Some(view) = view else { return self.done(Err(OwnerError::Gone)) };
        if is_hosts(self.registry, &view) {
            return self.later(now, limit);
        }
        let state = self.platform.firmware().state(&pe_target_of_view(&view));
        let usable = matches!(state, Err(_) | Ok(FreezeState::Active | FreezeState::NotSupported));
        if usable && !view.flags.contains(PeFlags::ISOLATED) {
            return self.own(device, now, limit);
        }
        self.post(view.id, Ask::ChangeOwner, now, limit)
    }

    fn own(&mut self, device: DeviceId, now: Time, limit: Time) -> RequestPoll {
        let opened = self.registry.tree(device.tree()).map(|tree| tree.lock().open_device(device));
        match opened {
            Some(Opened::Yes) => self.done(Ok(())),
            Some(Opened::Busy) => self.later(now, limit),
            Some(Opened::Gone) | None => self.done(Err(OwnerError::Gone)),
        }
    }

    fn post(&mut self, pe: PeId, ask: Ask, now: Time, limit: Time) -> RequestPoll {
        let Some(hold) = self.registry.get(pe) else { return self.done(Err(OwnerError::Gone)) };
        let posted = self
            .registry
            .tree(pe.tree())
            .map_or(Err(RequestError::Gone), |tree| tree.lock().post_request(pe, ask.encode()));
        match posted {
            Ok(id) => {
                self.posted = Some((hold, id));
                self.platform.wake().wake(pe.tree());
                wait(now)
            }
            Err(RequestError::Busy) => self.later(now, limit),
            Err(RequestError::Gone) => self.done(Err(OwnerError::Gone)),
        }
    }

    fn state(&self, pe: PeId, id: RequestId) -> RequestState {
        let tree = self.registry.tree(pe.tree());
        tree.map_or(RequestState::Gone, |tree| tree.lock().request_state(pe, id))
    }

    /// Tries again, while there is time.
    fn later(&mut self, now: Time, limit: Time) -> RequestPoll {
        if now < limit { wait(now) } else { self.done(Err(OwnerError::Busy)) }
    }

    fn done(&mut self, result: Result<(), OwnerError>) -> RequestPoll {
        self.forget();
        self.goal = Goal::Nothing(result);
        RequestPoll::Done(result)
    }

    fn forget(&mut self) {
        if let Some((hold, id)) = self.posted.take()
            && let Some(tree) = self.registry.tree(hold.id().tree())
        {
            tree.lock().forget_request(hold.id(), id);
        }
    }
}

fn wait(now: Time) -> RequestPoll {
    RequestPoll::Wait { until: now.after(INTERVAL), why: Wait::Host }
}

impl<P: Platform> Drop for Request<'_, P> {
    /// # Context
    ///
    /// Any but NMI; takes the tree's lock.
    fn drop(&mut self) {
        self.forget();
    }
}
