// SPDX-License-Identifier: GPL-2.0-or-later
//! What may be written to a device's `eeh_pe_state`.
//!
//! Linux looks at nothing of it: each write thaws. Here a state's text is expected, one or two numbers as
//! the file reads, so that what was meant for another file changes nothing.

/// Whether `text` is one number or two, decimal or hexadecimal with `0x`, at most 32 bits, and perhaps a
/// newline.
///
/// # Context
///
/// Any.
#[must_use]
pub fn reads_as_state(text: &[u8]) -> bool {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut words = text.split(|byte| *byte == b' ');
    words.next().is_some_and(is_number) && words.next().is_none_or(is_number) && words.next().is_none()
}

fn is_number(word: &[u8]) -> bool {
    let hex = word.strip_prefix(b"0x").or(word.strip_prefix(b"0X"));
    let Ok(digits) = core::str::from_utf8(hex.unwrap_or(word)) else { return false };
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain && u32::from_str_radix(digits, if hex.is_some() { 16 } else { 10 }).is_ok()
}

#[cfg(test)]
mod tests {
    use super::reads_as_state;

    #[test]
    fn numbers_are_accepted_as_the_file_reads() {
        for text in ["0", "1\n", "0x00000078 0x00000000\n", "0x78", "4294967295", "0XfF"] {
            assert!(reads_as_state(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        for text in [
            "",
            "\n",
            " ",
            "0x",
            "1 2 3",
            "1  2",
            "-1",
            "+1",
            "yes",
            "4294967296",
            "0x100000000",
            "1\n\n",
            "1\0",
        ] {
            assert!(!reads_as_state(text.as_bytes()), "{text:?}");
        }
        assert!(!reads_as_state(&[0xff, 0xfe]));
    }
}
