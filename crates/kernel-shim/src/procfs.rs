// SPDX-License-Identifier: GPL-2.0-or-later
//! `/proc/powerpc/eeh`.

use core::ptr;

use eeh_recovery::render::Proc;
use kernel::ffi::{c_int, c_void};
use kernel::str::CStrExt;

use crate::{bindings, registry, seq, state};

/// C: `proc_eeh_show`
///
/// # Safety
///
/// `file` is the one that is being read.
unsafe extern "C" fn show(file: *mut bindings::seq_file, _data: *mut c_void) -> c_int {
    let text = Proc { registry: registry(), enabled: state::enabled() };
    // SAFETY: this is the file's `show`.
    unsafe { seq::show(file, &text) }
}

/// Makes the file.
///
/// # Context
///
/// Boot.
pub(crate) fn init() {
    let name = c"powerpc/eeh".as_char_ptr();
    // SAFETY: the name is C's text, `show` needs no data. Without the file EEH works as well.
    unsafe { bindings::proc_create_single_data(name, 0, ptr::null_mut(), Some(show), ptr::null_mut()) };
}
