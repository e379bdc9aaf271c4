// SPDX-License-Identifier: GPL-2.0-or-later
//! EEH detection, event queue and recovery of Partitionable Endpoints.
#![no_std]
#![forbid(unsafe_code)]

mod ers;
mod job;
mod platform;

pub use ers::ErsResult;
pub use job::{Handler, Job, JobAnswer, JobId};
pub use platform::{
    ChannelState, ConfigSpace, Device, DeviceTarget, DriverKind, Eeh, ErrorLog, ErrorSource, FirmwareError,
    FreezeState, Helper, NextError, PciCore, PeTarget, PhbTarget, ResetKind, ResetPoint, ResetPoll,
    SlotControl, SlotState, Thaw, Wait, Wake, Width,
};
