// SPDX-License-Identifier: GPL-2.0-or-later
//! A line that tells how a storm goes, where somebody looks.

use core::sync::atomic::Ordering;
use core::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::field::Field;

/// The line. Nothing is drawn when standard error is not a terminal.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(duration: Duration) -> Self {
        let bar = ProgressBar::new(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        let style = ProgressStyle::with_template("{elapsed_precise} {bar:30} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    /// So long it has gone on.
    pub(super) fn at(&self, elapsed: Duration, field: &Field<'_>) {
        self.0.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        let recovered = field.linux.watcher().tally().recovered.load(Ordering::Relaxed);
        let checks = field.counts.checks.load(Ordering::Relaxed);
        let hotplugs = field.counts.hotplugs.load(Ordering::Relaxed);
        self.0.set_message(format!("{checks} checks, {recovered} recovered, {hotplugs} hotplug cycles"));
    }

    /// What it is at now.
    pub(super) fn says(&self, what: &'static str) {
        self.0.set_message(what);
    }

    pub(super) fn ends(&self) {
        self.0.finish_and_clear();
    }
}
