// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel's log.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use eeh_pe::Time;
use eeh_recovery::RecoveryId;

/// A line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// When.
    pub at: Time,
    /// What.
    pub text: String,
    /// The recovery that it is of.
    pub recovery: Option<RecoveryId>,
}

/// As on a console: `[    1.610467] EEH: ...`
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.at.as_nanos() / 1_000;
        write!(f, "[{:5}.{:06}] {}", us / 1_000_000, us % 1_000_000, self.text)
    }
}

/// Collects lines, or drops them.
#[derive(Debug, Default)]
pub struct Console {
    off: AtomicBool,
    lines: Mutex<Vec<Line>>,
}

impl Console {
    /// Drops everything from here on, and what was collected: a storm prints nothing.
    pub fn silence(&self) {
        self.off.store(true, Ordering::Relaxed);
        let _ = self.take();
    }

    /// Whether lines are dropped.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.off.load(Ordering::Relaxed)
    }

    /// Prints; text of several lines becomes several.
    pub fn print(&self, at: Time, text: &str) {
        self.print_of(at, None, text);
    }

    fn print_of(&self, at: Time, recovery: Option<RecoveryId>, text: &str) {
        if self.is_silent() {
            return;
        }
        crate::discipline::outside_trees("a print");
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend(text.lines().map(|line| Line { at, text: line.to_owned(), recovery }));
    }

    /// Prints what is formatted, if somebody listens, as of a recovery.
    pub fn kernel_of(&self, at: Time, recovery: Option<RecoveryId>, text: &fmt::Arguments<'_>) {
        if !self.is_silent() {
            self.print_of(at, recovery, &text.to_string());
        }
    }

    /// Prints what is formatted only if somebody listens.
    pub fn kernel(&self, at: Time, text: &fmt::Arguments<'_>) {
        if !self.is_silent() {
            self.print(at, &text.to_string());
        }
    }

    /// The lines so far, which are forgotten.
    #[must_use]
    pub fn take(&self) -> Vec<Line> {
        core::mem::take(&mut self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_look_like_the_kernels() {
        let at = Time::from_nanos(3_087_575_572);
        let line = Line { at, text: "EEH: Recovery successful.".to_owned(), recovery: None };
        assert_eq!(line.to_string(), "[    3.087575] EEH: Recovery successful.");
    }

    #[test]
    fn text_of_two_lines_becomes_two() {
        let console = Console::default();
        console.print(Time::ZERO, "one\ntwo");
        assert_eq!(console.take().len(), 2);
        console.silence();
        console.print(Time::ZERO, "three");
        assert!(console.take().is_empty());
    }
}
