// SPDX-License-Identifier: GPL-2.0-or-later
//! `dmesg-boot.txt`: the windows of each PHB, from the lines about root bus resources.
//!
//! A log is no format: lines of another form are passed over.

use super::super::model::WindowSpec;
use super::range;

/// A window and the PHB that has it.
pub(crate) type PhbWindow = (u32, WindowSpec);

/// Reads the log.
pub(crate) fn parse(bytes: &[u8]) -> Vec<PhbWindow> {
    let mut windows = Vec::new();
    for (_, line) in super::super::error::lines(bytes) {
        let found = window(&line).filter(|found| !windows.contains(found));
        windows.extend(found);
    }
    windows
}

/// `pci_bus 0000:00: root bus resource [mem 0xA-0xB 64bit pref] (bus address [0xC-0xD])`
fn window(line: &str) -> Option<PhbWindow> {
    let (_, rest) = line.split_once("pci_bus ")?;
    let (bus, rest) = rest.split_once(": root bus resource [")?;
    let (domain, _) = bus.split_once(':')?;
    let phb = u32::from_str_radix(domain, 16).ok()?;
    let (resource, rest) = rest.split_once(']')?;
    let mut words = resource.split_ascii_whitespace();
    let io = match words.next()? {
        "mem" => false,
        "io" => true,
        _ => return None,
    };
    let (start, last) = range(words.next()?)?;
    let m64 = !io && words.eq(["64bit", "pref"]);
    let size = (last - start).checked_add(1)?;
    let bus_start = rest
        .split_once("(bus address [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .and_then(|(text, _)| range(text))
        .map_or(start, |(first, _)| first);
    // The kernel has cut the last two of the window's segments off (reserved and root bus PE).
    let size = if m64 { size.checked_next_power_of_two().unwrap_or(size) } else { size };
    Some((phb, WindowSpec { start, size, bus_start, io, m64 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_all_kinds_once_each() {
        let text = "\
[    0.594767] pci_bus 0000:00: root bus resource [mem 0x600c000000000-0x600c07ffeffff] (bus address [0x80000000-0xfffeffff])
[    0.595725] pci_bus 0000:00: root bus resource [mem 0x6000000000000-0x6003fbfffffff 64bit pref]
[    0.595725] pci_bus 0000:00: root bus resource [mem 0x6000000000000-0x6003fbfffffff 64bit pref]
[    0.596515] pci_bus 0000:00: root bus resource [bus 00-ff]
pci_bus 0001:00: root bus resource [io  0x0000-0x0cf7 window]
pci_bus 0001:00: root bus resource [mem 0x9-0x1]
";
        let mem = WindowSpec {
            start: 0x0006_00c0_0000_0000,
            size: 0x7fff_0000,
            bus_start: 0x8000_0000,
            io: false,
            m64: false,
        };
        let m64 = WindowSpec {
            start: 0x0006_0000_0000_0000,
            size: 1 << 38,
            bus_start: 0x0006_0000_0000_0000,
            io: false,
            m64: true,
        };
        let io = WindowSpec { start: 0, size: 0xcf8, bus_start: 0, io: true, m64: false };
        assert_eq!(parse(text.as_bytes()), [(0, mem), (0, m64), (1, io)]);
    }

    #[test]
    fn other_logs_say_nothing() {
        assert_eq!(parse(b"\xff\xfe\npci_bus 0000:00: root bus resource [mem 0x0-"), []);
    }
}
