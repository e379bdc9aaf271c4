// SPDX-License-Identifier: GPL-2.0-or-later
//! `sysfs-eeh.txt`: a line per function with what sysfs says.
//!
//! Path, vendor, device, class, `eeh=` PE number, firmware state, software state and, if bound, the
//! driver; `eeh=-` for a function without PE.

use super::super::address::PciAddress;
use super::super::error::{LineError, lines, quote};
use super::{hex, unlike};

/// What the file says of one function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) line: usize,
    pub(crate) address: PciAddress,
    pub(crate) vendor: u16,
    pub(crate) device: u16,
    pub(crate) pe: Option<u32>,
    pub(crate) driver: Option<String>,
}

const FORM: &str = "`.../0002:03:00.0 0xVENDOR 0xDEVICE 0xCLASS eeh=0xPE 0xFIRMWARE 0xSOFTWARE [driver]`";

/// Reads the file.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Entry>, LineError> {
    let full = lines(bytes).filter(|(_, line)| !line.trim().is_empty());
    full.map(|(number, line)| entry(number, &line)).collect()
}

fn entry(number: usize, line: &str) -> Result<Entry, LineError> {
    let mut words = line.split_ascii_whitespace();
    let mut next = || words.next().ok_or_else(|| unlike(number, FORM, line));
    let path = next()?;
    let name = path.rsplit('/').next().unwrap_or(path);
    let address = name.parse().map_err(|error| {
        LineError::new(number, "a path that ends in an address", format!("{}: {error}", quote(path)))
    })?;
    let mut id = || {
        let word = next()?;
        hex(word)
            .and_then(|id| u16::try_from(id).ok())
            .ok_or_else(|| unlike(number, "an ID of 16 bits", word))
    };
    let (vendor, device) = (id()?, id()?);
    let _class = next()?;
    let word = next()?;
    let pe = match word.strip_prefix("eeh=") {
        Some("-") => None,
        Some(text) => match hex(text).and_then(|pe| u32::try_from(pe).ok()) {
            Some(pe) => Some(pe),
            None => return Err(unlike(number, "a PE number in hex, or `-`", word)),
        },
        None => return Err(unlike(number, "`eeh=` and a PE number", word)),
    };
    let _states = (next()?, next()?);
    Ok(Entry { line: number, address, vendor, device, pe, driver: words.next().map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_with_and_without_driver_and_pe() {
        let text = "/sys/bus/pci/devices/0002:03:00.0 0x1b36 0x0010 0x010802 eeh=0xfb 0x00000078 0x00000800 nvme\n\
                    0000:00:1f.0 0x8086 0x2918 0x060100 eeh=- 0x0 0x0\n";
        let entries = parse(text.as_bytes()).unwrap();
        assert_eq!(entries[0].address.to_string(), "0002:03:00.0");
        assert_eq!((entries[0].vendor, entries[0].device, entries[0].pe), (0x1b36, 0x10, Some(0xfb)));
        assert_eq!(entries[0].driver.as_deref(), Some("nvme"));
        assert_eq!((entries[1].line, entries[1].pe, &entries[1].driver), (2, None, &None));
    }

    #[test]
    fn wrong_lines_are_refused() {
        let message = |text: &str| {
            let LineError { line, expected, found } = parse(text.as_bytes()).unwrap_err();
            format!("{line}: expected {expected}, found {found}")
        };
        insta::assert_snapshot!(
            ["\nhello", "0002:03:00.0 0x1b36", "03:00.0 0x1b36 0x10 0x0 0xfb 0 0", "03:00.0 1b36 10 0 eeh=zz 0 0", "03:00.0 x 1 0"]
                .map(message)
                .join("\n"),
            @r#"
            2: expected a path that ends in an address, found `hello`: there is no `.` before a function number (an address is domain:bus:device.function in hex, like 0002:03:00.0)
            1: expected `.../0002:03:00.0 0xVENDOR 0xDEVICE 0xCLASS eeh=0xPE 0xFIRMWARE 0xSOFTWARE [driver]`, found `0002:03:00.0 0x1b36`
            1: expected `eeh=` and a PE number, found `0xfb`
            1: expected a PE number in hex, or `-`, found `eeh=zz`
            1: expected an ID of 16 bits, found `x`
            "#
        );
    }
}
