// SPDX-License-Identifier: GPL-2.0-or-later
//! Configuration space before and after: every register that differs is either one that an error or a reset
//! is allowed to change, with the reason, or a fault.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use super::guest::Guest;
use crate::context::Fallible;

/// Configuration space of all functions, each line with its function, without lines of zeros.
const DUMP: &str = "lspci -D -xxxx | \
    awk '/^[0-9a-f]+:[0-9a-f]+:/ { f = $1 } /^[0-9a-f]+: / && !/: (00 ){15}00/ { print f, $0 }'";

/// Which structure of configuration space a register belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// The header of a device, or the part that both kinds have.
    Header,
    /// The second half of the header of a bridge.
    Bridge,
    /// A capability, by its ID.
    Capability(u8),
    /// An extended capability, by its ID.
    Extended(u16),
}

/// What may differ: structure, byte in it, bits, reason.
const ALLOWED: [(Part, usize, u8, &str); 17] = [
    (Part::Header, 0x07, 0xf9, "status: errors that happened"),
    (Part::Bridge, 0x1f, 0xf9, "secondary status: errors that happened"),
    (Part::Capability(0x10), 0x0a, 0x0f, "device status: errors that happened"),
    (Part::Capability(0x10), 0x1a, 0x1f, "slot status: events that happened"),
    (Part::Capability(0x10), 0x1b, 0x01, "slot status: the link changed"),
    (Part::Extended(0x10), 0x08, 0x10, NO_VFS),
    (Part::Extended(0x10), 0x20, 0xff, NO_VFS),
    (Part::Extended(1), 0x04, 0xff, "AER: uncorrectable errors that happened"),
    (Part::Extended(1), 0x05, 0xff, "AER: uncorrectable errors that happened"),
    (Part::Extended(1), 0x06, 0xff, "AER: uncorrectable errors that happened"),
    (Part::Extended(1), 0x07, 0xff, "AER: uncorrectable errors that happened"),
    (Part::Extended(1), 0x10, 0xff, "AER: correctable errors that happened"),
    (Part::Extended(1), 0x11, 0xff, "AER: correctable errors that happened"),
    (Part::Extended(1), 0x18, 0x1f, "AER: which error was the first"),
    (Part::Extended(1), 0x30, 0x7f, "AER: error messages received by the root port"),
    (Part::Extended(1), 0x34, 0xff, "AER: who sent the error message"),
    (Part::Extended(1), 0x35, 0xff, "AER: who sent the error message"),
];
/// Why what `sriov_init` writes before it gives up is gone after a reset.
const NO_VFS: &str = "SR-IOV of a device whose virtual functions Linux has refused: nobody restores it";
/// The header log of AER, as the lines above.
const HEADER_LOG: core::ops::Range<usize> = 0x1c..0x2c;

/// Configuration space by function.
pub(crate) struct Registers(BTreeMap<String, Vec<u8>>);

/// What two readings say about each other.
#[derive(Default, Debug)]
pub(crate) struct Judged {
    /// Bytes compared.
    pub(crate) compared: usize,
    /// Differences with the reason why they may be.
    pub(crate) allowed: Vec<String>,
    /// Differences that must not be.
    pub(crate) wrong: Vec<String>,
}

impl Registers {
    /// Reads them in a guest. Firmware writes to the console too, so what was dumped once is fetched until two
    /// copies are the same.
    pub(crate) fn of(guest: &mut Guest) -> Fallible<Self> {
        let soon = Duration::from_secs(60);
        guest.must(&format!("{DUMP} >/tmp/registers"), soon)?;
        let mut last = String::new();
        for _ in 0..6 {
            let now = guest.must("cat /tmp/registers", soon)?;
            if now == last {
                return Ok(Self::read(&now));
            }
            last = now;
        }
        Err("no two copies of the registers are the same".into())
    }

    /// Reads what [`DUMP`] printed.
    fn read(dump: &str) -> Self {
        let mut all: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for line in dump.lines() {
            let mut words = line.split_whitespace();
            let (Some(function), Some(offset)) = (words.next(), words.next()) else { continue };
            let Some(Ok(offset)) = offset.strip_suffix(':').map(|text| usize::from_str_radix(text, 16))
            else {
                continue;
            };
            let space = all.entry(function.to_owned()).or_insert_with(|| vec![0; 0x1000]);
            for (at, byte) in words.filter_map(|word| u8::from_str_radix(word, 16).ok()).enumerate() {
                if let Some(place) = space.get_mut(offset + at) {
                    *place = byte;
                }
            }
        }
        Self(all)
    }

    /// Compares with a later reading.
    pub(crate) fn judge(&self, after: &Self) -> Judged {
        let mut judged = Judged::default();
        let names: BTreeSet<_> = self.0.keys().chain(after.0.keys()).collect();
        for name in names {
            let (Some(was), Some(is)) = (self.0.get(name), after.0.get(name)) else {
                judged.wrong.push(format!("{name} is in one of both readings only"));
                continue;
            };
            if is.iter().take(0x40).all(|byte| *byte == 0xff) {
                judged.wrong.push(format!("{name} does not answer"));
                continue;
            }
            judged.compared += was.len();
            let differ = was.iter().zip(is).enumerate().filter(|(_, (was, is))| was != is);
            for (offset, (was_byte, is_byte)) in differ {
                let text = format!("{name} {offset:#x} {was_byte:02x}>{is_byte:02x}");
                match reason(was, offset, was_byte ^ is_byte) {
                    Some(reason) => judged.allowed.push(format!("{text} ({reason})")),
                    None => judged.wrong.push(text),
                }
            }
        }
        judged
    }
}

/// Why these bits may differ.
fn reason(space: &[u8], offset: usize, bits: u8) -> Option<&'static str> {
    let (part, at) = part(space, offset)?;
    if part == Part::Extended(1) && HEADER_LOG.contains(&at) {
        return Some("AER: header of the access that failed");
    }
    // Whether it is on is a register that is compared.
    if part == Part::Capability(5) && at >= 4 && space.get(offset - at + 2).is_some_and(|low| low & 1 == 0) {
        return Some("message of an MSI that is off");
    }
    let allowed = ALLOWED.iter().find(|(of, byte, mask, _)| (*of, *byte) == (part, at) && bits & !mask == 0);
    allowed.map(|(.., reason)| *reason)
}

/// The structure that a byte belongs to: the one that begins last before it.
fn part(space: &[u8], offset: usize) -> Option<(Part, usize)> {
    let byte = |at: usize| space.get(at).copied();
    if offset < 0x40 {
        let bridge = byte(0x0e)? & 0x7f == 1 && offset >= 0x10;
        return Some((if bridge { Part::Bridge } else { Part::Header }, offset));
    }
    let mut parts = Vec::new();
    if offset < 0x100 {
        let mut at = usize::from(byte(0x34)? & !3);
        while at >= 0x40 && parts.len() < 48 {
            parts.push((at, Part::Capability(byte(at)?)));
            at = usize::from(byte(at + 1)? & !3);
        }
    } else {
        let mut at = 0x100;
        while at >= 0x100 && parts.len() < 480 {
            let header = u32::from_le_bytes([byte(at)?, byte(at + 1)?, byte(at + 2)?, byte(at + 3)?]);
            parts.push((at, Part::Extended(u16::try_from(header & 0xffff).ok()?)));
            at = usize::try_from(header >> 20).ok()? & !3;
        }
    }
    let (at, part) = parts.into_iter().filter(|(at, _)| *at <= offset).max_by_key(|(at, _)| *at)?;
    Some((part, offset - at))
}

#[cfg(test)]
mod tests {
    use super::Registers;

    /// An endpoint with a PCIe capability at 0x40 and AER at 0x100.
    const BEFORE: &str = "\
        0000:01:00.0 00: 36 1b 10 00 06 00 10 00 02 02 08 01 00 00 00 00\n\
        0000:01:00.0 10: 04 00 00 c0 00 60 06 00 00 00 00 00 00 00 00 00\n\
        0000:01:00.0 30: 00 00 00 00 40 00 00 00 00 00 00 00 00 00 00 00\n\
        0000:01:00.0 40: 10 00 02 00 00 00 00 00 1f 20 00 00 00 00 00 00\n\
        0000:01:00.0 100: 01 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00";

    fn judge(from: &str, to: &str) -> (usize, Vec<String>) {
        let judged = Registers::read(BEFORE).judge(&Registers::read(&BEFORE.replace(from, to)));
        assert_eq!(judged.compared, 0x1000);
        (judged.allowed.len(), judged.wrong)
    }

    #[test]
    fn errors_that_happened_may_show() {
        assert_eq!(judge("x", "x"), (0, vec![]));
        assert_eq!(judge("06 00 10 00 02", "06 00 10 20 02"), (1, vec![]));
        assert_eq!(judge("1f 20 00 00", "1f 20 0c 00"), (1, vec![]));
        assert_eq!(judge("01 00 02 00 00 00 00 00", "01 00 02 00 00 00 10 00"), (1, vec![]));
    }

    #[test]
    fn what_was_not_restored_is_a_fault() {
        assert_eq!(judge("06 00 10 00 02", "00 00 10 00 02"), (0, vec!["0000:01:00.0 0x4 06>00".to_owned()]));
        assert_eq!(judge("04 00 00 c0", "04 00 00 00"), (0, vec!["0000:01:00.0 0x13 c0>00".to_owned()]));
        assert_eq!(judge("1f 20 00 00", "1f 28 00 00"), (0, vec!["0000:01:00.0 0x49 20>28".to_owned()]));
    }

    #[test]
    fn a_function_that_is_gone_is_a_fault() {
        let gone = Registers::read("").0;
        let judged = Registers::read(BEFORE).judge(&Registers(gone));
        assert_eq!(judged.wrong, ["0000:01:00.0 is in one of both readings only"]);
    }
}
