// SPDX-License-Identifier: GPL-2.0-or-later
//! C's types, constants and functions: the kernel crate's, and what it lacks.

pub(crate) use generated::*;
pub(crate) use kernel::bindings::*;

// The kernel crate has only its name.
pub(crate) use generated::hotplug_slot;

/// Made by bindgen from `linux/eeh-rs/bindings_helper.h`.
mod generated {
    #![allow(
        non_camel_case_types,
        non_upper_case_globals,
        non_snake_case,
        unreachable_pub,
        improper_ctypes,
        dead_code,
        clippy::all,
        reason = "generated, and different with each configuration"
    )]

    // Types that the kernel crate has are taken from there.
    use kernel::bindings::*;
    use kernel::ffi;

    include!(env!("EEH_BINDINGS"));
}
