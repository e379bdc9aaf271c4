// SPDX-License-Identifier: GPL-2.0-or-later
//! Monotonic time as a value: these crates never read a clock.

use core::time::Duration;

/// A point of the environment's monotonic clock, in nanoseconds since its start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Time(u64);

impl Time {
    /// The start of the clock.
    pub const ZERO: Self = Self(0);
    /// Further than any clock runs: 584 years.
    pub const NEVER: Self = Self(u64::MAX);

    /// A point `ns` nanoseconds after the clock's start.
    #[must_use]
    pub const fn from_nanos(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the clock's start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The point `d` later, at most [`Time::NEVER`].
    #[must_use]
    #[inline(never)]
    pub fn after(self, d: Duration) -> Self {
        let ns = d.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(d.subsec_nanos()));
        Self(self.0.saturating_add(ns))
    }

    /// The time from `earlier` to here; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}
