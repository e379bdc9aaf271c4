// SPDX-License-Identifier: GPL-2.0-or-later
//! Measures the check paths, and beside each the same work done the way Linux's C does it.

pub mod clike;
pub mod env;
pub mod firmware;
pub mod machine;
pub mod measure;
pub mod ours;
pub mod platform;
pub mod scenario;
pub mod side;
