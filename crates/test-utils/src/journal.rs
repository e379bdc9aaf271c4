// SPDX-License-Identifier: GPL-2.0-or-later
//! What firmware was asked and what it answered, in order; kept only while somebody wants it.

use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use eeh_pe::Time;

/// One call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Made {
    /// As the kernel's tracepoints name it: OPAL's opcode, or RTAS's name.
    pub name: &'static str,
    /// RTAS: the last number that is an argument, which says what is asked for; OPAL: 0.
    pub function: u32,
    /// The return code.
    pub answer: i64,
    /// RTAS: the first output of a call for a state; else 0.
    pub state: u32,
    /// When it was made.
    pub at: Time,
    /// How long it took.
    pub took: Duration,
}

/// The calls so far.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Option<Vec<Made>>>);

impl Journal {
    /// Keeps calls from now on.
    pub fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// What was kept since, and no more is kept.
    #[must_use]
    pub fn end(&self) -> Vec<Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    pub(crate) fn note(&self, made: Made) {
        if let Some(all) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            all.push(made);
        }
    }
}
