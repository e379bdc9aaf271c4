// SPDX-License-Identifier: GPL-2.0-or-later
//! Where all ones enter EEH.

use eeh_pe::DeviceId;
use eeh_recovery::{Check, Context, check_failure, dev_check_failure};

use super::SimLinux;

impl SimLinux {
    /// Checks an address that read as all ones, as every `readl` does. C: `eeh_check_failure`
    pub fn check_address(&self, address: u64) -> Check {
        check_failure(self, self.registry(), address, Context::Normal)
    }

    /// Checks a device whose configuration space read as all ones. C: `eeh_dev_check_failure`
    pub fn check_device(&self, id: DeviceId) -> Check {
        dev_check_failure(self, self.registry(), id, Context::Normal)
    }
}
