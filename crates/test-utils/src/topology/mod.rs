// SPDX-License-Identifier: GPL-2.0-or-later
//! Which machine to simulate.

pub mod config;
mod model;

pub use model::{BarSpec, FunctionSpec, MachineSpec, PhbKind, PhbSpec, WindowSpec};
