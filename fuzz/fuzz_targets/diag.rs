// SPDX-License-Identifier: GPL-2.0-or-later
//! Error data as OPAL hands them over, of a PHB and of a P7IOC hub: whatever they hold, they become a bounded number
//! of short lines, the same each time.
#![no_main]

use eeh_pe::PhbNumber;
use eeh_powernv::diag;
use libfuzzer_sys::fuzz_target;

/// The entries of the largest PE state table, and what comes before it.
const MOST_LINES: usize = 512 + 40;
/// A terminal's, with Linux's prefix before it.
const LONGEST: usize = 120;

fn lines(print: impl Fn(&mut diag::Line<'_>)) -> Vec<String> {
    let mut lines = Vec::new();
    print(&mut |line| lines.push(line.to_string()));
    assert!((1..=MOST_LINES).contains(&lines.len()), "{} lines", lines.len());
    for line in &lines {
        assert!(line.len() <= LONGEST, "too long: {line}");
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "not plain: {line:?}");
    }
    lines
}

fuzz_target!(|data: &[u8]| {
    let phb = |line: &mut diag::Line<'_>| diag::print(PhbNumber(0x1f), data, line);
    assert_eq!(lines(phb), lines(phb));
    lines(|line| diag::print_hub(7, data, line));
});
