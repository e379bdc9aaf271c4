// SPDX-License-Identifier: GPL-2.0-or-later
//! Reset lines, and links that come back after them.

use core::time::Duration;

use eeh_pe::Time;

use super::fabric::Fabric;
use super::function::{Index, Timing};

/// Edges on the reset lines of a PHB.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wire {
    /// Secondary bus resets asserted and released (a bridge's bit, whoever set it).
    pub secondary: (u32, u32),
    /// PERST or slot power.
    pub fundamental: (u32, u32),
    /// Resets of the PHB itself.
    pub complete: (u32, u32),
    /// Function level resets; the function releases them itself.
    pub function: u32,
}

impl Wire {
    /// All lines together: asserted, released.
    #[must_use]
    pub const fn pairs(&self) -> (u32, u32) {
        (
            self.secondary.0 + self.fundamental.0 + self.complete.0 + self.function,
            self.secondary.1 + self.fundamental.1 + self.complete.1 + self.function,
        )
    }
}

fn later(t: Time, d: Duration) -> Time {
    if d == Timing::NEVER { Time::NEVER } else { t.after(d) }
}

impl Fabric {
    /// A line over `members` goes active: they forget everything at once.
    pub(crate) fn assert_reset(&mut self, members: &[Index], power_on: bool) {
        for &i in members {
            let f = self.get_mut(i);
            f.held = f.held.saturating_add(1);
            if f.held == 1 {
                f.resets.asserted += 1;
            }
            f.forget(power_on);
        }
    }

    /// The line goes inactive.
    pub(crate) fn release_reset(&mut self, members: &[Index]) {
        for &i in members {
            let f = self.get_mut(i);
            f.held = f.held.saturating_sub(1);
            if f.held == 0 {
                f.resets.released += 1;
            }
        }
    }

    /// `bridge` has released its secondary bus at `now`: when its link and what is behind are back.
    pub(crate) fn retrain(&mut self, bridge: Index, now: Time) {
        let mut work = vec![(bridge, now)];
        while let Some((b, released)) = work.pop() {
            let f = self.get_mut(b);
            f.link_up_at = if f.has_link() { later(released, f.timing.link_after) } else { released };
            let up = f.link_up_at;
            for child in f.children.clone() {
                let c = self.get_mut(child);
                c.reachable_at = up;
                c.ready_at = later(released, c.timing.ready_after).max(up);
                if c.is_bridge() {
                    // What is behind a switch cannot begin before the switch's port is alive.
                    work.push((child, up));
                }
            }
        }
    }

    /// Function `i` and what is behind it got power at `now`: when they are there.
    pub(crate) fn power_up(&mut self, i: Index, now: Time) {
        let mut up = now;
        if let Some(p) = self.get(i).parent.filter(|&p| self.get(p).has_link()) {
            let alone = self.get(p).children.iter().all(|&c| c == i || !self.get(c).present);
            let port = self.get_mut(p);
            if alone {
                port.link_up_at = later(now, port.timing.link_after);
            }
            up = up.max(port.link_up_at);
        }
        let f = self.get_mut(i);
        f.reachable_at = up;
        f.ready_at = later(now, f.timing.ready_after).max(up);
        if f.is_bridge() {
            self.retrain(i, up);
        }
    }

    /// A function level reset of `i`: no line, no link, the function alone.
    pub(crate) fn function_reset(&mut self, i: Index, now: Time) {
        let f = self.get_mut(i);
        f.resets.asserted += 1;
        f.resets.released += 1;
        f.forget(false);
        f.ready_at = later(now, f.timing.ready_after);
    }
}
