// SPDX-License-Identifier: GPL-2.0-or-later
//! One line of lspci's output.

use super::super::address::PciAddress;
use super::super::error::{LineError, quote};

/// What a line is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Line<'a> {
    /// Nothing: the end of a function.
    Blank,
    /// The first line of a function.
    Header(PciAddress),
    /// Bytes of configuration space.
    Hex { offset: usize, bytes: Vec<u8> },
    /// Anything else: what lspci says about the function, or a message of something else.
    Text(&'a str),
}

/// What a header looks like, for messages.
pub(super) const HEADER: &str = "a function's first line, like `0002:03:00.0 Class [0108]: ...`";
/// What a hex line looks like, for messages.
pub(super) const HEX_LINE: &str = "a line of hex bytes, like `00: 36 1b 10 00`";

/// Reads a line. Only lines that begin like a header or a hex line can be wrong.
pub(super) fn parse(number: usize, line: &str) -> Result<Line<'_>, LineError> {
    if line.trim().is_empty() {
        return Ok(Line::Blank);
    }
    let digits = line.bytes().take_while(u8::is_ascii_hexdigit).count();
    let (prefix, rest) = line.split_at(digits);
    if digits == 0 || !rest.starts_with(':') {
        return Ok(Line::Text(line));
    }
    let rest = &rest[1..];
    if rest.is_empty() || rest.starts_with([' ', '\t']) {
        return hex_line(number, prefix, rest);
    }
    let token = line.split_ascii_whitespace().next().unwrap_or_default();
    match token.parse() {
        Ok(address) => Ok(Line::Header(address)),
        Err(error) => Err(LineError::new(number, HEADER, format!("{}: {error}", quote(token)))),
    }
}

fn hex_line<'a>(number: usize, prefix: &str, rest: &str) -> Result<Line<'a>, LineError> {
    let offset = usize::from_str_radix(prefix, 16)
        .ok()
        .filter(|offset| *offset < 4096)
        .ok_or_else(|| LineError::new(number, "an offset below 1000 (hex)", quote(prefix)))?;
    let byte = |text: &str| match text.as_bytes() {
        [hi, lo] if hi.is_ascii_hexdigit() && lo.is_ascii_hexdigit() => u8::from_str_radix(text, 16).ok(),
        _ => None,
    };
    let bytes = rest
        .split_ascii_whitespace()
        .map(|text| byte(text).ok_or_else(|| LineError::new(number, "a byte as two hex digits", quote(text))))
        .collect::<Result<Vec<u8>, _>>()?;
    match bytes.len() {
        0 => Err(LineError::new(number, HEX_LINE, "no bytes after the offset")),
        1..=16 => Ok(Line::Hex { offset, bytes }),
        many => Err(LineError::new(number, "at most 16 bytes in a line", format!("{many}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_lines() {
        assert_eq!(parse(1, "  \t"), Ok(Line::Blank));
        assert_eq!(parse(1, "\tControl: I/O+"), Ok(Line::Text("\tControl: I/O+")));
        assert_eq!(
            parse(1, "lspci: Unable to load libkmod resources: error -2"),
            Ok(Line::Text("lspci: Unable to load libkmod resources: error -2"))
        );
        let header = parse(1, "00:1f.3 SMBus: Intel \u{fffd}").unwrap();
        assert_eq!(header, Line::Header("0000:00:1f.3".parse().unwrap()));
        assert_eq!(parse(1, "1d0: 0a FF"), Ok(Line::Hex { offset: 0x1d0, bytes: vec![0x0a, 0xff] }));
    }

    #[test]
    fn wrong_lines_say_what_was_expected() {
        let message = |line| {
            let LineError { expected, found, .. } = parse(7, line).unwrap_err();
            format!("{expected} | {found}")
        };
        insta::assert_snapshot!(
            [
                "00: 12 3",
                "00: 12 zz",
                "00:",
                "1000: 00",
                "00: 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10",
                "00:20.0 x",
                "00:14",
            ]
            .map(message)
            .join("\n"),
            @r#"
            a byte as two hex digits | `3`
            a byte as two hex digits | `zz`
            a line of hex bytes, like `00: 36 1b 10 00` | no bytes after the offset
            an offset below 1000 (hex) | `1000`
            at most 16 bytes in a line | 17
            a function's first line, like `0002:03:00.0 Class [0108]: ...` | `00:20.0`: the device `20` is above 1f (an address is domain:bus:device.function in hex, like 0002:03:00.0)
            a function's first line, like `0002:03:00.0 Class [0108]: ...` | `00:14`: there is no `.` before a function number (an address is domain:bus:device.function in hex, like 0002:03:00.0)
            "#
        );
    }
}
