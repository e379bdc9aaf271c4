// SPDX-License-Identifier: GPL-2.0-or-later
//! What lspci prints about a BAR: `Region 0: Memory at 600c000000000 (64-bit, non-prefetchable) [size=16K]`.

/// A BAR as printed. What could not be read is `None`: lspci's wording is no interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Region {
    /// Which; `-v` does not say (then the next one of this kind).
    pub(crate) index: Option<u8>,
    /// I/O space rather than memory.
    pub(crate) io: bool,
    /// The CPU's address.
    pub(crate) start: Option<u64>,
    /// Bytes.
    pub(crate) size: Option<u64>,
}

impl Region {
    /// Reads a line of a function; `None` for other lines, for BARs of virtual functions (two tabs),
    /// and for BARs that no register holds (`[virtual]`).
    pub(super) fn parse(line: &str) -> Option<Self> {
        let line = line.strip_prefix('\t').filter(|line| !line.starts_with('\t'))?;
        let (index, line) = match line.strip_prefix("Region ") {
            Some(line) => {
                let (index, line) = line.split_once(": ")?;
                (Some(index.parse().ok().filter(|index| *index < 6)?), line)
            }
            None => (None, line),
        };
        let (io, line) = match line.strip_prefix("I/O ports at ") {
            Some(line) => (true, line),
            None => (false, line.strip_prefix("Memory at ")?),
        };
        let address = line.split(' ').next().unwrap_or_default();
        Some(Self { index, io, start: u64::from_str_radix(address, 16).ok(), size: size(line) })
            .filter(|_| !line.contains("[virtual]"))
    }
}

/// The bytes of `[size=16K]`.
fn size(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("[size=")?;
    let (text, _) = rest.split_once(']')?;
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_uppercase());
    let shift = match text.get(digits.len()..)? {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    let size = digits.parse::<u64>().ok()?.checked_mul(1 << shift)?;
    Some(size).filter(|size| size.is_power_of_two())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_vv_and_v() {
        assert_eq!(
            Region::parse(
                "\tRegion 5: Memory at 600c200000000 (32-bit, non-prefetchable) [disabled] [size=4K]"
            ),
            Some(Region { index: Some(5), io: false, start: Some(0x0006_00c2_0000_0000), size: Some(4096) })
        );
        assert_eq!(
            Region::parse("\tI/O ports at e000 [size=32]"),
            Some(Region { index: None, io: true, start: Some(0xe000), size: Some(32) })
        );
        assert_eq!(
            Region::parse("\tRegion 2: I/O ports at <unassigned> [disabled]"),
            Some(Region { index: Some(2), io: true, start: None, size: None })
        );
    }

    #[test]
    fn lines_about_other_things_are_no_regions() {
        for line in [
            "\t\tRegion 0: Memory at 0000000000000000 (64-bit, prefetchable)",
            "\tRegion 0: [virtual] Memory at 000001f0 (32-bit, non-prefetchable) [size=8]",
            "\tRegion 0: Memory at 1f000 (64-bit, prefetchable) [virtual] [size=8]",
            "\tMemory behind bridge: fe000000-fe0fffff [size=1M]",
            "\tExpansion ROM at f7e00000 [disabled] [size=128K]",
            "\tRegion 9: Memory at fe000000 [size=4K]",
        ] {
            assert_eq!(Region::parse(line), None, "{line}");
        }
    }

    #[test]
    fn sizes_that_are_none() {
        assert_eq!(size("[size=3K]"), None);
        assert_eq!(size("[size=99999999999999T]"), None);
        assert_eq!(size("[size=16Q]"), None);
        assert_eq!(size("[size="), None);
        assert_eq!(size("[size=1T]"), Some(1 << 40));
    }
}
