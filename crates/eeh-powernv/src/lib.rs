// SPDX-License-Identifier: GPL-2.0-or-later
//! EEH back end for PowerNV (OPAL firmware).
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

mod call;
mod config;
mod control;
pub mod diag;
mod fetch;
mod inject;
mod next_error;
pub mod opal;
mod option;
mod phb;
pub mod quirks;
mod reset;
mod state;

#[cfg(test)]
mod testing;

pub use config::all_ones;
pub use eeh_recovery::{InjectError, Injection};
pub use phb::{PhbFacts, PhbModel, Phbs, PowerNv, Standing};
pub use reset::{FLR_SETTLE, HOLD, LINK_DOWN, LONGEST, PENDING_WAITS, Reset};
pub use state::UNAVAILABLE_WAIT;
