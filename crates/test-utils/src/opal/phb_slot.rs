// SPDX-License-Identifier: GPL-2.0-or-later
//! skiboot's state machine of a PHB's own slot (`hw/phb4.c`; where PHB3 differs, `hw/phb3.c`, whose
//! times also stand for P7IOC).
//!
//! | reset | PHB4, PHB5 | PHB3 |
//! |---|---|---|
//! | hot | assert 1 s, settle 1 s, link | the same |
//! | fundamental | PERST 250 ms, link | PERST 1 s, settle 1 s, link |
//! | complete | 10 ms, 10 ms, rest of 250 ms (at least 100), link | 10 ms, 100 ms, 100 ms, as fundamental |
//! | link | polls 1 ms apart once trained, else 10 ms | polls 100 ms apart |

#![expect(clippy::wildcard_enum_match_arm, reason = "whatever state a step does not expect, it refuses")]

use core::time::Duration;

use super::Call;
use super::slot::{Doing, LINK_RETRIES, Step, ms};
use crate::topology::PhbKind;

const ELECTRICAL_RETRIES: u32 = 100;
const LINK_WAIT_RETRIES: u32 = 200;
const LINK_STABLE: Duration = ms(1000);

impl Call<'_> {
    fn old(&self) -> bool {
        matches!(self.phb.kind(), PhbKind::Phb3 | PhbKind::P7ioc)
    }

    fn go(&mut self, doing: Doing, d: Duration) -> Step {
        let now = self.phb.now();
        self.state.root.wait(doing, now, d)
    }

    /// Link errors masked, and configuration cycles below refused, while the link is down on purpose.
    pub(super) fn prepare_link(&mut self, up: bool) {
        self.state.config_blocked = !up;
        self.phb.mask_link_down(!up);
    }

    pub(super) fn root_secondary_reset(&self, assert: bool) {
        for bdf in self.phb.roots() {
            self.secondary_reset(bdf, assert);
        }
    }

    /// "Unexpected slot state": the request is refused, and the slot is ready for the next one.
    fn unexpected(&mut self) -> Step {
        self.state.root.end(Step::HARDWARE)
    }

    pub(super) fn phb_hot(&mut self) -> Step {
        if self.phb.is_dead() {
            return Step::HARDWARE;
        }
        match self.state.root.doing {
            Doing::Normal => {
                if !self.phb.has_card() {
                    return Step::DONE;
                }
                self.prepare_link(false);
                self.root_secondary_reset(true);
                self.go(Doing::HotHold, ms(1000))
            }
            Doing::HotHold => {
                self.root_secondary_reset(false);
                self.go(Doing::HotSettle, ms(1000))
            }
            Doing::HotSettle => {
                self.state.root.doing = Doing::LinkStart;
                self.phb_link()
            }
            _ => self.unexpected(),
        }
    }

    pub(super) fn phb_fundamental(&mut self) -> Step {
        if self.phb.is_dead() {
            return Step::HARDWARE;
        }
        let old = self.old();
        match self.state.root.doing {
            Doing::Normal => {
                if old && !self.phb.has_card() {
                    self.phb.perst(false);
                    return Step::DONE;
                }
                self.prepare_link(false);
                if core::mem::take(&mut self.state.root.skip_perst) {
                    return self.release_perst();
                }
                self.phb.perst(true);
                self.go(Doing::FundamentalHold, if old { ms(1000) } else { ms(250) })
            }
            Doing::FundamentalHold => self.release_perst(),
            Doing::FundamentalSettle => {
                self.state.root.doing = Doing::LinkStart;
                self.phb_link()
            }
            _ => self.unexpected(),
        }
    }

    fn release_perst(&mut self) -> Step {
        self.phb.perst(false);
        if self.old() {
            return self.go(Doing::FundamentalSettle, ms(1000));
        }
        self.state.root.doing = Doing::LinkStart;
        self.phb_link()
    }

    /// In whatever state the slot is, this starts from the beginning.
    pub(super) fn complete(&mut self) -> Step {
        if self.phb.is_dead() {
            return Step::HARDWARE;
        }
        let now = self.phb.now();
        match self.state.root.doing {
            Doing::CompleteWait => self.go(Doing::CompleteReinit, if self.old() { ms(100) } else { ms(10) }),
            Doing::CompleteReinit => {
                self.phb.reset_logic();
                let since = now.since(self.state.root.started);
                let rest = if self.old() { Duration::ZERO } else { ms(250).saturating_sub(since) };
                self.go(Doing::CompleteFundamental, rest.max(ms(100)))
            }
            Doing::CompleteFundamental => {
                self.state.root.skip_perst = true;
                self.state.root.doing = Doing::Normal;
                self.phb_fundamental()
            }
            _ => {
                self.state.root.started = now;
                self.root_secondary_reset(false);
                self.prepare_link(false);
                self.phb.perst(true);
                self.phb.close();
                self.go(Doing::CompleteWait, ms(10))
            }
        }
    }

    /// Waits for the link to train; a fence, or a link that does not, makes it start over.
    pub(super) fn phb_link(&mut self) -> Step {
        let (soon, poll) = if self.old() { (ms(100), ms(100)) } else { (ms(1), ms(10)) };
        let fenced = self.phb.is_fenced();
        match self.state.root.doing {
            Doing::Normal | Doing::LinkStart => {
                self.state.root.retries = ELECTRICAL_RETRIES;
                self.go(Doing::LinkElectrical, soon)
            }
            Doing::LinkElectrical | Doing::LinkWait if fenced => self.start_over(),
            Doing::LinkElectrical if self.phb.has_card() => {
                self.state.root.retries = LINK_WAIT_RETRIES;
                self.go(Doing::LinkWait, soon)
            }
            // Nobody there: skiboot gives up with success and leaves the slot in this state.
            Doing::LinkElectrical => self.again(Doing::LinkElectrical, poll).unwrap_or(Step::DONE),
            Doing::LinkWait if self.phb.link_is_up(None) => self.link_up(),
            Doing::LinkWait => match self.again(Doing::LinkWait, poll) {
                Some(step) => step,
                None => self.start_over(),
            },
            Doing::LinkStable if fenced || !self.phb.link_is_up(None) => self.start_over(),
            Doing::LinkStable => {
                self.restore_below(None);
                self.state.root.link_retries = LINK_RETRIES;
                self.state.root.end(Step::DONE)
            }
            _ => self.unexpected(),
        }
    }

    fn link_up(&mut self) -> Step {
        self.prepare_link(true);
        if self.old() {
            self.state.root.link_retries = LINK_RETRIES;
            return self.state.root.end(Step::DONE);
        }
        if self.firmware.quirks().leaves_link_unstable {
            self.state.root.doing = Doing::LinkStable;
            return Step::DONE;
        }
        self.go(Doing::LinkStable, LINK_STABLE)
    }

    fn again(&mut self, doing: Doing, d: Duration) -> Option<Step> {
        self.state.root.retries = self.state.root.retries.checked_sub(1)?;
        Some(self.go(doing, d))
    }

    fn start_over(&mut self) -> Step {
        self.prepare_link(false);
        let Some(left) = self.state.root.link_retries.checked_sub(1) else {
            self.state.root.link_retries = LINK_RETRIES;
            return Step::HARDWARE;
        };
        self.state.root.link_retries = left;
        self.go(Doing::CompleteStart, ms(1))
    }
}
