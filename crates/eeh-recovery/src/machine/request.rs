// SPDX-License-Identifier: GPL-2.0-or-later
//! What is asked for, as recoveries without drivers: they share the phases from the reset to the thaw.

use eeh_pe::{Bdf, Env, PeFlags, PeHold, VfInfo};

use super::action::Action;
use super::recovery::Recovery;
use super::state::{Cue, Phase};
use crate::ask::{Ask, By};
use crate::{JobAnswer, Thaw};

impl<'r, E: Env> Recovery<'r, E> {
    /// What somebody asks the worker to do with `root`, whose devices are on `bus`.
    #[must_use]
    pub fn requested(root: PeHold<'r, E>, bus: u8, ask: Ask) -> Self {
        let entry = match ask {
            Ask::Thaw(_) | Ask::Configure | Ask::ChangeOwner | Ask::Disown => Phase::Asked,
            Ask::Reset(_, By::Owner) => Phase::Reset,
            Ask::Reset(_, By::Driver(_)) | Ask::ResetAndRecover => Phase::SaveState,
            Ask::Deassert(_) => Phase::Settle,
        };
        let mut recovery = Self::begin(root, bus, core::time::Duration::ZERO, false, entry);
        recovery.ask = Some(ask);
        recovery
    }

    /// The action of [`Phase::Asked`]. What changes hands was resolved by the worker.
    pub(super) fn asked(&self) -> Action {
        match self.ask {
            Some(Ask::Configure) => Action::Configure,
            Some(Ask::Thaw(what)) => Action::Thaw(what),
            Some(
                Ask::ChangeOwner | Ask::Disown | Ask::Reset(..) | Ask::Deassert(_) | Ask::ResetAndRecover,
            )
            | None => Action::Thaw(Thaw::All),
        }
    }

    /// What a cue of a recovery means where no driver is told and nobody is given up.
    pub(super) fn as_asked(&self, cue: Cue) -> Cue {
        let Some(ask) = self.ask else { return cue };
        match (self.phase, cue) {
            (Phase::Reset, Cue::Finished) if ask.holds() => Cue::Held,
            (Phase::Unfreeze, Cue::Finished) => Cue::NoDrivers,
            (_, Cue::GaveUp) => Cue::Refused,
            (_, other) => other,
        }
    }

    /// The next virtual function that was removed for this recovery: its PE was kept and is empty.
    pub(super) fn next_vf(&self) -> Option<VfInfo> {
        self.gone_vf(self.vf)
    }

    fn gone_vf(&self, after: Option<Bdf>) -> Option<VfInfo> {
        let tree = self.root.tree()?;
        let guard = tree.lock();
        let root = guard.pe(self.root.id())?;
        let mut next: Option<VfInfo> = None;
        for pe in root.subtree().filter(|pe| pe.flags().contains(PeFlags::KEEP)) {
            let Some(vf) = pe.vf().filter(|_| pe.devices().next().is_none()) else { continue };
            if after.is_none_or(|done| vf.bdf > done) && next.is_none_or(|next| vf.bdf < next.bdf) {
                next = Some(vf);
            }
        }
        next
    }

    /// Adds the next one, or ends the phase.
    pub(super) fn each_vf(&mut self) -> Option<Action> {
        if let Some(vf) = self.next_vf() {
            return Some(Action::AddVf(vf));
        }
        self.vfs_tried();
        None
    }

    /// All were added, or cannot be.
    fn vfs_tried(&mut self) {
        self.missing = self.gone_vf(None).is_some();
        if !self.missing {
            self.vfs_added();
        }
    }

    pub(super) fn vfs_added(&mut self) {
        let alone = self.phase == Phase::AddBack && self.complete;
        self.finish(if alone { Cue::Unaware } else { Cue::Finished });
    }

    /// A virtual function was added, or is not there any more.
    pub(super) fn vf_job(&mut self, vf: VfInfo, answer: JobAnswer) {
        self.vf = Some(vf.bdf);
        match answer {
            JobAnswer::Died => self.cue(Cue::JobLost),
            // A virtual function's own recovery has no other.
            _ if self.phase == Phase::AddBack => self.vfs_tried(),
            JobAnswer::Gone => self.cue(Cue::DeviceGone),
            JobAnswer::Present
            | JobAnswer::Absent
            | JobAnswer::Reported(_)
            | JobAnswer::NoDriver
            | JobAnswer::NotAware
            | JobAnswer::NoHandler
            | JobAnswer::TooLate
            | JobAnswer::Done => self.cue(Cue::Answered),
        }
    }
}
