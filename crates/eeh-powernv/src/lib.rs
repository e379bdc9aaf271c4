// SPDX-License-Identifier: GPL-2.0-or-later
//! EEH back end for PowerNV (OPAL firmware).
#![no_std]
#![forbid(unsafe_code)]

pub mod opal;
