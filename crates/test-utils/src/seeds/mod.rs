// SPDX-License-Identifier: GPL-2.0-or-later
//! Deterministic simulation: one seed decides the machine, its firmware, drivers and timing, and all
//! that is done to it; checkers that know nothing of recovery judge what became of it.
//!
//! A run has two parts. In the first everything happens. When all is quiet, what the checkers can tell
//! of any machine at rest must hold. Then cards are pushed in, PHBs added, buses scanned and drivers
//! bound; when all is quiet again, whatever was not lost for good by request must be there and work.

mod canary;
mod check;
mod dice;
mod meet;
mod more;
mod once;
mod order;
mod owners;
mod plan;
mod rest;
mod run;
mod scenes;
mod told;
mod vfs;
mod whole;

pub use canary::Canary;
pub use check::{Checker, Violation};
pub use plan::Plan;
pub use run::{Evidence, Failure, Remains, Summary, replay, run, run_twice, run_with};
