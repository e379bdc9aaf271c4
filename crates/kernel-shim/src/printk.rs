// SPDX-License-Identifier: GPL-2.0-or-later
//! Lines of the kernel's log, as C's `pr_*` print them: without a prefix of ours.

use core::ffi::CStr;
use core::fmt::{self, Write};

use eeh_recovery::Level;
use kernel::str::CStrExt;

use crate::bindings;

/// The longest line; what is longer is printed in pieces. The kernel's own limit is 1024.
const ROOM: usize = 240;

/// C: `KERN_ERR "%.*s\n"` and its like
const fn format(level: Level) -> &'static CStr {
    match level {
        Level::Error => c"\x013%.*s\n",
        Level::Warning => c"\x014%.*s\n",
        Level::Info => c"\x016%.*s\n",
    }
}

/// Collects a text and prints each of its lines as a record of the log.
struct Lines {
    level: Level,
    text: [u8; ROOM],
    len: usize,
}

impl Lines {
    fn flush(&mut self) {
        let len = core::ffi::c_int::try_from(self.len).unwrap_or(0);
        // SAFETY: the format takes a length and that many bytes, which `text` has; printing is
        // allowed in any context.
        unsafe { bindings::_printk(format(self.level).as_char_ptr(), len, self.text.as_ptr()) };
        self.len = 0;
    }
}

impl Write for Lines {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for &byte in s.as_bytes() {
            if byte == b'\n' {
                self.flush();
                continue;
            }
            if self.len == ROOM {
                self.flush();
            }
            if let Some(place) = self.text.get_mut(self.len) {
                *place = byte;
                self.len = self.len.saturating_add(1);
            }
        }
        Ok(())
    }
}

/// Prints a text, each of its lines by itself.
///
/// # Context
///
/// Any.
pub(crate) fn print(level: Level, text: fmt::Arguments<'_>) {
    let mut lines = Lines { level, text: [0; ROOM], len: 0 };
    // Collecting never fails.
    let _ = lines.write_fmt(text);
    if lines.len != 0 {
        lines.flush();
    }
}

/// Prints a line at [`Level::Error`]. C: `pr_err`
macro_rules! pr_err {
    ($($arg:tt)*) => { $crate::printk::print(eeh_recovery::Level::Error, format_args!($($arg)*)) };
}

/// Prints a line at [`Level::Warning`]. C: `pr_warn`
macro_rules! pr_warn {
    ($($arg:tt)*) => { $crate::printk::print(eeh_recovery::Level::Warning, format_args!($($arg)*)) };
}

/// Prints a line at [`Level::Info`]. C: `pr_info`
macro_rules! pr_info {
    ($($arg:tt)*) => { $crate::printk::print(eeh_recovery::Level::Info, format_args!($($arg)*)) };
}

pub(crate) use {pr_err, pr_info, pr_warn};
