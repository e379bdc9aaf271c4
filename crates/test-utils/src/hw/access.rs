// SPDX-License-Identifier: GPL-2.0-or-later
//! Configuration cycles, and what writes set off beside storing bits.

use eeh_pe::{Bdf, Time};

use super::config::{Written, extract};
use super::function::{Answers, Index, POWER_OFF};
use super::inject::InjectOn;
use super::phb::{ConfigWhenFrozen, Phb, State};

/// The PHB does not let configuration cycles through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shut {
    /// It is fenced.
    Fenced,
    /// It is broken.
    Dead,
}

impl Phb {
    /// A configuration read of `size` (1, 2, 4) bytes at `offset` (a multiple of `size`). Nobody
    /// there: all ones.
    ///
    /// # Errors
    ///
    /// The PHB is fenced or dead.
    pub fn config_read(&self, bdf: Bdf, offset: u16, size: u8) -> Result<u32, Shut> {
        self.access(|s, now| {
            s.open()?;
            let dword = match s.addressee(bdf, InjectOn::ConfigRead, now) {
                Some((i, Answers::Data)) => s.register(i, offset & !3, now),
                // PCIe 2.3.2: software visibility makes a retried vendor ID read say 0x0001.
                Some((_, Answers::Retry)) if offset < 4 => 0xffff_0001,
                Some(_) | None => u32::MAX,
            };
            Ok(extract(dword, offset, size))
        })
    }

    /// A configuration write.
    ///
    /// # Errors
    ///
    /// The PHB is fenced or dead.
    pub fn config_write(&self, bdf: Bdf, offset: u16, size: u8, value: u32) -> Result<(), Shut> {
        self.access(|s, now| {
            s.open()?;
            if let Some((i, Answers::Data)) = s.addressee(bdf, InjectOn::ConfigWrite, now) {
                s.write_register(i, offset, size, value, now);
            }
            Ok(())
        })
    }
}

impl State {
    fn open(&self) -> Result<(), Shut> {
        if self.dead {
            return Err(Shut::Dead);
        }
        if self.fenced { Err(Shut::Fenced) } else { Ok(()) }
    }

    /// Who hears a request for `bdf`, and how it answers; `None`: nobody.
    fn addressee(&mut self, bdf: Bdf, on: InjectOn, now: Time) -> Option<(Index, Answers)> {
        let home = self.fabric.home(bdf);
        let pe = home.and_then(|i| self.fabric.get(i).pe);
        if let Some(pe) = pe {
            if self.meets_injection(pe, on, u64::from(bdf.0)) {
                return None;
            }
            let closed = self.params.config_when_frozen == ConfigWhenFrozen::AllOnes;
            if closed && self.pest.get(pe).mmio {
                return None;
            }
        }
        let heard = self
            .fabric
            .route(bdf)
            .filter(|&i| self.fabric.path_up(i, now))
            .map(|i| (i, self.fabric.get(i).answers(now)))
            .filter(|a| a.1 != Answers::Nothing);
        if heard.is_none() && self.params.config_miss_freezes {
            self.hardware_freeze(pe.unwrap_or_else(|| self.reserved_pe()));
        }
        heard
    }

    /// A register as read: stored bits, and link and slot status as they are now.
    pub(crate) fn register(&self, i: Index, offset: u16, now: Time) -> u32 {
        let f = self.fabric.get(i);
        let mut v = f.config.dword(offset);
        let express = f.config.layout().caps.express;
        if express == 0 || !f.is_bridge() {
            return v;
        }
        if offset == express + 0x10 && f.reports_link() {
            let up = self.link_up(i, now);
            v = v & !(1 << 29) | u32::from(up) << 29;
        }
        if offset == express + 0x18 && f.has_slot() {
            v = v & !(1 << 22) | u32::from(self.occupied(i)) << 22;
        }
        v
    }

    /// The link below port `i` is up: not held in reset, trained, and somebody at the other end.
    pub(crate) fn link_up(&self, i: Index, now: Time) -> bool {
        let f = self.fabric.get(i);
        let root_held = self.perst && f.parent.is_none();
        now >= f.link_up_at && !root_held && !f.asserts_secondary_reset() && self.occupied(i)
    }

    /// Somebody is in the slot below port `i`.
    pub(crate) fn occupied(&self, i: Index) -> bool {
        self.fabric.get(i).children.iter().any(|&c| self.fabric.get(c).present)
    }

    /// A write that reached function `i`.
    pub(crate) fn write_register(&mut self, i: Index, offset: u16, size: u8, value: u32, now: Time) {
        let w = self.fabric.get_mut(i).config.write(offset, size, value);
        let f = self.fabric.get(i);
        let caps = f.config.layout().caps;
        if f.is_bridge() && w.offset == 0x3c {
            self.bridge_control(i, w, now);
        } else if caps.express != 0 && w.offset == caps.express + 8 {
            // Device Control bit 15, if Device Capabilities bit 28 says so.
            if w.data & 0x8000 != 0 && f.config.dword(caps.express + 4) & 1 << 28 != 0 {
                self.flr(i, now);
            }
        } else if caps.af != 0 && w.offset == caps.af + 4 {
            if w.data & 1 != 0 && f.config.byte(caps.af + 3) & 2 != 0 {
                self.flr(i, now);
            }
        } else if caps.pm != 0 && w.offset == caps.pm + 4 {
            // D3hot to D0 without No_Soft_Reset: the function starts afresh, without a reset line.
            if w.before & 3 == 3 && w.after & 3 == 0 && w.after & 8 == 0 {
                self.forget_alone(i, now);
            }
        } else if f.is_bridge() && f.has_power_control() && w.offset == caps.express + 0x18 {
            self.slot_power(i, w, now);
        }
    }

    pub(crate) fn flr(&mut self, i: Index, now: Time) {
        self.wire.function += 1;
        self.forget_alone(i, now);
        self.fabric.function_reset(i, now);
    }

    /// Function `i` starts afresh, without a line: the lines that it asserted are released.
    fn forget_alone(&mut self, i: Index, now: Time) {
        let asserted = self.drop_lines(i);
        self.fabric.get_mut(i).forget(false);
        if asserted {
            self.fabric.retrain(i, now);
        }
    }

    fn bridge_control(&mut self, i: Index, w: Written, now: Time) {
        const SECONDARY_RESET: u32 = 0x40 << 16;
        let (was, is) = (w.before & SECONDARY_RESET != 0, w.after & SECONDARY_RESET != 0);
        if is && !was {
            let root = self.fabric.get(i).parent.is_none();
            if root && !self.link_down_masked && self.params.bare_root_reset_fences && self.occupied(i) {
                self.hardware_fence();
            }
            self.wire.secondary.0 += 1;
            self.assert_behind(i, false);
        } else if was && !is {
            self.wire.secondary.1 += 1;
            self.release_behind(i, now);
        }
    }

    /// Power of the slot below port `i`.
    fn slot_power(&mut self, i: Index, w: Written, now: Time) {
        const OFF: u32 = POWER_OFF as u32;
        if w.after & !w.before & OFF != 0 {
            self.wire.fundamental.0 += 1;
            self.assert_behind(i, true);
        } else if w.before & !w.after & OFF != 0 {
            self.wire.fundamental.1 += 1;
            self.release_behind(i, now);
        }
    }

    /// Asserts reset on the secondary bus of `i`. Bridges there forget that they assert theirs.
    pub(crate) fn assert_behind(&mut self, i: Index, power_on: bool) {
        let members = self.fabric.behind(i);
        for &m in &members {
            self.drop_lines(m);
        }
        self.fabric.assert_reset(&members, power_on);
    }

    /// Bridge `i` is about to forget: the lines that it asserts by its registers go inactive. Answers
    /// whether there were any.
    pub(crate) fn drop_lines(&mut self, i: Index) -> bool {
        let f = self.fabric.get(i);
        let lines = [f.asserts_secondary_reset(), f.slot_is_off()];
        for (line, secondary) in lines.into_iter().zip([true, false]) {
            if line {
                let under = self.fabric.behind(i);
                self.fabric.release_reset(&under);
                let edges = if secondary { &mut self.wire.secondary } else { &mut self.wire.fundamental };
                edges.1 += 1;
            }
        }
        lines != [false; 2]
    }

    /// Releases it; links train from `now` on.
    pub(crate) fn release_behind(&mut self, i: Index, now: Time) {
        let members = self.fabric.behind(i);
        self.fabric.release_reset(&members);
        self.fabric.retrain(i, now);
    }
}
