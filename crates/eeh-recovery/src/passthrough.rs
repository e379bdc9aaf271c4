// SPDX-License-Identifier: GPL-2.0-or-later
//! Pass-through: what the owner of a device, VFIO on behalf of a guest, may do to its PE.
//!
//! | call | context | while the host recovers |
//! |---|---|---|
//! | [`mark_isolated`], [`freeze`], [`release`] | any but NMI, never waits | done |
//! | [`owner_state`] | any but NMI, never waits | unavailable |
//! | [`inject`] | a task, never waits | busy |
//! | [`Request`] | a task, waits killably | waits, and is busy after [`Params::owner_wait`] |
//!
//! The PHB's worker does what a [`Request`] asks for, between recoveries: so nobody else is at the slot
//! meanwhile, and an owner that is killed leaves nothing half done (hazard 5.17). A release never waits,
//! because hotplug may wait for it with the rescan lock held (hazard 5.6).
//!
//! [`Request`]: crate::Request
//! [`Params::owner_wait`]: crate::Params::owner_wait

use eeh_pe::{Detection, DeviceId, Env, Isolate, PeFlags, PeId, PeView, Registry, Released};

use crate::ask::Ask;
use crate::detect::{isolate, phb_of};
use crate::targets::pe_target_of_view;
use crate::{FreezeState, InjectError, Injection, Platform, ResetKind, SlotControl, SlotState, Thaw, Wake};

/// Why an owner's call was not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, thiserror::Error)]
pub enum OwnerError {
    /// The device, its PE or its PHB is gone. C: `-ENODEV`
    #[error("the device is gone")]
    Gone,
    /// The host is at it, or another request of the PE is. C: `-EBUSY`
    #[error("the host is recovering the slot")]
    Busy,
    /// Firmware refused, or it did not help. C: `-EIO`
    #[error("firmware could not do it")]
    Failed,
    /// What was asked for makes no sense. C: `-EINVAL`
    #[error("invalid argument")]
    Invalid,
    /// Firmware has no such service. C: `-ENOENT`
    #[error("firmware does not offer it")]
    Missing,
}

/// What the worker answers to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    Done,
    Failed,
    Busy,
    Gone,
}

impl Answer {
    pub(crate) const fn encode(self) -> u16 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Busy => 2,
            Self::Gone => 3,
        }
    }

    pub(crate) const fn decode(code: u16) -> Self {
        match code {
            0 => Self::Done,
            2 => Self::Busy,
            3 => Self::Gone,
            _ => Self::Failed,
        }
    }
}

/// A PE's state as its owner sees it: PAPR's reset states.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum OwnerState {
    /// C: `EEH_PE_STATE_NORMAL`
    Normal,
    /// C: `EEH_PE_STATE_RESET`
    Reset,
    /// C: `EEH_PE_STATE_STOPPED_IO_DMA`
    Stopped,
    /// C: `EEH_PE_STATE_STOPPED_DMA`
    DmaStopped,
    /// Not to be told now: ask again. C: `EEH_PE_STATE_UNAVAIL`
    Unavailable,
}

impl OwnerState {
    /// Linux's number of it.
    #[must_use]
    pub const fn linux(self) -> i32 {
        match self {
            Self::Normal => 0,
            Self::Reset => 1,
            Self::Stopped => 2,
            Self::DmaStopped => 4,
            Self::Unavailable => 5,
        }
    }
}

/// An option of a PE. C: `EEH_OPT_*`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum SetOption {
    /// Nothing: EEH is not disabled for one PE.
    Disable,
    /// The PE is about to be used: a frozen one is thawed or reset.
    Enable,
    /// Let MMIO through.
    ThawMmio,
    /// Let DMA through.
    ThawDma,
    /// Stop both.
    Freeze,
}

impl SetOption {
    /// From Linux's number.
    #[must_use]
    pub const fn from_linux(option: i32) -> Option<Self> {
        match option {
            0 => Some(Self::Disable),
            1 => Some(Self::Enable),
            2 => Some(Self::ThawMmio),
            3 => Some(Self::ThawDma),
            4 => Some(Self::Freeze),
            _ => None,
        }
    }

    pub(crate) const fn ask(self) -> Option<Ask> {
        match self {
            Self::Enable => Some(Ask::ChangeOwner),
            Self::ThawMmio => Some(Ask::Thaw(Thaw::Mmio)),
            Self::ThawDma => Some(Ask::Thaw(Thaw::Dma)),
            Self::Disable | Self::Freeze => None,
        }
    }
}

/// A step of an owner's reset. C: `EEH_RESET_*`
///
/// The wire sees the whole reset when it is asked for; until [`OwnerReset::Deassert`] the PE is frozen
/// and its configuration space blocked. So nobody can leave a slot in reset by going away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum OwnerReset {
    /// Let the PE go: restore its configuration space and thaw it.
    Deassert,
    /// In-band.
    Hot,
    /// Out of band.
    Fundamental,
}

impl OwnerReset {
    /// From Linux's number.
    #[must_use]
    pub const fn from_linux(option: i32) -> Option<Self> {
        match option {
            0 => Some(Self::Deassert),
            1 => Some(Self::Hot),
            3 => Some(Self::Fundamental),
            _ => None,
        }
    }

    pub(crate) const fn kind(self) -> Option<ResetKind> {
        match self {
            Self::Deassert => None,
            Self::Hot => Some(ResetKind::Hot),
            Self::Fundamental => Some(ResetKind::Fundamental),
        }
    }
}

/// Isolates a PE and queues its report, whoever has it. C: `eeh_pe_mark_isolated`
///
/// # Context
///
/// Any but NMI; never waits.
pub fn mark_isolated<P: Platform>(platform: &P, registry: &Registry<P::Env>, pe: PeId) -> Isolate {
    let answer = isolate(platform, registry, pe, Detection { at: platform.now(), address: 0 });
    if answer == Isolate::Won {
        platform.wake().wake(pe.tree());
    }
    answer
}

/// Freezes a PE in hardware: MMIO and DMA. C: `eeh_pe_set_option(EEH_OPT_FREEZE_PE)`
///
/// # Errors
///
/// [`OwnerError::Gone`], [`OwnerError::Failed`].
///
/// # Context
///
/// Any but NMI, hard interrupt included; never waits.
pub fn freeze<P: Platform>(platform: &P, registry: &Registry<P::Env>, pe: PeId) -> Result<(), OwnerError> {
    let view = registry.peek(pe).ok_or(OwnerError::Gone)?;
    platform.firmware().freeze(&pe_target_of_view(&view)).map_err(|_| OwnerError::Failed)
}

/// The state of a PE. While the host recovers it, or a PE above it, it is unavailable: its owner's own
/// recovery has to wait. A fence that only an owner has met becomes the host's recovery.
/// C: `eeh_pe_get_state`
///
/// # Errors
///
/// [`OwnerError::Gone`].
///
/// # Context
///
/// Any but NMI; never waits.
pub fn owner_state<P: Platform>(
    platform: &P,
    registry: &Registry<P::Env>,
    pe: PeId,
) -> Result<OwnerState, OwnerError> {
    let view = registry.peek(pe).ok_or(OwnerError::Gone)?;
    if is_hosts(registry, &view) {
        return Ok(OwnerState::Unavailable);
    }
    if view.flags.contains(PeFlags::RESET) {
        return Ok(OwnerState::Reset);
    }
    Ok(match platform.firmware().state(&pe_target_of_view(&view)) {
        Ok(FreezeState::Active) => OwnerState::Normal,
        Ok(FreezeState::InReset) => OwnerState::Reset,
        Ok(FreezeState::Frozen | FreezeState::NotSupported) => OwnerState::Stopped,
        Ok(FreezeState::DmaFrozen) => OwnerState::DmaStopped,
        Ok(FreezeState::PhbFenced) => {
            let _ = mark_isolated(platform, registry, phb_of(registry, &view));
            OwnerState::Unavailable
        }
        // Firmware that answers nonsense has not said that the PE works.
        Ok(FreezeState::MmioFrozen | FreezeState::Unavailable { .. }) | Err(_) => OwnerState::Unavailable,
    })
}

/// Whether the host recovers the PE, or is about to recover one above it.
pub(crate) fn is_hosts<E: Env>(registry: &Registry<E>, view: &PeView) -> bool {
    if view.flags.contains(PeFlags::RECOVERING) {
        return true;
    }
    let above = PeFlags::ISOLATED | PeFlags::RECOVERING;
    let mut at = view.parent;
    while let Some(parent) = at.and_then(|parent| registry.peek(parent)) {
        // A parent that is itself passed through is not the host's to recover.
        if parent.flags.intersects(above) && !parent.flags.contains(PeFlags::PASSED) {
            return true;
        }
        at = parent.parent;
    }
    false
}

/// Injects an error into a PE. C: `eeh_pe_inject_err`
///
/// # Errors
///
/// [`OwnerError::Invalid`] for numbers that no firmware knows, [`OwnerError::Busy`] while the host
/// recovers, [`OwnerError::Missing`], and firmware's own.
///
/// # Context
///
/// A task; one firmware call.
pub fn inject<P: Platform>(
    platform: &P,
    registry: &Registry<P::Env>,
    pe: PeId,
    error: &Injection,
) -> Result<(), OwnerError> {
    let view = registry.peek(pe).ok_or(OwnerError::Gone)?;
    if is_hosts(registry, &view) {
        return Err(OwnerError::Busy);
    }
    platform.firmware().inject(&pe_target_of_view(&view), error).map_err(|error| match error {
        InjectError::Kind(_) | InjectError::Function(_) | InjectError::Address(_) => OwnerError::Invalid,
        InjectError::Firmware(crate::FirmwareError::Missing { .. }) => OwnerError::Missing,
        InjectError::Firmware(_) => OwnerError::Failed,
    })
}

/// Gives a device back. After the last one of its PE, the worker leaves the PE as the host needs it;
/// nobody waits for that. A release without an open is harmless. C: `eeh_dev_release`
///
/// # Context
///
/// Any but NMI; takes the tree's lock and never waits.
pub fn release<P: Platform>(platform: &P, registry: &Registry<P::Env>, device: DeviceId) {
    let Some(tree) = registry.tree(device.tree()) else { return };
    let released = {
        let mut guard = tree.lock();
        let released = guard.release_device(device);
        if let Released::Last(pe) = released {
            guard.leave_errand(pe, Ask::Disown.encode());
        }
        released
    };
    if matches!(released, Released::Last(_)) {
        platform.wake().wake(device.tree());
    }
}
