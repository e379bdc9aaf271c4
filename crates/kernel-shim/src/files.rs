// SPDX-License-Identifier: GPL-2.0-or-later
//! EEH's files that belong to no device, made when filesystems are there.

use kernel::ffi::c_int;

use crate::{bindings, debugfs, procfs};

/// C: `eeh_init_proc`
extern "C" fn init() -> c_int {
    // SAFETY: asks which machine this is.
    let is_ours = unsafe { bindings::eeh_glue_is_pseries() || bindings::eeh_glue_is_powernv() };
    if is_ours {
        procfs::init();
        debugfs::init();
    }
    0
}

/// C: `__initcall(eeh_init_proc)`
#[used(linker)]
// SAFETY: the section holds functions of this type, which are called once at boot.
#[unsafe(link_section = ".initcall6.init")]
static INIT: extern "C" fn() -> c_int = init;
