// SPDX-License-Identifier: GPL-2.0-or-later
//! The recovery state machine: no input or output, no clock, no lock held across a step.

mod action;
mod body;
mod input;
mod note;
mod picture;
mod plan;
mod recovery;
mod request;
mod restore;
mod state;
mod table;

pub use action::{Action, Input, Link, Mark, Poll};
pub(crate) use input::thawed;
pub use note::Note;
pub use picture::{ENTRIES, RecoveryTable};
pub use recovery::{RESET_ATTEMPTS, Recovery};
pub use state::{Cue, Phase};
pub use table::next;
