// SPDX-License-Identifier: GPL-2.0-or-later
//! Linux implementation of the EEH environment traits.
#![no_std]
