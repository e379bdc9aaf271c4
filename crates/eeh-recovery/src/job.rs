// SPDX-License-Identifier: GPL-2.0-or-later
//! What the worker's helper does for it: everything that runs a driver's code or waits for a lock.

use eeh_pe::{DeviceId, Env, PeId};

use crate::{ChannelState, ErsResult};

/// One job of one recovery. A late answer to an older job is recognised by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JobId(pub u64);

/// An error handler of a driver. C: `struct pci_error_handlers`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

/// A job: each names the device or PE it is for, and holds the platform's reference to it.
#[derive(Clone, Debug)]
pub enum Job<E: Env> {
    /// Ask the slot whether a card is there, and light its attention LED.
    /// C: `eeh_slot_presence_check`
    Presence {
        /// The device.
        id: DeviceId,
        /// The platform's.
        device: E::Device,
    },
    /// Call an error handler under `device_lock`, with a reference on the driver's module.
    /// C: `eeh_pe_report_edev`
    Call {
        /// The device.
        id: DeviceId,
        /// The platform's.
        device: E::Device,
        /// Which handler.
        handler: Handler,
    },
    /// `pci_save_state` or restore of it, where reset-and-recover asks.
    /// Remove one device: unbind outside the rescan lock, then remove under it.
    /// C: `eeh_rmv_device`
    Remove {
        /// The device.
        id: DeviceId,
        /// The platform's.
        device: E::Device,
    },
    /// Remove all devices of a PE's bus. C: `pci_hp_remove_devices`
    RemoveBus {
        /// The PE whose bus it is.
        pe: PeId,
    },
    /// Scan a PE's bus and add what is there. C: `pci_hp_add_devices`
    AddBus {
        /// The PE whose bus it is.
        pe: PeId,
    },
}

/// What became of a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobAnswer {
    /// The slot holds a card, or cannot tell.
    Present,
    /// The slot is empty, or the device has failed for good.
    Absent,
    /// The handler answered.
    Reported(ErsResult),
    /// The device has no driver.
    NoDriver,
    /// The driver has no error handlers at all.
    NotAware,
    /// The driver lacks this handler.
    NoHandler,
    /// Devices were removed or added.
    Done,
    /// The device or PE went away before the job could touch it.
    Gone,
    /// The helper died in the job (oops): the device's lock is lost.
    Died,
}
