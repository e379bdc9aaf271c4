// SPDX-License-Identifier: GPL-2.0-or-later
//! skiboot's state machine of a slot below a switch's port (`core/pcie-slot.c`).

#![expect(clippy::wildcard_enum_match_arm, reason = "whatever state a step does not expect, it refuses")]

use core::time::Duration;

use eeh_pe::Bdf;

use super::Call;
use super::resets::Which;
use super::slot::{Doing, Step, ms};

const LINK_POLLS: u32 = 250;
/// Bridge Control bit 6.
const SECONDARY_RESET: u32 = 0x40;
/// Slot Control bit 10, in its second byte: power off.
const POWER_OFF: u32 = 4;

impl Call<'_> {
    fn set(&mut self, bdf: Bdf, doing: Doing, d: Duration) -> Step {
        let now = self.phb.now();
        self.slot(Which::Below(bdf)).wait(doing, now, d)
    }

    fn doing(&mut self, bdf: Bdf) -> Doing {
        self.slot(Which::Below(bdf)).doing
    }

    fn end(&mut self, bdf: Bdf, step: Step) -> Step {
        self.slot(Which::Below(bdf)).end(step)
    }

    /// Sets or clears bits of a register byte, as far as the device answers.
    fn set_bits(&self, bdf: Bdf, offset: u16, bits: u32, on: bool) {
        let mut v = 0;
        if self.raw_read(bdf, offset, 1, &mut v) {
            self.raw_write(bdf, offset, 1, if on { v | bits } else { v & !bits });
        }
    }

    pub(super) fn secondary_reset(&self, bdf: Bdf, assert: bool) {
        self.set_bits(bdf, 0x3e, SECONDARY_RESET, assert);
    }

    /// Nothing where the slot has no power controller.
    pub(super) fn slot_power(&self, bdf: Bdf, on: bool) {
        if let Some(control) = self.phb.slot_control(bdf) {
            self.set_bits(bdf, control + 1, POWER_OFF, !on);
        }
    }

    pub(super) fn slot_hot(&mut self, bdf: Bdf) -> Step {
        match self.doing(bdf) {
            Doing::Normal => {
                self.secondary_reset(bdf, true);
                self.set(bdf, Doing::HotHold, ms(250))
            }
            Doing::HotHold => {
                self.secondary_reset(bdf, false);
                self.set(bdf, Doing::LinkStart, ms(1800))
            }
            _ => self.end(bdf, Step::HARDWARE),
        }
    }

    /// Off and on again. Without a power controller skiboot only remembers: nothing is reset.
    pub(super) fn slot_fundamental(&mut self, bdf: Bdf) -> Step {
        match self.doing(bdf) {
            Doing::Normal => {
                self.slot_power(bdf, false);
                self.set(bdf, Doing::PowerOff, ms(50))
            }
            Doing::PowerOff => {
                self.slot_power(bdf, true);
                self.set(bdf, Doing::LinkStart, ms(50))
            }
            _ => self.end(bdf, Step::HARDWARE),
        }
    }

    /// One second for a port that does not report its link; else until it does, 5 s at most.
    pub(super) fn slot_link(&mut self, bdf: Bdf) -> Step {
        match self.doing(bdf) {
            Doing::LinkStart if !self.phb.is_occupied(bdf) => self.end(bdf, Step::DONE),
            Doing::LinkStart if !self.phb.reports_link(bdf) => self.set(bdf, Doing::LinkDelay, ms(1000)),
            Doing::LinkStart => {
                self.slot(Which::Below(bdf)).retries = LINK_POLLS;
                self.set(bdf, Doing::LinkPolling, ms(20))
            }
            Doing::LinkDelay => self.slot_is_back(bdf),
            Doing::LinkPolling if self.phb.link_is_up(Some(bdf)) => self.slot_is_back(bdf),
            Doing::LinkPolling => match self.slot(Which::Below(bdf)).retries.checked_sub(1) {
                Some(left) => {
                    self.slot(Which::Below(bdf)).retries = left;
                    self.set(bdf, Doing::LinkPolling, ms(20))
                }
                // Says success all the same.
                None => self.end(bdf, Step::DONE),
            },
            _ => self.end(bdf, Step::HARDWARE),
        }
    }

    fn slot_is_back(&mut self, bdf: Bdf) -> Step {
        self.restore_below(Some(bdf));
        self.end(bdf, Step::DONE)
    }
}
