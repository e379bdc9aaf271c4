// SPDX-License-Identifier: GPL-2.0-or-later
//! A simulated POWER machine.

pub mod topology;
