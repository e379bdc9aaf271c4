// SPDX-License-Identifier: GPL-2.0-or-later
//! EEH back end for pSeries (PAPR, RTAS).
//!
//! So far: what the answer of `ibm,read-slot-reset-state2` means. The back end itself, over a trait
//! of the RTAS calls, is not written.
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

mod state;

pub use state::SlotResetState;
