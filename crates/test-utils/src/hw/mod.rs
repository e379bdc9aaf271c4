// SPDX-License-Identifier: GPL-2.0-or-later
//! The hardware of a simulated machine: PHBs with frozen PEs and fences, bridges that route by the
//! numbers they remember, functions that forget at reset and need time to come back.
//!
//! ```text
//!  Machine ── Phb (a lock each) ── Pest          PE states (PEST A/B, PEEV)
//!                               ├─ Decoder       CPU address -> PE, BAR, function
//!                               └─ Fabric        functions, buses, links, reset lines
//! ```
//!
//! Time comes from a [`SimClock`]; a link or a device is a function of times noted at a reset, so the
//! same machine serves real threads and a single-threaded engine in virtual time. There is no lock
//! common to two PHBs.

mod access;
#[cfg(test)]
mod chaos;
mod clock;
mod config;
mod decode;
mod diag;
mod fabric;
mod faults;
mod function;
mod history;
mod hotplug;
mod inject;
mod layout;
mod machine;
mod mmio;
mod pest;
mod phb;
mod platform;
mod query;
mod resets;
mod sriov;
#[cfg(test)]
mod tests;
mod wire;

pub use access::Shut;
pub use clock::{ScaledClock, SimClock, VirtualClock};
pub use faults::CannotBreak;
pub use function::{REGISTER_FILE, Resets, Timing};
pub use history::{Change, Happened};
pub use inject::{InjectOn, Injection};
pub use machine::Machine;
pub use mmio::Refused;
pub use pest::Stopped;
pub use phb::{ConfigWhenFrozen, ErrorHook, HubError, Phb, PhbParams};
pub use wire::Wire;
