// SPDX-License-Identifier: GPL-2.0-or-later
//! Who has what: ownership by a count of its own, and what is frozen in an owner's hands.

use eeh_pe::{DeviceFlags, DeviceId, PeFlags, PeId, PeNumber, Time};
use eeh_recovery::{OwnerError, OwnerReset, PcieReset, SetOption};

use super::check::{Checker, Verdict};
use super::plan::Plan;
use crate::hw::{Happened, Stopped};
use crate::linux::{Grant, SimDevice, SimLinux, SimPhb, Wish};

/// What owners, drivers and administrators have asked for and got, as an account of its own.
#[derive(Debug, Default)]
pub(super) struct Account {
    grants: Vec<Grant>,
}

/// What a wish that was granted does to a freeze.
const fn changes(wish: Wish) -> bool {
    !matches!(
        wish,
        Wish::Release | Wish::Configure | Wish::Inject | Wish::Mark | Wish::Option(SetOption::Freeze)
    )
}

/// Whether it was begun, so that it may have stopped something: one that takes steps may have come as far
/// as the first.
fn has_stopped(grant: &Grant) -> bool {
    let steps = matches!(grant.wish, Wish::Reset | Wish::Recover | Wish::ResetAndRecover);
    grant.wish.stops() && (steps || matches!(grant.answer, Ok(()) | Err(OwnerError::Failed)))
}

impl Account {
    pub(super) fn new(grants: Vec<Grant>) -> Self {
        Self { grants }
    }

    /// Somebody has had a device open since boot.
    pub(super) fn open_at_boot(&mut self, device: &SimDevice, id: DeviceId, pe: PeId) {
        self.grants.push(Grant {
            from: Time::ZERO,
            at: Time::ZERO,
            phb: device.phb_number(),
            bdf: device.bdf(),
            device: Some(id),
            pe: Some(pe),
            number: None,
            wish: Wish::Open,
            answer: Ok(()),
        });
    }

    /// How many wishes were granted.
    pub(super) fn granted(&self) -> usize {
        self.grants.iter().filter(|grant| grant.answer.is_ok()).count()
    }

    /// Whether somebody has asked for something that stops a PE or leaves it as it is.
    pub(super) fn touched(&self, pe: PeId) -> bool {
        self.grants.iter().any(|grant| grant.pe == Some(pe) && (grant.wish.stops() || grant.answer.is_err()))
    }

    /// Whether somebody has had anything done with a PE of EEH's number, also with one that is gone: what is
    /// pulled out of a guest's hands stays frozen until somebody finds it so.
    pub(super) fn touched_number(&self, phb: u32, number: u32) -> bool {
        self.grants.iter().any(|grant| grant.phb == phb && grant.number == Some(PeNumber(number)))
    }

    /// Whether somebody may have stopped any PE of a PHB.
    pub(super) fn touches(&self, phb: u32) -> bool {
        self.grants.iter().any(|grant| grant.phb == phb && grant.wish.stops())
    }

    /// When somebody may have stopped a PE by EEH's number.
    pub(super) fn stopped(&self, phb: u32, number: u32) -> impl Iterator<Item = Time> {
        let mine = self.grants.iter().filter(move |g| g.phb == phb && g.number == Some(PeNumber(number)));
        mine.filter(|grant| grant.wish.stops()).flat_map(|grant| [grant.from, grant.at])
    }

    /// Whether somebody may have stopped a PE of a PHB in that time.
    pub(super) fn stops_within(&self, phb: u32, from: Time, to: Time) -> bool {
        let meets = |grant: &Grant| grant.at > from && grant.from <= to;
        self.grants.iter().any(|grant| grant.phb == phb && has_stopped(grant) && meets(grant))
    }

    /// Between when and when somebody has stopped a PE by EEH's number; at which moment, nobody knows.
    pub(super) fn spans(&self, phb: u32, number: u32) -> impl Iterator<Item = (Time, Time)> {
        let mine = self.grants.iter().filter(move |g| g.phb == phb && g.number == Some(PeNumber(number)));
        mine.filter(|grant| has_stopped(grant)).map(|grant| (grant.from, grant.at))
    }

    /// How often a device is open.
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else opens or releases")]
    fn opens(&self, device: DeviceId) -> u32 {
        let mine = self.grants.iter().filter(|grant| grant.device == Some(device) && grant.answer.is_ok());
        mine.fold(0, |opens: u32, grant| match grant.wish {
            Wish::Open => opens.saturating_add(1),
            Wish::Release => opens.saturating_sub(1),
            _ => opens,
        })
    }

    /// Whether somebody has a reset of the PE asserted, or may have.
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else asserts or releases")]
    pub(super) fn holds(&self, pe: PeId) -> bool {
        self.grants.iter().filter(|grant| grant.pe == Some(pe)).fold(false, |held, grant| match grant.wish {
            Wish::Step(OwnerReset::Hot | OwnerReset::Fundamental)
            | Wish::Pcie(PcieReset::Hot | PcieReset::Warm) => held || grant.answer.is_ok(),
            Wish::Step(OwnerReset::Deassert) | Wish::Pcie(PcieReset::Deassert) => {
                held && grant.answer.is_err()
            }
            // These end a reset of their own, or may not.
            Wish::Reset | Wish::Recover => held || grant.answer.is_err(),
            _ => held,
        })
    }

    /// Whether somebody else than the host has changed the state of a PE since `at`.
    fn has_changed_since(&self, pe: PeId, at: Time) -> bool {
        self.grants.iter().any(|grant| grant.pe == Some(pe) && grant.at >= at && changes(grant.wish))
    }
}

/// PASSED is what the account says; and what froze in an owner's hands is still frozen.
pub(super) fn check(plan: &Plan, linux: &SimLinux, phb: &SimPhb, account: &Account, verdict: &mut Verdict) {
    let Some(tree) = linux.registry().tree(phb.tree()) else { return };
    let pes: Vec<(PeId, PeFlags, Vec<DeviceId>, bool)> = {
        let guard = tree.lock();
        let Some(root) = guard.root() else { return };
        let all = root.subtree().map(|pe| {
            let lost = pe.devices().any(|device| device.flags().contains(DeviceFlags::LOCK_LOST));
            (pe.id(), pe.flags(), pe.devices().map(|device| device.id()).collect(), lost)
        });
        all.collect()
    };
    for (pe, flags, devices, lost) in pes {
        let guard = tree.lock();
        for device in &devices {
            let (has, due) = (guard.opens(*device), account.opens(*device));
            verdict.expect(Checker::Owners, has == due, || {
                format!("{phb:?}: {device:?} is open {has} times, not {due} times")
            });
        }
        drop(guard);
        let open = devices.iter().any(|device| account.opens(*device) > 0);
        verdict.expect(Checker::Owners, flags.contains(PeFlags::PASSED) == open, || {
            format!("{phb:?}: {pe:?} is {flags:?}, and open: {open}")
        });
        if open && !lost && !plan.has_stuck_drivers() {
            stays_frozen(linux, phb, pe, account, verdict);
        }
    }
}

fn stays_frozen(linux: &SimLinux, phb: &SimPhb, pe: PeId, account: &Account, verdict: &mut Verdict) {
    let Some(hardware) = linux.hardware(phb.number().0) else { return };
    // A partition has no way to freeze again what a reset of the platform's has thawed.
    if linux.rtas().is_some() || hardware.is_dead() || hardware.is_fenced() {
        return;
    }
    let Some(number) = linux.registry().peek(pe).map(|view| view.number.0) else { return };
    let froze = hardware.history().into_iter().filter(|change| change.what == Happened::Froze(number));
    let Some(froze) = froze.map(|change| change.at).max() else { return };
    let thawed = hardware.stopped(number) == Stopped::NO;
    let opened = account.grants.iter().any(|g| g.pe == Some(pe) && g.wish == Wish::Open && g.at < froze);
    verdict.expect(Checker::Owners, !opened || !thawed || account.has_changed_since(pe, froze), || {
        format!("{phb:?} PE {number:x} froze at {froze:?} in its owner's hands, and the host has thawed it")
    });
}
