// SPDX-License-Identifier: GPL-2.0-or-later
//! Several PHBs at once, against the slowest of them alone.

use core::time::Duration;

use super::times::{forced, prepare};
use super::{Bench, Entry};
use crate::context::Fallible;
use crate::kernel::boot::Wanted;
use crate::kernel::cases::{self, FOUR};
use crate::kernel::guest::Guest;
use crate::kernel::machine::{Function, Machine};
use crate::kernel::resets;

const LONG: Duration = Duration::from_secs(600);
/// With those of [`FOUR`], one device of each of the six PHBs; the first is behind a switch.
const MORE: [&str; 2] = ["0002:03:00.0", "0004:01:00.0"];

/// Four below root ports, and one of each of all six PHBs.
pub(super) fn measure(bench: &Bench) -> Fallible<Vec<Entry>> {
    let mut guest = bench.rig.guest("compare-together", Machine::Powernv10, Wanted::plain(""))?;
    prepare(&mut guest)?;
    let mut alone = Vec::new();
    for address in FOUR.into_iter().chain(MORE) {
        let function = cases::at(address)?;
        let mut last = forced(&mut guest, function)?;
        for _ in 0..2 {
            if !last.usual(function) {
                last = forced(&mut guest, function)?;
            }
        }
        alone.push((function, last.total));
    }
    let mut entries = Vec::new();
    for (what, count) in [("four PHBs at once", FOUR.len()), ("six PHBs at once", alone.len())] {
        let these = alone.get(..count).unwrap_or_default();
        let slowest = these.iter().map(|(_, took)| *took).fold(0.0, f64::max);
        let (took, reset) = at_once(&mut guest, these)?;
        let shown = format!("{:.2}; {took:.2} s, {reset} of {count} reset", took / slowest);
        entries.push(Entry::with(format!("{what}: times the slowest of them alone"), took / slowest, shown));
    }
    std::fs::write(guest.files.dir.join("transcript.log"), guest.take_transcript())?;
    Ok(entries)
}

/// Seconds from the first line to the last, and how many were reset. Once more when not all were: C's first
/// reset after a real one is refused.
fn at_once(guest: &mut Guest, functions: &[(&Function, f64)]) -> Fallible<(f64, usize)> {
    let first = once(guest, functions)?;
    if first.1 == functions.len() { Ok(first) } else { once(guest, functions) }
}

fn once(guest: &mut Guest, functions: &[(&Function, f64)]) -> Fallible<(f64, usize)> {
    let all: Vec<String> =
        functions.iter().map(|(function, _)| format!("recover {}", function.address)).collect();
    for (function, _) in functions {
        guest.must(&format!("wait_for 30 healthy {}", function.address), LONG)?;
    }
    let trace = resets::mark(guest);
    let count = functions.len();
    guest.must("dmesg -c >/dev/null", LONG)?;
    guest.must(
        &format!("mark once; {}; log_wait once 'EEH: Recovery successful' {count} 400", all.join("; ")),
        LONG,
    )?;
    let log =
        guest.must("log_since once | grep -e 'EEH: Recovering PHB' -e 'EEH: Recovery successful'", LONG)?;
    let took = cases::duration(&log).ok_or_else(|| format!("no times in the log: {log}"))?;
    let mut types: Vec<_> = functions.iter().map(|(function, _)| function.qemu).collect();
    types.sort_unstable();
    types.dedup();
    Ok((took, types.into_iter().map(|qemu| resets::since(guest, &trace, qemu).len()).sum()))
}
