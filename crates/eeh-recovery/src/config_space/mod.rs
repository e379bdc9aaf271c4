// SPDX-License-Identifier: GPL-2.0-or-later
//! Configuration space: what is saved, restored and logged.

mod line;

pub use line::{ConfigLine, Registers};
