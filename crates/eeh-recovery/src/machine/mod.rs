// SPDX-License-Identifier: GPL-2.0-or-later
//! The recovery state machine: no input or output, no clock, no lock held across a step.

mod phase;

pub use phase::Phase;
