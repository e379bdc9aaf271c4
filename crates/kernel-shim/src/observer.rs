// SPDX-License-Identifier: GPL-2.0-or-later
//! Who is told what happens: the kernel's log, and the history.

use core::fmt;

use eeh_pe::Time;
use eeh_recovery::{Event, Level, Observer, PhbTarget, RecoveryId};

use crate::{history, printk};

/// The kernel's log, and the history.
#[derive(Debug)]
pub(crate) struct KernelObserver;

impl Observer for KernelObserver {
    fn event(&self, now: Time, event: &Event) {
        history::note(now, event);
        if event.is_logged() {
            printk::print(event.level(), format_args!("{event}"));
        }
    }

    fn line(&self, _now: Time, _phb: &PhbTarget, _recovery: Option<RecoveryId>, line: fmt::Arguments<'_>) {
        printk::print(Level::Info, line);
    }
}
