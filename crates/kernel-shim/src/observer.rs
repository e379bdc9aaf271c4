// SPDX-License-Identifier: GPL-2.0-or-later
//! Who is told what happens: the kernel's log.

use core::fmt;

use eeh_pe::Time;
use eeh_recovery::{Event, Level, Observer, PhbTarget};

use crate::printk;

/// The kernel's log.
#[derive(Debug)]
pub(crate) struct KernelObserver;

impl Observer for KernelObserver {
    fn event(&self, _now: Time, event: &Event) {
        if event.is_logged() {
            printk::print(event.level(), format_args!("{event}"));
        }
    }

    fn line(&self, _now: Time, _phb: &PhbTarget, line: fmt::Arguments<'_>) {
        printk::print(Level::Info, line);
    }
}
