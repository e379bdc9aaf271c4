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

pub mod opal;
