// SPDX-License-Identifier: GPL-2.0-or-later
//! EEH back end for pSeries (PAPR, RTAS).
//!
//! | concern                                          | file          |
//! |--------------------------------------------------|---------------|
//! | the calls, as PAPR has them                      | `rtas`        |
//! | what a status word means; firmware that is busy  | `status`      |
//! | which PE a device is in, and its address         | `config_addr` |
//! | a PE's state                                     | `state`       |
//! | enabling EEH, thawing                            | `option`      |
//! | resets, and the one at the start of a kdump      | `reset`, `start` |
//! | bridges after a reset                            | `configure`   |
//! | firmware's error log                             | `error_log`   |
//! | configuration cycles                             | `config`      |
//! | virtual functions                                | `sriov`       |
//! | error injection                                  | `inject`      |
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::arithmetic_side_effects,
        clippy::integer_division,
        clippy::as_conversions
    )
)]

#[cfg(test)]
extern crate std;

mod config;
mod config_addr;
mod configure;
mod control;
mod error_log;
mod inject;
mod option;
mod pseries;
mod reset;
pub mod rtas;
mod sriov;
mod start;
mod state;
mod status;

#[cfg(test)]
mod testing;

pub use config::all_ones;
pub use config_addr::pe_of_vf;
pub use configure::Configure;
pub use eeh_recovery::{InjectError, Injection};
pub use error_log::MAX_LOG;
pub use pseries::PSeries;
pub use reset::{HOLD, Reset, SETTLE, STATE_LIMIT};
pub use rtas::{Address, ErrorClass, Rtas, Services, SlotResetState};
pub use sriov::MAX_PES;
pub use start::StartReset;
pub use state::LONGEST_WAIT;
pub use status::{BUSY_LIMIT, LONGEST_BUSY};
