// SPDX-License-Identifier: GPL-2.0-or-later
//! Runs simulated Linux over virtual time, on one thread: the same run for the same seed.

mod agenda;
mod coverage;
mod fault;
mod finish;
mod inject;
mod outcome;
mod plan;
mod rounds;
mod run;
mod tasks;
mod trace;
mod trace_file;
mod worker;

pub use coverage::Coverage;
pub use fault::{Fault, Planned};
pub use outcome::{DeviceReport, Fate, Pause, RecoveryReport, Run};
pub use plan::{Call, Within};
pub use rounds::{Affected, Round, step_of};
pub use run::{Engine, Stalled};
pub use trace::{Mark, Track};
pub use trace_file::write_trace;
