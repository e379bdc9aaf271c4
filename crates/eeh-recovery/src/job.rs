// SPDX-License-Identifier: GPL-2.0-or-later
//! What the worker's helper does for it: everything that runs a driver's code or waits for a lock.

use eeh_pe::{DeviceId, Env, PeId, VfInfo};

use crate::{ChannelState, ErsResult, PhbTarget};

/// One job of one recovery. A late answer to an older job is recognised by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct JobId(pub u64);

/// An error handler of a driver. C: `struct pci_error_handlers`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Handler {
    /// `error_detected` with the channel state.
    ErrorDetected(ChannelState),
    /// `mmio_enabled`.
    MmioEnabled,
    /// `slot_reset`.
    SlotReset,
    /// `resume`.
    Resume,
}

/// A bus that devices are removed from or added to. It is looked up by number under the rescan lock
/// when the job runs: never a pointer that was kept (hazard 5.9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BusTarget {
    /// The PE whose bus it is.
    pub pe: PeId,
    /// Its PHB.
    pub phb: PhbTarget,
    /// The bus number.
    pub bus: u8,
}

/// A job: each names the device or bus it is for, and holds the platform's reference to the device.
#[derive(Clone, Debug)]
pub enum Job<E: Env> {
    /// Switch the attention indicator of the device's slot on, where it has one, and ask the slot whether a
    /// card is there. Answers: `Present`, `Absent`, `Gone`.
    /// C: `eeh_slot_presence_check`
    Presence {
        /// The device.
        id: DeviceId,
        /// The platform's.
        device: E::Device,
    },
    /// Switch the attention indicator of the device's slot off, where it has one. Answers: `Done`, `Gone`.
    /// C: `eeh_clear_slot_attention`
    Attention {
        /// The device.
        id: DeviceId,
        /// The platform's.
        device: E::Device,
    },
    /// Call an error handler under `device_lock`, with a reference on the driver's module. Under
    /// the lock the helper asks `may_call` whether the device may still be told, and before `error_detected` sets the channel state
    /// that the driver is told of.
    /// Answers: `Reported`, `NoDriver`, `NotAware`, `NoHandler`, `TooLate`, `Gone`, `Died`.
    /// C: `eeh_pe_report_edev`
    Call {
        /// The device.
        id: DeviceId,
        /// The platform's.
        device: E::Device,
        /// Which handler.
        handler: Handler,
    },
    /// Remove one device: unbind outside the rescan lock, then remove under it; a virtual function as
    /// its physical function's. Answers: `Done`, `Gone`, `Died`. C: `eeh_rmv_device`
    Remove {
        /// The device.
        id: DeviceId,
        /// The platform's.
        device: E::Device,
    },
    /// Remove all devices of a bus and below it, not its bridge. Answers: `Done`, `Gone` when there is
    /// no such bus, `Died`. C: `pci_hp_remove_devices`
    RemoveBus(BusTarget),
    /// Scan a bus and add what is there. Answers as before. C: `pci_hp_add_devices`
    AddBus(BusTarget),
    /// Add one virtual function, under the rescan lock, if its physical function still has it and it
    /// is not there. Answers: `Done`, `Gone`, `Died`. C: `eeh_add_virt_device`
    AddVf {
        /// Which.
        vf: VfInfo,
        /// Its physical function.
        device: E::Device,
    },
}

/// What became of a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobAnswer {
    /// The slot holds a card, or cannot tell.
    Present,
    /// The slot is empty, or the device has failed for good.
    Absent,
    /// The handler answered (`resume`: always `None`).
    Reported(ErsResult),
    /// The device has no driver.
    NoDriver,
    /// The driver has no error handlers at all.
    NotAware,
    /// The driver lacks this handler.
    NoHandler,
    /// The driver was bound after `error_detected`.
    TooLate,
    /// Devices were removed or added.
    Done,
    /// The device or bus went away before the job could touch it.
    Gone,
    /// The helper died in the job (oops): the device's lock is lost.
    Died,
}
