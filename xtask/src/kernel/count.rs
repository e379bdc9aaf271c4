// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask kernel count`: what EEH's checks cost in either variant, in instructions. QEMU's clock counts
//! them (`-icount shift=0`), so the figures are the same on any machine; `kernel/count` makes the calls.

use core::time::Duration;

use comfy_table::{Table, presets};

use super::boot::{Rig, Wanted};
use super::build;
use super::cache::Cache;
use super::guest::Guest;
use super::machine::Machine;
use super::tree;
use super::{Config, Options, Variant};
use crate::context::{Context, Fallible};
use crate::report::Findings;

/// The device whose checks are counted.
pub(crate) const DEVICE: &str = "0000:01:00.0";

/// Each check, as `kernel/count` names it, with the most that ours may take and what it must answer.
pub(crate) const CHECKS: [(&str, u64, u8); 6] = [
    ("null", 40, 0),
    ("unknown-address", 250, 0),
    ("healthy-by-device", 1000, 0),
    ("healthy-by-address", 1300, 0),
    ("isolated-by-device", 150, 1),
    ("isolated-by-address", 400, 1),
];

/// Builds and boots both variants, and compares.
pub(crate) fn run(ctx: &Context, cache: &Cache, options: &Options, built: bool) -> Fallible<Findings> {
    let mut counted = Vec::new();
    for variant in [Variant::C, Variant::Rust] {
        let options = Options { variant, config: Config::Speed, ..options.clone() };
        let kernel = build::built_or(ctx, cache, &options, built)?;
        counted.push(counted_by(&Rig::new(ctx, cache, &options, &kernel)?)?.1);
    }
    let [c, rust] = &counted[..] else { return Err("two variants".into()) };
    let mut findings = Findings::default();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["instructions per call", "C", "Rust", "wanted at most"]);
    for (check, limit, answer) in CHECKS {
        let (theirs, ours) = (of(c, check, answer)?, of(rust, check, answer)?);
        table.add_row([check.to_owned(), theirs.to_string(), ours.to_string(), limit.to_string()]);
        findings.check(ours <= limit, || format!("{check}: {ours} instructions, wanted at most {limit}"));
    }
    println!("{table}");
    Ok(findings)
}

/// A guest that has counted, and what it said. The PE of [`DEVICE`] is marked as isolated in it.
pub(crate) fn counted_by(rig: &Rig) -> Fallible<(Guest, String)> {
    let append = format!("{}={DEVICE}", tree::COUNT_PARAMETER);
    let wanted = Wanted { counting: true, stock: true, ..Wanted::plain(&append) };
    let mut guest = rig.guest("count", Machine::Powernv10, wanted)?;
    let log = guest.must("dmesg | grep EEH-COUNT", Duration::from_secs(60))?;
    Ok((guest, log))
}

/// Instructions per call, of a line like `EEH-COUNT: null 44000/1000 answer 0`.
pub(crate) fn of(log: &str, check: &str, answer: u8) -> Fallible<u64> {
    let line = log.lines().find_map(|line| line.split_once(&format!("EEH-COUNT: {check} ")));
    let parsed = line.and_then(|(_, rest)| {
        let (counts, answered) = rest.trim().split_once(" answer ")?;
        let (all, calls) = counts.split_once('/')?;
        let (all, calls) = (all.parse::<u64>().ok()?, calls.parse::<u64>().ok()?);
        Some(((all + calls / 2).checked_div(calls)?, answered.parse::<u8>().ok()?))
    });
    match parsed {
        Some((count, answered)) if answered == answer => Ok(count),
        Some((_, answered)) => Err(format!("{check} answered {answered}, not {answer}").into()),
        None => Err(format!("the kernel did not count {check}: {log}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn counts_are_rounded_and_answers_are_checked() {
        let log =
            "[    1.03] EEH-COUNT: null 43998/1000 answer 0\n[    1.04] EEH-COUNT: isolated 9/2 answer 1";
        assert_eq!(of(log, "null", 0).ok(), Some(44));
        assert_eq!(of(log, "isolated", 1).ok(), Some(5));
        assert!(of(log, "isolated", 0).is_err());
        assert!(of(log, "healthy", 0).is_err());
    }
}
