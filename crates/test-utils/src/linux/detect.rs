// SPDX-License-Identifier: GPL-2.0-or-later
//! Where all ones enter EEH.

use eeh_pe::DeviceId;
use eeh_recovery::{Handler, JobAnswer};

use super::SimLinux;

/// A register of a device read as all ones. C: `eeh_check_failure`
pub(super) fn address(_linux: &SimLinux, _address: u64) {}

/// Configuration space of a device read as all ones. C: `eeh_dev_check_failure`
pub(super) fn device(_linux: &SimLinux, _id: DeviceId) {}

/// Whether an error handler may be called, asked under `device_lock`.
pub(super) fn may_call(_linux: &SimLinux, _id: DeviceId, _handler: Handler) -> Result<(), JobAnswer> {
    Ok(())
}
