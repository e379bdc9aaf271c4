// SPDX-License-Identifier: GPL-2.0-or-later
//! `/proc/powerpc/eeh`.

use core::fmt;

use eeh_pe::{Counter, Env, Registry};

/// The counters, in Linux's words and order. C: `proc_eeh_show`
pub struct Proc<'r, E: Env> {
    /// The trees, once there are any.
    pub registry: Option<&'r Registry<E>>,
    /// Whether EEH is enabled. C: `eeh_enabled`
    pub enabled: bool,
}

impl<E: Env> fmt::Display for Proc<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |counter| self.registry.map_or(0, |registry| registry.stats().sum(counter));
        if !self.enabled {
            f.write_str("EEH Subsystem is globally disabled\n")?;
            return writeln!(f, "eeh_total_mmio_ffs={}", count(Counter::TotalMmioFfs));
        }
        f.write_str("EEH Subsystem is enabled\n")?;
        for (name, counter) in [
            ("no device", Counter::NoDevice),
            ("no device node", Counter::NoDn),
            ("no config address", Counter::NoCfgAddr),
            ("check not wanted", Counter::IgnoredCheck),
            ("eeh_total_mmio_ffs", Counter::TotalMmioFfs),
            ("eeh_false_positives", Counter::FalsePositives),
            ("eeh_slot_resets", Counter::SlotResets),
        ] {
            writeln!(f, "{name}={}", count(counter))?;
        }
        Ok(())
    }
}
