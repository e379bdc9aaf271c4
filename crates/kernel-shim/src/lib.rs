// SPDX-License-Identifier: GPL-2.0-or-later
//! Linux implementation of the EEH environment traits.
//!
//! Empty on a host: what belongs here uses the kernel's own crate and is built by Kbuild, with
//! `CONFIG_EEH_RUST`. None of it is written yet.
#![no_std]
#![cfg(CONFIG_EEH_RUST)]
