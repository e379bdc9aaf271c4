// SPDX-License-Identifier: GPL-2.0-or-later
//! The files in debugfs's `powerpc`.

use core::ffi::CStr;
use core::ptr;

use eeh_recovery::render::{AddressCache, HistoryReport, OrphanReport, TreeDump};
use eeh_recovery::{Context, DriverKind, ForceRecover, dev_check_failure, force_recover, parse_device};
use kernel::ffi::{c_char, c_int, c_void};
use kernel::str::CStrExt;

use crate::pci::PciDev;
use crate::seq::{Command, EINVAL, ENODEV, FileOps, ReadFile, open_number, open_text, written};
use crate::state::{Eeh, eeh};
use crate::{bindings, breakage, history, interrupt, mailbox, params, registry, seq, state, time};

/// Makes a file; without it EEH works as well.
fn create(name: &CStr, mode: u16, operations: &'static FileOps) {
    // SAFETY: set at boot, before this runs.
    let directory = unsafe { bindings::arch_debugfs_dir };
    let name = name.as_char_ptr();
    // SAFETY: the directory and the operations stay for ever, and so does the file.
    unsafe {
        bindings::debugfs_create_file_unsafe(name, mode, directory, ptr::null_mut(), operations.as_ptr())
    };
}

/// Makes the files. C: `eeh_init_proc`
///
/// # Context
///
/// Boot.
pub(crate) fn init() {
    create(c"eeh_enable", 0o600, &ENABLE);
    create(c"eeh_dev_check", 0o600, &DEV_CHECK);
    create(c"eeh_dev_break", 0o600, &DEV_BREAK);
    create(c"eeh_force_recover", 0o600, &FORCE_RECOVER);
    create(c"eeh_dev_can_recover", 0o600, &DEV_CAN_RECOVER);
    create(c"eeh_address_cache", 0o400, &ADDRESS_CACHE);
    create(c"eeh_pe_tree", 0o400, &PE_TREE);
    create(c"eeh_pe_debug", 0o400, &PE_DEBUG);
    create(c"eeh_history", 0o400, &HISTORY);
    // SAFETY: set at boot, before this runs.
    let directory = unsafe { bindings::arch_debugfs_dir };
    let numbers = [
        (c"eeh_max_freezes", &params::MAX_FREEZES),
        (c"eeh_job_limit", &params::JOB_LIMIT),
        (c"eeh_add_back_pause", &params::ADD_BACK_PAUSE),
    ];
    for (name, value) in numbers {
        // SAFETY: the value is static, and changed by whole words only.
        unsafe { bindings::debugfs_create_u32(name.as_char_ptr(), 0o600, directory, value.as_ptr()) };
    }
    let (name, value) = (c"eeh_disable_recovery".as_char_ptr(), params::NO_RECOVER.as_ptr());
    // SAFETY: as above; C's `bool` is Rust's.
    unsafe { bindings::debugfs_create_bool(name, 0o600, directory, value) };
}

/// A file that shows a text.
macro_rules! text_file {
    ($name:ident, $text:expr) => {
        static $name: FileOps = {
            /// # Safety
            ///
            /// `file` is the one that is being read.
            unsafe extern "C" fn show(file: *mut bindings::seq_file, _data: *mut c_void) -> c_int {
                let Some(registry) = registry() else { return 0 };
                let text = $text(registry);
                // SAFETY: this is the file's `show`.
                unsafe { seq::show(file, &text) }
            }
            /// # Safety
            ///
            /// `file` is being opened.
            unsafe extern "C" fn open(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
                // SAFETY: the file is being opened.
                unsafe { open_text(file, show) }
            }
            FileOps::text(open)
        };
    };
}

text_file!(ADDRESS_CACHE, AddressCache);
text_file!(PE_TREE, TreeDump);
text_file!(PE_DEBUG, |registry| OrphanReport { registry, now: time::now() });
text_file!(HISTORY, |registry| HistoryReport { registry, next: history::after });

static ENABLE: FileOps = {
    /// C: `eeh_enable_dbgfs_get`
    ///
    /// # Safety
    ///
    /// `value` may be written to.
    unsafe extern "C" fn get(_data: *mut c_void, value: *mut u64) -> c_int {
        // SAFETY: the caller's buffer.
        unsafe { value.write(state::enabled().into()) };
        0
    }
    /// C: `eeh_enable_dbgfs_set`
    extern "C" fn set(_data: *mut c_void, value: u64) -> c_int {
        if value == 0 {
            state::add_flag(bindings::EEH_FORCE_DISABLED);
        } else {
            state::clear_flag(bindings::EEH_FORCE_DISABLED);
            interrupt::resume();
        }
        0
    }
    /// # Safety
    ///
    /// `inode` and `file` are being opened.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: both are being opened, and the functions need no data.
        unsafe { open_number(inode, file, get, set) }
    }
    FileOps::number(open)
};

/// A file that takes a command: `$run` gets its text, and answers 0 or a negative error number.
macro_rules! command_file {
    ($name:ident, $run:path, $usage:expr) => {
        static $name: FileOps = {
            /// # Safety
            ///
            /// The arguments are those of a `write`.
            unsafe extern "C" fn write(
                _file: *mut bindings::file,
                from: *const c_char,
                count: usize,
                position: *mut bindings::loff_t,
            ) -> isize {
                // SAFETY: these are the arguments of a `write`.
                match unsafe { Command::take(from, count, position) }.and_then(|command| $run(command.text()))
                {
                    Ok(()) => written(count),
                    Err(error) => error,
                }
            }
            FileOps::command(write, $usage)
        };
    };
}

command_file!(FORCE_RECOVER, recover, None);
command_file!(DEV_CHECK, check, Some(USAGE));
command_file!(DEV_BREAK, break_device, Some(USAGE));
command_file!(DEV_CAN_RECOVER, can_recover, Some(USAGE));

/// How to write to the files that take a device. C: `eeh_debugfs_dev_usage`
const USAGE: ReadFile = {
    /// # Safety
    ///
    /// The arguments are those of a `read`.
    unsafe extern "C" fn read(
        _file: *mut bindings::file,
        to: *mut c_char,
        count: usize,
        position: *mut bindings::loff_t,
    ) -> isize {
        let text = "input format: <domain>:<bus>:<dev>.<fn>\n";
        // SAFETY: these are the arguments of a `read`; so many bytes of the text are there.
        unsafe {
            bindings::simple_read_from_buffer(to.cast(), count, position, text.as_ptr().cast(), text.len())
        }
    }
    read
};

/// C: `eeh_force_recover_write`
fn recover(text: &[u8]) -> Result<(), isize> {
    let command = ForceRecover::parse(text).ok_or(EINVAL)?;
    let Eeh { platform, registry } = eeh().ok_or(ENODEV)?;
    match command {
        ForceRecover::Check => mailbox::check_all(),
        ForceRecover::Pe(phb, number) => {
            let tree = registry.find_phb(phb).and_then(|id| registry.tree(id)).ok_or(ENODEV)?;
            let pe = tree.lock().find(number).map(|pe| pe.id()).ok_or(ENODEV)?;
            // One that waits already is as good; one that has gone meanwhile is not recovered.
            if force_recover(platform, registry, pe) == eeh_pe::Report::Stale {
                return Err(ENODEV);
            }
        }
    }
    Ok(())
}

/// The device that a command names.
fn device(text: &[u8]) -> Result<PciDev, isize> {
    let (phb, bdf) = parse_device(text).ok_or(EINVAL)?;
    PciDev::find(phb.0, bdf).ok_or(ENODEV)
}

/// C: `eeh_dev_check_write`
fn check(text: &[u8]) -> Result<(), isize> {
    let device = device(text)?;
    let raw = device.as_device();
    let Some(id) = device.eeh() else {
        // SAFETY: the format takes no argument, and the device is held.
        unsafe { bindings::_dev_err(raw, c"No eeh_dev for this device!\n".as_char_ptr()) };
        return Err(ENODEV);
    };
    let Eeh { platform, registry } = eeh().ok_or(ENODEV)?;
    let found = dev_check_failure(platform, registry, id, Context::Normal);
    let found = c_int::from(found.is_failure());
    // SAFETY: the device is held.
    let name = unsafe { bindings::dev_name(raw) };
    let format = c"eeh_dev_check_failure(%s) = %d\n".as_char_ptr();
    // SAFETY: the format takes a text, which the device has, and a number.
    unsafe { bindings::_dev_info(raw, format, name, found) };
    Ok(())
}

/// C: `eeh_dev_break_write`
fn break_device(text: &[u8]) -> Result<(), isize> {
    breakage::break_device(&device(text)?)
}

/// C: `eeh_dev_can_recover`
fn can_recover(text: &[u8]) -> Result<(), isize> {
    let aware = device(text)?.driver().is_some_and(|driver| driver.kind() == DriverKind::Aware);
    if aware { Ok(()) } else { Err(-(bindings::EOPNOTSUPP as isize)) }
}
