// SPDX-License-Identifier: GPL-2.0-or-later
//! PEs whose drivers do nothing: who has a slot reset has made its devices quiet before.

use std::sync::{Mutex, MutexGuard, PoisonError};

use eeh_pe::PeId;

/// The PEs whose drivers do nothing, as often as somebody has asked for that.
#[derive(Debug, Default)]
pub(super) struct Quiet(Mutex<Vec<PeId>>);

/// Until this is dropped, drivers of a PE do nothing.
#[derive(Debug)]
pub(super) struct Rest<'a>(&'a Quiet, PeId);

impl Quiet {
    fn lock(&self) -> MutexGuard<'_, Vec<PeId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The drivers of `pe` do nothing from now on.
    pub(super) fn of(&self, pe: PeId) -> Rest<'_> {
        self.lock().push(pe);
        Rest(self, pe)
    }

    /// Whether the drivers of `pe` do nothing.
    pub(super) fn has(&self, pe: PeId) -> bool {
        self.lock().contains(&pe)
    }
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        let mut all = self.0.lock();
        if let Some(at) = all.iter().position(|pe| *pe == self.1) {
            all.swap_remove(at);
        }
    }
}
