// SPDX-License-Identifier: GPL-2.0-or-later
//! A driver's command to its device, and how long it waits for the answer.

use core::time::Duration;

use eeh_recovery::ChannelState;

use super::SimLinux;
use super::access::Io;
use super::device::SimDevice;
use crate::drivers::DeviceIo;

/// How soon a healthy device answers.
const ANSWERS_AFTER: Duration = Duration::from_millis(100);

/// How long a driver waits. C: `NVME_ADMIN_TIMEOUT`
const TIMEOUT: Duration = Duration::from_secs(60);

impl SimLinux {
    /// Whether the device answers a command. When the time is over and the device is offline, the wait begins anew: a driver
    /// that expects to be told of the error does so. C: `nvme_timeout`
    pub(super) async fn command(&self, device: &SimDevice) -> bool {
        let io = Io::new(self, device);
        io.enable();
        self.pace().sleep(ANSWERS_AFTER).await;
        if io.dma() {
            return true;
        }
        loop {
            if device.channel_state() == ChannelState::PermFailure {
                return false;
            }
            self.pace().sleep(TIMEOUT).await;
            // Looks at its status first, which finds the freeze if nobody has.
            let _ = io.read(0);
            if device.channel_state() == ChannelState::Normal {
                return false;
            }
        }
    }
}
