// SPDX-License-Identifier: GPL-2.0-or-later
//! EEH back end for pSeries (PAPR, RTAS).
#![no_std]
