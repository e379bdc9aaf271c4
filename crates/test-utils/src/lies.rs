// SPDX-License-Identifier: GPL-2.0-or-later
//! What firmware has been told to lie, of either platform.

use core::fmt::Debug;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is told of one call, and when.
pub trait Told: Clone + Debug {
    /// Names a call.
    type Call: Ord + Copy + Debug;

    /// The call.
    fn call(&self) -> Self::Call;

    /// How many calls from now on answer the truth first, and how many lie.
    fn turns(&mut self) -> (&mut u32, &mut u32);
}

#[derive(Debug)]
struct Talk<L: Told> {
    lies: Vec<L>,
    calls: BTreeMap<L::Call, u32>,
}

/// The lies, and how often calls were made.
#[derive(Debug)]
pub(crate) struct Lies<L: Told>(Mutex<Talk<L>>);

impl<L: Told> Default for Lies<L> {
    fn default() -> Self {
        Self(Mutex::new(Talk { lies: Vec::new(), calls: BTreeMap::new() }))
    }
}

impl<L: Told> Lies<L> {
    fn talk(&self) -> MutexGuard<'_, Talk<L>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this is told too; of two lies about a call, the older comes first.
    pub(crate) fn tell(&self, lie: L) {
        self.talk().lies.push(lie);
    }

    /// From now on the truth is told.
    pub(crate) fn repent(&self) {
        self.talk().lies.clear();
    }

    /// How often a call was made while there was something to lie about.
    pub(crate) fn calls(&self, call: L::Call) -> u32 {
        self.talk().calls.get(&call).copied().unwrap_or(0)
    }

    /// What a call answers, if it lies.
    pub(crate) fn next(&self, call: L::Call) -> Option<L> {
        let mut talk = self.talk();
        if talk.lies.is_empty() {
            return None;
        }
        *talk.calls.entry(call).or_default() += 1;
        talk.lies.iter_mut().filter(|lie| lie.call() == call).find_map(|lie| {
            let (after, times) = lie.turns();
            match (*after, *times) {
                (_, 0) => None,
                (0, u32::MAX) => Some(Some(lie.clone())),
                (0, _) => {
                    *times -= 1;
                    Some(Some(lie.clone()))
                }
                _ => {
                    *after -= 1;
                    Some(None)
                }
            }
        })?
    }
}

/// Firmware that tells the truth until it is told to lie.
#[derive(Debug)]
pub struct Liar<F, L: Told> {
    honest: F,
    lies: Lies<L>,
}

impl<F, L: Told> Liar<F, L> {
    /// Over firmware that is honest.
    #[must_use]
    pub fn new(honest: F) -> Self {
        Self { honest, lies: Lies::default() }
    }

    /// The honest firmware.
    #[must_use]
    pub const fn honest(&self) -> &F {
        &self.honest
    }

    /// From now on it tells this too; of two lies about a call, the older comes first.
    pub fn tell(&self, lie: L) {
        self.lies.tell(lie);
    }

    /// From now on it tells the truth.
    pub fn repent(&self) {
        self.lies.repent();
    }

    /// How often the call was made since the first lie.
    #[must_use]
    pub fn calls(&self, call: L::Call) -> u32 {
        self.lies.calls(call)
    }

    /// What a call answers, if it lies.
    pub(crate) fn next(&self, call: L::Call) -> Option<L> {
        self.lies.next(call)
    }
}
