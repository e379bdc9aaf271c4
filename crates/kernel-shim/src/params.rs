// SPDX-License-Identifier: GPL-2.0-or-later
//! What an administrator may set, at boot or at any time.

use core::ffi::CStr;
use core::time::Duration;

use eeh_recovery::Params;
use kernel::ffi::{c_char, c_int};
use kernel::str::{CStrExt, as_char_ptr_in_const_context};

use crate::{bindings, state};

/// A value that debugfs changes at any time. C reads and writes it without a lock; so do we, by
/// single accesses.
#[repr(transparent)]
pub(crate) struct Tunable<T>(core::cell::UnsafeCell<T>);

// SAFETY: every access is a volatile one of a value that a CPU reads and writes at once.
unsafe impl<T: Copy + Send> Sync for Tunable<T> {}

impl<T: Copy> Tunable<T> {
    const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// The value at this moment.
    pub(crate) fn get(&self) -> T {
        // SAFETY: always initialised, and never written in pieces.
        unsafe { self.0.get().read_volatile() }
    }

    /// Where it is, for debugfs.
    pub(crate) const fn as_ptr(&'static self) -> *mut T {
        self.0.get()
    }
}

/// C: `eeh_max_freezes`
pub(crate) static MAX_FREEZES: Tunable<u32> = Tunable::new(5);
/// C: `eeh_debugfs_no_recover`; a byte that debugfs keeps 0 or 1.
pub(crate) static NO_RECOVER: Tunable<bool> = Tunable::new(false);
/// Seconds after which a job is given up.
pub(crate) static JOB_LIMIT: Tunable<u32> = Tunable::new(300);
/// Seconds before devices are added back. C sleeps for 5.
pub(crate) static ADD_BACK_PAUSE: Tunable<u32> = Tunable::new(0);

/// The parameters at this moment.
///
/// # Context
///
/// Any.
pub(crate) fn current() -> Params {
    Params {
        max_freezes: MAX_FREEZES.get(),
        recovery: !NO_RECOVER.get(),
        job_limit: Duration::from_secs(JOB_LIMIT.get().max(1).into()),
        early_log: state::has_flag(bindings::EEH_EARLY_DUMP_LOG),
        add_back_pause: Duration::from_secs(ADD_BACK_PAUSE.get().into()),
        ..Params::default()
    }
}

/// `eeh=off` or `eeh=early_log`. C: `eeh_setup`
extern "C" fn setup(text: *mut c_char) -> c_int {
    // SAFETY: the kernel's command line is terminated, and nobody changes it meanwhile.
    let text = unsafe { CStr::from_char_ptr(text) };
    if text == c"off" {
        state::add_flag(bindings::EEH_FORCE_DISABLED);
    } else if text == c"early_log" {
        state::add_flag(bindings::EEH_EARLY_DUMP_LOG);
    }
    1
}

/// C: `struct obs_kernel_param`
#[repr(C)]
pub(crate) struct SetupEntry {
    text: *const c_char,
    setup: extern "C" fn(*mut c_char) -> c_int,
    early: c_int,
}

// SAFETY: never written, and what it points to is static.
unsafe impl Sync for SetupEntry {}

impl SetupEntry {
    /// A function that takes what stands behind `text` in the kernel's command line.
    pub(crate) const fn new(text: &'static CStr, setup: extern "C" fn(*mut c_char) -> c_int) -> Self {
        Self { text: as_char_ptr_in_const_context(text), setup, early: 0 }
    }
}

/// C: `__setup("eeh=", eeh_setup)`
#[used(linker)]
#[unsafe(
    // SAFETY: the section holds entries of this layout, which are read at boot and then thrown away.
    link_section = ".init.setup"
)]
static SETUP: SetupEntry = SetupEntry::new(c"eeh=", setup);
