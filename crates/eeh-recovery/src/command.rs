// SPDX-License-Identifier: GPL-2.0-or-later
//! What an administrator writes into EEH's files.
//!
//! C scans a prefix of what is written and takes whatever follows. Here a text is a command as a whole or
//! is none: numbers are hexadecimal, with or without `0x`; space around them is ignored.

use eeh_pe::{Bdf, PeNumber, PhbNumber};

/// A write to `eeh_force_recover`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForceRecover {
    /// `hwcheck`: firmware is asked for errors of all PHBs.
    Check,
    /// `<phb>:<pe>`: this PE is recovered.
    Pe(PhbNumber, PeNumber),
}

impl ForceRecover {
    /// The command; `None` of any other text.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = trimmed(text)?;
        if text == "hwcheck" {
            return Some(Self::Check);
        }
        let (phb, pe) = text.split_once(':')?;
        Some(Self::Pe(PhbNumber(hex(phb)?), PeNumber(hex(pe)?)))
    }
}

/// `<domain>:<bus>:<device>.<function>`, as `eeh_dev_check` and its like take it; `None` of any other
/// text. C: `eeh_debug_lookup_pdev`
#[must_use]
pub fn parse_device(text: &[u8]) -> Option<(PhbNumber, Bdf)> {
    let (domain, rest) = trimmed(text)?.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    let small = |text| u8::try_from(hex(text)?).ok();
    Some((PhbNumber(hex(domain)?), Bdf::new(small(bus)?, small(device)?, small(function)?)?))
}

/// A write to `err_injct`: `<pe>:<type>:<function>:<address>:<mask>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InjectCommand {
    /// The PE.
    pub pe: PeNumber,
    /// The type of error.
    pub kind: u32,
    /// Its function.
    pub function: u32,
    /// The address to hit.
    pub address: u64,
    /// The bits of the address that count.
    pub mask: u64,
}

impl InjectCommand {
    /// The command; `None` of any other text. C: `pnv_eeh_ei_write`
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut words = trimmed(text)?.split(':');
        let mut word = || hex_wide(words.next()?);
        let mut small = || u32::try_from(word()?).ok();
        let (pe, kind, function) = (PeNumber(small()?), small()?, small()?);
        let (address, mask) = (word()?, word()?);
        words.next().is_none().then_some(Self { pe, kind, function, address, mask })
    }
}

/// The text without space around it, up to a terminating zero.
fn trimmed(text: &[u8]) -> Option<&str> {
    let text = text.split(|&byte| byte == 0).next()?;
    core::str::from_utf8(text).ok().map(str::trim_ascii)
}

fn hex(text: &str) -> Option<u32> {
    u32::try_from(hex_wide(text)?).ok()
}

/// A number without a sign, which Rust's own parser would take.
fn hex_wide(text: &str) -> Option<u64> {
    let text = text.trim_ascii();
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pe_is_named_by_two_hexadecimal_numbers() {
        let pe = |phb, pe| Some(ForceRecover::Pe(PhbNumber(phb), PeNumber(pe)));
        assert_eq!(ForceRecover::parse(b"0:1fd\n"), pe(0, 0x1fd));
        assert_eq!(ForceRecover::parse(b" 0x21:0X1 "), pe(0x21, 1));
        assert_eq!(ForceRecover::parse(b"ffffffff:ffffffff"), pe(u32::MAX, u32::MAX));
        assert_eq!(ForceRecover::parse(b"hwcheck\n"), Some(ForceRecover::Check));
    }

    #[test]
    fn hazard_5_18_what_is_no_command_is_none() {
        for text in [
            &b""[..],
            b"\n",
            b":",
            b"0",
            b"0:",
            b":1",
            b"0:1:2",
            b"0:1fdx",
            b"0:g",
            b"-1:1",
            b"0:+1",
            b"0:-1",
            b"100000000:1",
            b"0:100000000",
            b"hwcheckx",
            b"hwchec",
            b"0x:1",
            b"\xff\xfe:1",
            b"0 1",
            b"0:1ffffffffffffffffff",
            b"\x00:1",
        ] {
            assert_eq!(ForceRecover::parse(text), None, "{text:?}");
        }
        for text in [
            &b"0:1:2"[..],
            b"0:0:0.8",
            b"0:0:20.0",
            b"0:100:0.0",
            b"0000:01:00",
            b"0000:01:00.0x",
            b"",
            b"0000:01:00.-1",
            b"10000000000:1:0.0",
            b"0000:01:00.0 0000:02:00.0",
        ] {
            assert_eq!(parse_device(text), None, "{text:?}");
        }
        for text in [
            &b""[..],
            b"1:0:0:0",
            b"1:0:0:0:0:0",
            b"1:0:0:0:10000000000000000",
            b"1:0:100000000:0:0",
            b"g:0:0:0:0",
        ] {
            assert_eq!(InjectCommand::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn devices_and_injections_are_read_as_linux_prints_them() {
        let bdf = Bdf::new(1, 0x1f, 7).expect("fits");
        assert_eq!(parse_device(b"0002:01:1f.7\n"), Some((PhbNumber(2), bdf)));
        let command = InjectCommand {
            pe: PeNumber(0x1fd),
            kind: 1,
            function: 0x13,
            address: 0x6000_8000_0000,
            mask: u64::MAX,
        };
        assert_eq!(InjectCommand::parse(b"1fd:1:13:600080000000:ffffffffffffffff\n"), Some(command));
    }

    #[test]
    fn a_text_ends_at_its_zero() {
        assert_eq!(ForceRecover::parse(b"hwcheck\0junk"), Some(ForceRecover::Check));
    }
}
