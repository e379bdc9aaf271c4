// SPDX-License-Identifier: GPL-2.0-or-later
//! What had to be made up, said once for all functions that it concerns.

use super::address::PciAddress;

/// How many names a note lists.
const MOST: usize = 8;

/// Collects while the machine is built.
#[derive(Default)]
pub(super) struct Notes {
    absent: Vec<String>,
    cut: Vec<String>,
    kind_unknown: Vec<String>,
    guessed: Vec<String>,
    out_of_range: Vec<String>,
    outside: usize,
    not_dumped: Vec<String>,
    assigned: Vec<String>,
}

impl Notes {
    pub(super) fn absent(&mut self, functions: &[PciAddress]) {
        self.absent.extend(functions.iter().map(ToString::to_string));
    }

    pub(super) fn cut(&mut self, functions: &[(PciAddress, usize)]) {
        self.cut.extend(functions.iter().map(|(address, len)| format!("{address} at {len:x}")));
    }

    pub(super) fn kind_unknown(&mut self, phb: u32) {
        self.kind_unknown.push(format!("{phb:04x}"));
    }

    pub(super) fn guessed_size(&mut self, address: PciAddress, index: u8, size: u64) {
        self.guessed.push(format!("{address} BAR {index} {size:#x}"));
    }

    pub(super) fn out_of_range(&mut self, address: PciAddress, index: u8) {
        self.out_of_range.push(format!("{address} BAR {index}"));
    }

    pub(super) fn outside_windows(&mut self, count: usize) {
        self.outside = count;
    }

    pub(super) fn not_dumped(&mut self, address: PciAddress) {
        self.not_dumped.push(address.to_string());
    }

    pub(super) fn assigned_pes(&mut self, phb: u32) {
        self.assigned.push(format!("{phb:04x}"));
    }

    /// The notes, as sentences.
    pub(super) fn finish(self) -> Vec<String> {
        let outside = (self.outside != 0).then(|| self.outside.to_string());
        let all = [
            ("all ones in the vendor ID (absent, or a virtual function), left out", self.absent),
            ("the dump of a configuration space ends early, zeros are taken for the rest", self.cut),
            ("no POWER root port is known there, taken for PHB4", self.kind_unknown),
            ("sizes guessed from the alignment of the address, cut at the next range", self.guessed),
            ("beyond the end of the address space, left out", self.out_of_range),
            ("BARs that lie in no window of their PHB, not found by address", outside.into_iter().collect()),
            ("named in sysfs-eeh.txt but not in the dump, left out", self.not_dumped),
            ("no sysfs-eeh.txt, PE numbers assigned per bus as powernv does", self.assigned),
        ];
        all.into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| note(what, &names))
            .collect()
    }
}

fn note(what: &str, names: &[String]) -> String {
    let listed = names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MOST) {
        None | Some(0) => format!("{what}: {listed}"),
        Some(more) => format!("{what}: {listed} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_lists_a_few_names() {
        let names: Vec<_> = (0..11).map(|name| name.to_string()).collect();
        assert_eq!(note("odd", &names[..1]), "odd: 0");
        assert_eq!(note("odd", &names), "odd: 0, 1, 2, 3, 4, 5, 6, 7 and 3 more");
    }

    #[test]
    fn nothing_made_up_makes_no_note() {
        assert_eq!(Notes::default().finish(), Vec::<String>::new());
    }
}
