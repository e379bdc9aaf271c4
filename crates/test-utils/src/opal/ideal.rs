// SPDX-License-Identifier: GPL-2.0-or-later
//! Firmware that resets as PCIe asks and never refuses: the line is held 2 ms (PCIe 6.6.1: T_rst is
//! 1 ms), and the link gets a second (6.6.1) before the reset counts as failed. A port that does not
//! report its link counts as up 100 ms after the release.

#![expect(clippy::wildcard_enum_match_arm, reason = "all other states hold a reset line")]

use core::time::Duration;

use super::Call;
use super::resets::Which;
use super::slot::{Doing, Step, ms};

const HOLD: Duration = ms(2);
const LINK_POLL: Duration = ms(10);
const LINK_POLLS: u32 = 100;
const NO_REPORT: Duration = ms(100);

impl Call<'_> {
    fn ideal_go(&mut self, which: Which, doing: Doing, d: Duration) -> Step {
        let now = self.phb.now();
        self.slot(which).wait(doing, now, d)
    }

    /// Hot, or fundamental: PERST for the PHB's slot, power for a slot that has a controller, else
    /// hot too.
    pub(super) fn ideal_reset(&mut self, which: Which, fundamental: bool) -> Step {
        if self.phb.condition() != (false, false) {
            return Step::HARDWARE;
        }
        // A reset that was left half way ends here.
        self.ideal_release(which);
        let doing = match which {
            Which::Root => {
                self.prepare_link(false);
                if fundamental {
                    self.phb.perst(true);
                    Doing::FundamentalHold
                } else {
                    self.root_secondary_reset(true);
                    Doing::HotHold
                }
            }
            Which::Below(bdf) if fundamental && self.phb.slot_control(bdf).is_some() => {
                self.slot_power(bdf, false);
                Doing::PowerOff
            }
            Which::Below(bdf) => {
                self.secondary_reset(bdf, true);
                Doing::HotHold
            }
        };
        self.ideal_go(which, doing, HOLD)
    }

    pub(super) fn ideal_complete(&mut self) -> Step {
        if self.phb.is_dead() {
            return Step::HARDWARE;
        }
        self.ideal_release(Which::Root);
        self.prepare_link(false);
        self.phb.perst(true);
        self.phb.reset_logic();
        self.ideal_go(Which::Root, Doing::FundamentalHold, HOLD)
    }

    fn ideal_release(&mut self, which: Which) {
        match (self.slot(which).doing, which) {
            (Doing::FundamentalHold, _) => self.phb.perst(false),
            (Doing::HotHold, Which::Root) => self.root_secondary_reset(false),
            (Doing::HotHold, Which::Below(bdf)) => self.secondary_reset(bdf, false),
            (Doing::PowerOff, Which::Below(bdf)) => self.slot_power(bdf, true),
            _ => {}
        }
        self.slot(which).doing = Doing::Normal;
    }

    pub(super) fn ideal_step(&mut self, which: Which) -> Step {
        let bdf = match which {
            Which::Root => None,
            Which::Below(bdf) => Some(bdf),
        };
        let doing = self.slot(which).doing;
        match doing {
            Doing::Normal => Step::DONE,
            Doing::LinkPolling if self.phb.link_is_up(bdf) => self.ideal_end(which, Step::DONE),
            Doing::LinkPolling => match self.slot(which).retries.checked_sub(1) {
                Some(left) => {
                    self.slot(which).retries = left;
                    self.ideal_go(which, Doing::LinkPolling, LINK_POLL)
                }
                None => self.ideal_end(which, Step::HARDWARE),
            },
            Doing::LinkDelay => self.ideal_end(which, Step::DONE),
            _ => {
                self.ideal_release(which);
                let occupied = bdf.map_or_else(|| self.phb.has_card(), |b| self.phb.is_occupied(b));
                if !occupied {
                    return self.ideal_end(which, Step::DONE);
                }
                let port = bdf.or_else(|| self.phb.roots().first().copied());
                if !port.is_some_and(|p| self.phb.reports_link(p)) {
                    return self.ideal_go(which, Doing::LinkDelay, NO_REPORT);
                }
                self.slot(which).retries = LINK_POLLS;
                self.ideal_go(which, Doing::LinkPolling, LINK_POLL)
            }
        }
    }

    fn ideal_end(&mut self, which: Which, step: Step) -> Step {
        if which == Which::Root {
            self.prepare_link(true);
        }
        self.slot(which).end(step)
    }
}
