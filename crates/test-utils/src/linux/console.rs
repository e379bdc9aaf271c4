// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel's log, with firmware's lines between.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use eeh_pe::Time;

/// Who prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// Linux.
    Kernel,
    /// OPAL, at one of its levels.
    Firmware(u8),
}

/// A line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// When.
    pub at: Time,
    /// Who.
    pub source: Source,
    /// What.
    pub text: String,
}

/// As on a console: `[    1.610467] EEH: ...`, firmware's `[    3.087575572,3] PHB#...`.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.at.as_nanos();
        let (seconds, ns) = (ns / 1_000_000_000, ns % 1_000_000_000);
        match self.source {
            Source::Kernel => write!(f, "[{seconds:5}.{:06}] {}", ns / 1_000, self.text),
            Source::Firmware(level) => write!(f, "[{seconds:5}.{ns:09},{level}] {}", self.text),
        }
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
    pub fn print(&self, at: Time, source: Source, text: &str) {
        if self.is_silent() {
            return;
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend(text.lines().map(|line| Line { at, source, text: line.to_owned() }));
    }

    /// Prints a line of the kernel's.
    pub fn kernel(&self, at: Time, text: &fmt::Arguments<'_>) {
        if !self.is_silent() {
            self.print(at, Source::Kernel, &text.to_string());
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
    fn lines_look_like_the_kernels_and_firmwares() {
        let at = Time::from_nanos(3_087_575_572);
        let kernel = Line { at, source: Source::Kernel, text: "EEH: Recovery successful.".to_owned() };
        assert_eq!(kernel.to_string(), "[    3.087575] EEH: Recovery successful.");
        let opal = Line { at, source: Source::Firmware(3), text: "PHB#0000[0:0]: x".to_owned() };
        assert_eq!(opal.to_string(), "[    3.087575572,3] PHB#0000[0:0]: x");
    }

    #[test]
    fn text_of_two_lines_becomes_two() {
        let console = Console::default();
        console.print(Time::ZERO, Source::Kernel, "one\ntwo");
        assert_eq!(console.take().len(), 2);
        console.silence();
        console.print(Time::ZERO, Source::Kernel, "three");
        assert!(console.take().is_empty());
    }
}
