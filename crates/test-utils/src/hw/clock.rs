// SPDX-License-Identifier: GPL-2.0-or-later
//! The machine's clock. Nothing in `hw` or `opal` runs by itself: what a link or a device is doing is
//! a function of recorded times and of what this clock says now.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::thread;
use std::time::Instant;

use eeh_pe::Time;

/// Where hardware and firmware read the time, and where firmware spends it.
pub trait SimClock: Send + Sync + fmt::Debug {
    /// The time now.
    fn now(&self) -> Time;

    /// The caller is busy for `d` and returns afterwards: a firmware call that takes its time.
    fn spend(&self, d: Duration);
}

/// Time that moves only when told to.
///
/// An engine of several actors gives each its own course: it sets the clock to the actor's time,
/// steps the actor, and reads back how far the actor's own busy calls took it. PHBs share no state,
/// so going back to serve an actor of another PHB is harmless.
#[derive(Debug, Default)]
pub struct VirtualClock {
    ns: AtomicU64,
}

impl VirtualClock {
    /// A clock that says zero.
    #[must_use]
    pub const fn new() -> Self {
        Self { ns: AtomicU64::new(0) }
    }

    /// Sets the time, backwards too.
    pub fn set(&self, t: Time) {
        self.ns.store(t.as_nanos(), Ordering::Relaxed);
    }

    /// Moves on by `d`.
    pub fn advance(&self, d: Duration) {
        self.set(self.now().after(d));
    }
}

impl SimClock for VirtualClock {
    fn now(&self) -> Time {
        Time::from_nanos(self.ns.load(Ordering::Relaxed))
    }

    fn spend(&self, d: Duration) {
        self.advance(d);
    }
}

/// The host's time, `factor` times as fast: real threads on a machine whose seconds are short.
#[derive(Debug)]
pub struct ScaledClock {
    start: Instant,
    factor: u32,
}

impl ScaledClock {
    /// A clock that starts now; `factor` simulated seconds pass in one of the host's (at least 1).
    #[must_use]
    pub fn new(factor: u32) -> Self {
        Self { start: Instant::now(), factor: factor.max(1) }
    }

    /// How long to wait on the host for a simulated `d`.
    #[must_use]
    pub fn host(&self, d: Duration) -> Duration {
        d / self.factor
    }
}

impl SimClock for ScaledClock {
    fn now(&self) -> Time {
        Time::ZERO.after(self.start.elapsed().saturating_mul(self.factor))
    }

    fn spend(&self, d: Duration) {
        let host = self.host(d);
        if host.is_zero() {
            thread::yield_now();
        } else {
            thread::sleep(host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_moves_only_when_told() {
        let c = VirtualClock::new();
        assert_eq!(c.now(), Time::ZERO);
        c.spend(Duration::from_millis(3));
        assert_eq!(c.now().as_nanos(), 3_000_000);
        c.set(Time::from_nanos(7));
        assert_eq!(c.now().as_nanos(), 7);
    }

    #[test]
    fn scaled_time_asks_the_host_for_less() {
        let c = ScaledClock::new(1000);
        assert_eq!(c.host(Duration::from_secs(1)), Duration::from_millis(1));
        assert!(c.now() <= c.now());
    }
}
