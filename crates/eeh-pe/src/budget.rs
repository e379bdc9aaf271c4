// SPDX-License-Identifier: GPL-2.0-or-later
//! How often a PE froze lately.

use core::time::Duration;

use crate::time::Time;

/// The window within which freezes are counted. C: `eeh_pe_update_time_stamp`
pub const BUDGET_WINDOW: Duration = Duration::from_secs(3600);

/// Freezes of a PE since the window began. C: `pe->freeze_count`, `pe->tstamp`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Budget {
    count: u32,
    since: Time,
}

impl Budget {
    /// Freezes counted.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Counts one more at `now`; the first one, and the first one after more than an hour, start
    /// a new window.
    #[must_use]
    pub fn after_freeze(self, now: Time) -> Self {
        if self.count == 0 || now.since(self.since) > BUDGET_WINDOW {
            return Self { count: 1, since: now };
        }
        Self { count: self.count.saturating_add(1), since: self.since }
    }
}
