// SPDX-License-Identifier: GPL-2.0-or-later
//! The files that may stand beside a dump and say what configuration space does not.

pub(super) mod address_cache;
pub(super) mod device_tree;
pub(super) mod dmesg;
mod fdt;
pub(super) mod sysfs;

use super::error::{LineError, quote};

/// `0x1f` or `1f`: a hex number.
fn hex(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u64::from_str_radix(digits, 16).ok()
}

/// A range `first-last`, not empty.
fn range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.split_once('-')?;
    Some((hex(first)?, hex(last)?)).filter(|(first, last)| first <= last)
}

/// A line that is not of the form that this file has.
fn unlike(number: usize, form: &str, line: &str) -> LineError {
    LineError::new(number, form, quote(line))
}
