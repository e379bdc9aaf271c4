// SPDX-License-Identifier: GPL-2.0-or-later
//! A slot: where a reset is, and when it goes on.

use core::time::Duration;

use eeh_pe::Time;
use eeh_powernv::opal::rc;

/// Marks the id of a slot other than a PHB's (`PCI_SLOT_ID_PREFIX`).
const PREFIX: u64 = 1 << 63;

/// The OPAL id of the PHB that a slot id names.
pub(super) const fn phb_of(id: u64) -> u64 {
    if id & PREFIX == 0 { id } else { id & 0xffff }
}

/// The function that a slot id names; `None`: the PHB itself.
pub(super) fn bdf_of(id: u64) -> Option<u16> {
    (id & PREFIX != 0).then_some((id >> 16) as u16)
}

/// What a slot is doing: skiboot's slot states.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Doing {
    #[default]
    Normal,
    LinkStart,
    LinkElectrical,
    LinkWait,
    LinkStable,
    LinkDelay,
    LinkPolling,
    HotHold,
    HotSettle,
    FundamentalHold,
    FundamentalSettle,
    PowerOff,
    CompleteStart,
    CompleteWait,
    CompleteReinit,
    CompleteFundamental,
}

/// One slot.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    pub doing: Doing,
    /// It goes on at this time, not before.
    pub target: Option<Time>,
    pub retries: u32,
    pub link_retries: u32,
    /// PERST is active already.
    pub skip_perst: bool,
    /// When the complete reset began.
    pub started: Time,
}

/// What a step of a state machine says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Poll again after this.
    Wait(Duration),
    /// A return code: 0 is done.
    Code(i64),
}

impl Step {
    pub(super) const DONE: Self = Self::Code(rc::SUCCESS);
    pub(super) const HARDWARE: Self = Self::Code(rc::HARDWARE);

    /// As OPAL answers it: whole milliseconds, at least `least`.
    pub(super) fn answer(self, least: i64) -> i64 {
        match self {
            Self::Wait(d) => i64::try_from(d.as_millis()).unwrap_or(i64::MAX).max(least),
            Self::Code(c) => c,
        }
    }
}

/// How often skiboot starts over when a link does not come up.
pub(super) const LINK_RETRIES: u32 = 4;

impl Slot {
    /// As boot leaves the slot of a PHB.
    pub(super) fn booted(unstable: bool) -> Self {
        let doing = if unstable { Doing::LinkStable } else { Doing::Normal };
        Self { doing, link_retries: LINK_RETRIES, ..Self::default() }
    }

    /// Goes to `doing` and stays for `d`.
    pub(super) fn wait(&mut self, doing: Doing, now: Time, d: Duration) -> Step {
        self.doing = doing;
        self.target = Some(now.after(d));
        Step::Wait(d)
    }

    /// The rest of the wait in progress.
    pub(super) fn remaining(&mut self, now: Time) -> Option<Duration> {
        let rest = self.target.filter(|&t| now < t).map(|t| t.since(now));
        if rest.is_none() {
            self.target = None;
        }
        rest
    }

    /// Does nothing any more.
    pub(super) fn end(&mut self, step: Step) -> Step {
        self.doing = Doing::Normal;
        step
    }
}

/// `n` milliseconds.
pub(super) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
