// SPDX-License-Identifier: GPL-2.0-or-later
//! Runs simulated Linux over virtual time, on one thread: the same run for the same seed.

mod agenda;
mod fault;
mod finish;
mod inject;
mod outcome;
mod plan;
mod run;
mod tasks;
mod trace;
mod worker;

pub use fault::{Fault, Planned};
pub use outcome::{DeviceReport, Fate, Pause, RecoveryReport, Run};
pub use plan::{Call, Within};
pub use run::{Engine, Stalled};
pub use trace::{Mark, Track};
