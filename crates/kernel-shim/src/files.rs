// SPDX-License-Identifier: GPL-2.0-or-later
//! EEH's files that belong to no device, made when filesystems are there.

use kernel::ffi::c_int;

use crate::{debugfs, procfs, state};

/// C: `eeh_init_proc`
extern "C" fn init() -> c_int {
    if state::is_pseries() || state::is_powernv() {
        procfs::init();
        debugfs::init();
    }
    0
}

/// C: `__initcall(eeh_init_proc)`
#[used(linker)]
#[unsafe(
    // SAFETY: the section holds functions of this type, which are called once at boot.
    link_section = ".initcall6.init"
)]
static INIT: extern "C" fn() -> c_int = init;
