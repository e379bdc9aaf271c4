// SPDX-License-Identifier: GPL-2.0-or-later
//! What the machine asks for, and what it is answered.

use eeh_pe::{DeviceId, Time, VfInfo};

use super::note::Note;
use crate::{ChannelState, FreezeState, Handler, JobAnswer, ResetPoll, Thaw, Wait};

/// Something to do. One is outstanding at a time, and its answer is an [`Input`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Say what is recovered, forget `NO_HANDLER`, count the freeze. Answer: [`Input::Counted`].
    Open,
    /// Set the channel state of all devices, and switch their INTx. Answer: [`Input::Done`].
    Channel {
        /// The state; `None` leaves it.
        state: Option<ChannelState>,
        /// Whether INTx shall work.
        irq: bool,
    },
    /// Change the flags of the PE and all below it. Answer: [`Input::Done`].
    Mark(Mark),
    /// Ask firmware for the PE's state. Answer: [`Input::State`].
    Query,
    /// Collect and print the log. Answer: [`Input::Done`], [`Input::Later`].
    Log {
        /// Whether the PE is given up.
        permanent: bool,
    },
    /// Let something through, unless it is already. Answer: [`Input::State`].
    Thaw(Thaw),
    /// Begin a reset attempt. Answer: [`Input::Reset`].
    BeginReset {
        /// Counts from 1.
        attempt: u32,
    },
    /// Move the attempt on. Answer: [`Input::Reset`].
    PollReset,
    /// Look at the link of the port above a bus. Answer: [`Input::Link`].
    Link {
        /// The bus.
        bus: u8,
    },
    /// Set bridges up, where firmware does that. Answer: [`Input::Done`], [`Input::Later`].
    Configure,
    /// Read the device's vendor ID. Answer: [`Input::Vendor`].
    Ready(DeviceId),
    /// Restore the device's configuration space. Answer: [`Input::Restored`].
    Restore(DeviceId),
    /// Clear the freeze of the PE and all below it. Answer: [`Input::State`].
    Unfreeze,
    /// Leave hardware as whoever comes next needs it. Answer: [`Input::Done`].
    Release,
    /// Ask the device's slot. Answer: [`Input::Job`].
    Presence(DeviceId),
    /// Switch the attention indicator of the device's slot off. Answer: [`Input::Job`].
    Attention(DeviceId),
    /// Call an error handler. Answer: [`Input::Job`].
    Call(DeviceId, Handler),
    /// Remove the device, but not when its driver is aware and `unaware` is set. Answer: [`Input::Job`].
    Remove {
        /// The device.
        device: DeviceId,
        /// Whether aware drivers keep it.
        unaware: bool,
    },
    /// Save the devices' state. Answer: [`Input::Done`].
    SaveState,
    /// Give the devices their state back. Answer: [`Input::State`], active when all have it.
    RestoreState,
    /// Not all that was removed is found again: whether it cannot be, since the PE or one above it has stopped
    /// once more. Answer: [`Input::Done`] if not, [`Input::State`] if the reset is to be made again, or
    /// [`Input::Fenced`] when another recovery is to add it back.
    Look,
    /// Add a virtual function that was removed. Answer: [`Input::VfJob`].
    AddVf(VfInfo),
    /// Remove everything on the PE's bus. Answer: [`Input::BusJob`].
    RemoveBus,
    /// Add what is on the PE's bus. Answer: [`Input::BusJob`].
    AddBus,
}

/// A change of flags of the PE and all below it, in one critical section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// PEs stay while they have no device: sets `KEEP`.
    Keep,
    /// A reset begins: sets `RESET` and `CFG_BLOCKED`.
    Block,
    /// Link up: clears them.
    Unblock,
    /// The PE works: clears `ISOLATED`.
    Healed,
    /// No handler is owed anything: clears `IN_ERROR` and `NO_HANDLER` of the devices.
    Settled,
    /// Given up: sets `REMOVED`, clears `KEEP`, and marks the devices failed.
    Failed,
}

/// What a reset attempt, or the port above a bus, looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Link {
    /// Up.
    Up,
    /// Not up yet.
    Down,
    /// The port does not report it, or there is no port.
    Unknown,
}

/// An answer, or the passing of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// The action is done.
    Done,
    /// Firmware is busy: ask for the action again at `until`.
    Later {
        /// When.
        until: Time,
        /// Who asks for it.
        why: Wait,
    },
    /// The freeze is the `count`th in the last hour.
    Counted {
        /// This one included.
        count: u32,
        /// How many are recovered.
        max: u32,
    },
    /// The PE's state; `None` when firmware does not tell.
    State(Option<FreezeState>),
    /// How the reset attempt stands.
    Reset(ResetPoll),
    /// The link above a bus.
    Link(Link),
    /// A device's vendor ID as its configuration space reads.
    Vendor(DeviceId, u16),
    /// The device's configuration space is restored.
    Restored(DeviceId),
    /// The device is gone.
    Gone(DeviceId),
    /// A job for the device ended.
    Job(DeviceId, JobAnswer),
    /// A job for the device took too long.
    Late(DeviceId),
    /// A job for the bus ended.
    BusJob(JobAnswer),
    /// A job for the bus took too long.
    BusLate,
    /// A virtual function was added, or not.
    VfJob(VfInfo, JobAnswer),
    /// Adding a virtual function took too long.
    VfLate(VfInfo),
    /// No bridge leads to the PE's bus any more.
    Unreachable,
    /// The PHB is fenced.
    Fenced,
    /// The PHB was removed.
    Cancel,
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Poll {
    /// This.
    Act(Action),
    /// Wait for the answer to the outstanding action.
    Answer,
    /// Wait until then, and ask again.
    Wait {
        /// Until when.
        until: Time,
        /// Why.
        why: Wait,
    },
    /// Tell the observer.
    Say(Note),
    /// Nothing any more.
    Over,
}
