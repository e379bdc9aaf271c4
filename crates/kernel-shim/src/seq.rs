// SPDX-License-Identifier: GPL-2.0-or-later
//! Files that show a text, made anew each time they are opened.

use core::fmt::{self, Display, Write};
use core::ptr;

use kernel::ffi::{c_int, c_void};
use kernel::str::CStrExt;

use crate::bindings;

/// What is being read. The kernel shows it again with more room when there was too little.
struct Seq(*mut bindings::seq_file);

impl Write for Seq {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: the file is open while its text is made. The call takes what fits.
        unsafe { bindings::seq_write(self.0, text.as_ptr().cast(), text.len()) };
        Ok(())
    }
}

/// Writes a text into the file that is being read.
///
/// # Safety
///
/// `file` is the argument of a `show` function that runs.
pub(crate) unsafe fn show(file: *mut bindings::seq_file, text: &dyn Display) -> c_int {
    // What does not fit is shown again.
    let _ = write!(Seq(file), "{text}");
    0
}

/// C: the type of `show` of `single_open`
pub(crate) type Show = unsafe extern "C" fn(*mut bindings::seq_file, *mut c_void) -> c_int;

/// Operations on a file, which are never changed.
pub(crate) struct FileOps(bindings::file_operations);

// SAFETY: never written after it was made, and holds pointers to functions only.
unsafe impl Sync for FileOps {}

impl FileOps {
    /// No operation at all.
    // SAFETY: null pointers and no functions.
    const NONE: bindings::file_operations = unsafe { core::mem::zeroed() };

    /// A file that is read as a text; `open` calls [`open_text`].
    pub(crate) const fn text(open: Open) -> Self {
        Self(bindings::file_operations {
            open: Some(open),
            read: Some(bindings::seq_read),
            llseek: Some(bindings::seq_lseek),
            release: Some(bindings::single_release),
            ..Self::NONE
        })
    }

    /// A file that takes commands; `read` tells of their form.
    pub(crate) const fn command(write: WriteFile, read: Option<ReadFile>) -> Self {
        Self(bindings::file_operations {
            open: Some(bindings::simple_open),
            write: Some(write),
            read,
            ..Self::NONE
        })
    }

    /// A number that is read and written; `open` calls [`open_number`].
    pub(crate) const fn number(open: Open) -> Self {
        Self(bindings::file_operations {
            open: Some(open),
            release: Some(bindings::simple_attr_release),
            read: Some(bindings::debugfs_attr_read),
            write: Some(bindings::debugfs_attr_write),
            ..Self::NONE
        })
    }

    /// For C.
    pub(crate) const fn as_ptr(&'static self) -> *const bindings::file_operations {
        ptr::from_ref(&self.0)
    }
}

/// C: the type of `file_operations.open`
pub(crate) type Open = unsafe extern "C" fn(*mut bindings::inode, *mut bindings::file) -> c_int;
/// C: the type of `file_operations.write`
pub(crate) type WriteFile = unsafe extern "C" fn(
    *mut bindings::file,
    *const kernel::ffi::c_char,
    usize,
    *mut bindings::loff_t,
) -> isize;
/// C: the type of `file_operations.read`
pub(crate) type ReadFile = unsafe extern "C" fn(
    *mut bindings::file,
    *mut kernel::ffi::c_char,
    usize,
    *mut bindings::loff_t,
) -> isize;

/// Opens a file that `show` writes.
///
/// # Safety
///
/// `file` is being opened.
pub(crate) unsafe fn open_text(file: *mut bindings::file, show: Show) -> c_int {
    // SAFETY: the caller's promise; `show` needs no data.
    unsafe { bindings::single_open(file, Some(show), ptr::null_mut()) }
}

/// C: the type of `get` of `simple_attr_open`
pub(crate) type Get = unsafe extern "C" fn(*mut c_void, *mut u64) -> c_int;
/// C: the type of `set` of `simple_attr_open`
pub(crate) type Set = unsafe extern "C" fn(*mut c_void, u64) -> c_int;

/// Opens a number that is shown in hexadecimal.
///
/// # Safety
///
/// `inode` and `file` are being opened, and the inode's data are what `get` and `set` take.
pub(crate) unsafe fn open_number(
    inode: *mut bindings::inode,
    file: *mut bindings::file,
    get: Get,
    set: Set,
) -> c_int {
    let format = c"0x%llx\n".as_char_ptr();
    // SAFETY: the caller's promise; the format takes one number, and lives for ever.
    unsafe { bindings::simple_attr_open(inode, file, Some(get), Some(set), format) }
}

/// The longest command: longer ones are none.
const LONGEST: usize = 80;

/// A command that somebody writes.
pub(crate) struct Command {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Command {
    /// Takes what is written; a negative error number where that cannot be a command.
    ///
    /// # Safety
    ///
    /// The arguments are those of a `write` function that runs.
    pub(crate) unsafe fn take(
        from: *const kernel::ffi::c_char,
        count: usize,
        position: *mut bindings::loff_t,
    ) -> Result<Self, isize> {
        let mut command = Self { bytes: [0; LONGEST], len: 0 };
        if count > LONGEST {
            return Err(EINVAL);
        }
        let to = command.bytes.as_mut_ptr();
        // SAFETY: no more than `LONGEST` bytes are taken; the rest is the caller's promise.
        let taken =
            unsafe { bindings::simple_write_to_buffer(to.cast(), LONGEST, position, from.cast(), count) };
        match usize::try_from(taken) {
            // The second write to a file that is open: what came before is gone.
            Ok(len) if len == count => {
                command.len = len;
                Ok(command)
            }
            Ok(_) => Err(EINVAL),
            Err(_) => Err(taken),
        }
    }

    /// Its text.
    pub(crate) fn text(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// C: `-EINVAL`
pub(crate) const EINVAL: isize = -(bindings::EINVAL as isize);
/// C: `-ENODEV`
pub(crate) const ENODEV: isize = -(bindings::ENODEV as isize);

/// The number of bytes that a `write` function has dealt with.
pub(crate) fn written(count: usize) -> isize {
    isize::try_from(count).unwrap_or(isize::MAX)
}
