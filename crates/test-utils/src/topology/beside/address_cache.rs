// SPDX-License-Identifier: GPL-2.0-or-later
//! `eeh-address-cache.txt`: debugfs `eeh_address_cache`, the CPU's addresses of each function.

use super::super::address::PciAddress;
use super::super::error::{LineError, lines, quote};
use super::{range, unlike};

/// One range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Range {
    pub(crate) io: bool,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) address: PciAddress,
}

impl Range {
    /// Bytes, when that is a size that a BAR can have.
    pub(crate) fn size(&self) -> Option<u64> {
        (self.last - self.first).checked_add(1).filter(|size| size.is_power_of_two())
    }
}

const FORM: &str = "`mem addr range [0xFIRST-0xLAST]: 0002:03:00.0` (or `i/o`)";

/// Reads the file.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Range>, LineError> {
    let full = lines(bytes).filter(|(_, line)| !line.trim().is_empty());
    full.map(|(number, line)| entry(number, &line)).collect()
}

fn entry(number: usize, line: &str) -> Result<Range, LineError> {
    let wrong = || unlike(number, FORM, line);
    let (kind, rest) = line.trim().split_once(" addr range [").ok_or_else(wrong)?;
    let io = match kind {
        "mem" => false,
        "i/o" => true,
        _ => return Err(wrong()),
    };
    let (text, name) = rest.split_once("]: ").ok_or_else(wrong)?;
    let (first, last) = range(text).ok_or_else(|| unlike(number, "a range that is not empty", text))?;
    let address = name
        .parse()
        .map_err(|error| LineError::new(number, "an address", format!("{}: {error}", quote(name))))?;
    Ok(Range { io, first, last, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_both_kinds() {
        let text = "mem addr range [0x000600c000000000-0x000600c000003fff]: 0000:01:00.0\n\
                    i/o addr range [0x1000-0x101f]: 0000:01:00.0\n";
        let ranges = parse(text.as_bytes()).unwrap();
        assert_eq!(
            (ranges[0].first, ranges[0].size(), ranges[0].io),
            (0x0006_00c0_0000_0000, Some(0x4000), false)
        );
        assert_eq!((ranges[1].size(), ranges[1].io), (Some(32), true));
    }

    #[test]
    fn wrong_lines_are_refused() {
        let message = |text: &str| {
            let LineError { line, expected, found } = parse(text.as_bytes()).unwrap_err();
            format!("{line}: expected {expected}, found {found}")
        };
        insta::assert_snapshot!(
            [
                "mem range",
                "dma addr range [0x1-0x2]: 03:00.0",
                "mem addr range [0x2-0x1]: 03:00.0",
                "mem addr range [0x1-0x2]: eth0",
            ]
            .map(message)
            .join("\n"),
            @r#"
            1: expected `mem addr range [0xFIRST-0xLAST]: 0002:03:00.0` (or `i/o`), found `mem range`
            1: expected `mem addr range [0xFIRST-0xLAST]: 0002:03:00.0` (or `i/o`), found `dma addr range [0x1-0x2]: 03:00.0`
            1: expected a range that is not empty, found `0x2-0x1`
            1: expected an address, found `eth0`: there is no `.` before a function number (an address is domain:bus:device.function in hex, like 0002:03:00.0)
            "#
        );
    }
}
