// SPDX-License-Identifier: GPL-2.0-or-later
//! A simulated POWER machine: hardware, firmware, a PCI core, drivers, time.

pub mod discipline;
pub mod drivers;
pub mod engine;
pub mod hw;
pub mod journal;
mod lies;
pub mod linux;
pub mod opal;
pub mod rtas;
pub mod seeds;
pub mod task;
pub mod topology;
