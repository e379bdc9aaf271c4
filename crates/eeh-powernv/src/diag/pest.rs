// SPDX-License-Identifier: GPL-2.0-or-later
//! The PE state tables in error data. C: `pnv_pci_dump_pest`

use super::Line;
use super::fields::Fields;

/// MMIO is frozen (PESTA), DMA is stopped (PESTB). C: `PNV_IODA_STOPPED_STATE`
const STOPPED: u64 = 1 << 63;

/// Prints the PEs that are stopped: `count` entries of table A, then as many of B.
///
/// Like Linux: of a run of equal entries the first is printed and, if something else follows, one
/// line names the last.
pub(super) fn print(fields: &mut Fields<'_>, count: usize, line: &mut Line<'_>) {
    let mut table_a = fields.here();
    fields.skip_quads(count);
    let mut table_b = fields.here();
    fields.skip_quads(count);

    // Linux starts with a value that only a PHB that reads as all ones has.
    let mut previous = (u64::MAX, u64::MAX);
    let mut repeated = None;
    for number in 0..count {
        let (a, b) = (table_a.quad(), table_b.quad());
        let stopped = (a | b) & STOPPED != 0;
        if (a, b) == previous {
            repeated = stopped.then_some(number);
            continue;
        }
        if let Some(last) = repeated.take() {
            line(format_args!("PE[..{last:03x}] A/B: as above"));
        }
        previous = (a, b);
        if stopped {
            line(format_args!("PE[{number:03x}] A/B: {a:016x} {b:016x}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;

    fn lines(entries: &[(u64, u64)]) -> Vec<String> {
        let tables = entries.iter().map(|entry| entry.0).chain(entries.iter().map(|entry| entry.1));
        let data: Vec<u8> = tables.flat_map(u64::to_be_bytes).collect();
        let mut lines = Vec::new();
        let mut fields = Fields::new(&data);
        print(&mut fields, entries.len(), &mut |text| lines.push(text.to_string()));
        assert_eq!(fields.position(), data.len());
        lines
    }

    #[test]
    fn stopped_entries_are_printed_and_runs_are_closed_by_their_last() {
        let both = (STOPPED, STOPPED | 1);
        let table = [(0, 0), (1, 1), both, both, both, (0, STOPPED), (0, 0), (0, 0), (STOPPED, 0)];
        assert_eq!(
            lines(&table),
            [
                "PE[002] A/B: 8000000000000000 8000000000000001",
                "PE[..004] A/B: as above",
                "PE[005] A/B: 0000000000000000 8000000000000000",
                "PE[008] A/B: 8000000000000000 0000000000000000",
            ]
        );
    }

    #[test]
    fn a_run_to_the_end_has_no_closing_line() {
        let both = (STOPPED, STOPPED);
        assert_eq!(lines(&[both, both]), ["PE[000] A/B: 8000000000000000 8000000000000000"]);
    }

    #[test]
    fn a_table_that_starts_with_all_ones_repeats_nothing() {
        let ones = (u64::MAX, u64::MAX);
        assert_eq!(lines(&[ones, ones, (0, 0)]), ["PE[..001] A/B: as above"]);
    }

    #[test]
    fn equal_entries_that_run_are_silent() {
        assert!(lines(&[(0, 0), (0, 0), (7, 7), (7, 7), (0, 0)]).is_empty());
    }
}
