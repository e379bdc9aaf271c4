// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask kernel selftest`: the kernel's own `eeh-basic.sh`, unmodified, in a QEMU whose devices really
//! freeze, and beside it what the script does not look at.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::boot::{Rig, Wanted};
use super::build::{self, say};
use super::cache::Cache;
use super::cases::{self, SOON};
use super::guest::Guest;
use super::machine::{Function, Machine, POWERNV};
use super::{Options, Variant};
use crate::context::{Context, Fallible};
use crate::report::Findings;

/// The script waits for a device as long as it is told; C needs 76 s behind a switch.
const SCRIPT: &str = "cd /selftests; EEH_MAX_WAIT=150 sh ./eeh-basic.sh";
/// Configuration space, each line with its function; into a file, because firmware writes to the console too.
const REGISTERS: &str = "lspci -D -xxxx | awk '/^[0-9a-f]+:[0-9a-f]+:/ { f = $1 } { print f, $0 }'";
const LIMIT: Duration = Duration::from_secs(1800);
/// The script leaves devices of this driver alone.
const SKIPPED: &str = "ahci";

/// Builds, boots each machine, runs the script there.
pub(crate) fn run(
    ctx: &Context,
    cache: &Cache,
    options: &Options,
    machines: &[Machine],
) -> Fallible<Findings> {
    let kernel = build::build(ctx, cache, options, &["vmlinux"])?;
    let rig = Rig::new(ctx, cache, options, &kernel)?;
    if !rig.freezes() {
        return Ok(Findings::not_run("no QEMU whose devices freeze; run cargo xtask qemu build"));
    }
    let mut all = Findings::default();
    for machine in machines {
        if *machine == Machine::Pseries {
            all.absorb(Findings::not_run("pseries: its devices are not described here"));
            continue;
        }
        let mut guest = rig.guest(&format!("{}-selftest", machine.name()), *machine, Wanted::plain(""))?;
        let mut findings = on_machine(&mut guest, options.variant)?;
        std::fs::write(guest.files.dir.join("selftest.log"), guest.take_transcript())?;
        for text in findings.failures.iter_mut().chain(&mut findings.notes) {
            *text = format!("{}: {text}", machine.name());
        }
        all.absorb(findings);
    }
    Ok(all)
}

fn tested() -> impl Iterator<Item = &'static Function> {
    POWERNV.iter().filter(|function| function.driver != SKIPPED)
}

fn on_machine(guest: &mut Guest, variant: Variant) -> Fallible<Findings> {
    let mut findings = Findings::default();
    for function in tested() {
        cases::works(&mut findings, guest, function)?;
    }
    guest.must(&format!("{REGISTERS} >/tmp/before"), SOON)?;
    let before = resets(guest);
    let started = Instant::now();
    let answer = guest.run(SCRIPT, LIMIT)?;
    let verdict = answer.output.lines().rev().find_map(verdict);
    let took = started.elapsed().as_secs();
    say(started, &format!("{}: {verdict:?}", guest.files.dir.display()));
    findings.check(verdict == Some((0, tested().count())), || {
        format!("eeh-basic.sh (failed, tested): {verdict:?}: {}", crate::process::tail(&answer.output, 5))
    });
    findings.notes.push(format!("eeh-basic.sh took {took} s for {} functions", tested().count()));
    for function in tested() {
        cases::works(&mut findings, guest, function)?;
    }
    let diff = guest.run(&format!("{REGISTERS} >/tmp/after; diff /tmp/before /tmp/after"), SOON)?;
    findings.notes.push(format!("registers that differ: {}", differences(&diff.output).join(", ")));
    let made: Vec<String> =
        resets(guest).iter().map(|(name, count)| format!("{name} {}", count - before[name])).collect();
    findings.notes.push(format!("resets seen by QEMU: {}", made.join(", ")));
    // C takes the refused first reset of a root port for success, and resets nothing there.
    if variant == Variant::Rust {
        for (name, count) in resets(guest) {
            let functions = tested().filter(|function| function.qemu == name).count();
            findings.check(count - before[name] >= functions, || {
                format!("{functions} {name} and {} resets", count - before[name])
            });
        }
    }
    Ok(findings)
}

fn resets(guest: &Guest) -> BTreeMap<&'static str, usize> {
    tested().map(|function| (function.qemu, guest.resets(function.qemu))).collect()
}

/// Takes the script's last line apart: how many failed, of how many.
fn verdict(line: &str) -> Option<(usize, usize)> {
    let (failed, rest) = line.trim().split_once(" devices failed to recover (")?;
    Some((failed.parse().ok()?, rest.strip_suffix(" tested)")?.parse().ok()?))
}

/// Function, offset, old and new byte of what a diff of [`REGISTERS`] shows.
fn differences(diff: &str) -> Vec<String> {
    let (before, after) = (bytes(diff, '-'), bytes(diff, '+'));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| {
            let shown = |map: &BTreeMap<_, &str>| map.get(key).map_or("-", |byte| *byte).to_owned();
            format!("{} {:#x} {}>{}", key.0, key.1, shown(&before), shown(&after))
        })
        .collect()
}

fn bytes(diff: &str, side: char) -> BTreeMap<(&str, usize), &str> {
    let mut found = BTreeMap::new();
    for line in diff.lines().filter_map(|line| line.strip_prefix(side)) {
        let mut words = line.split_whitespace();
        let (Some(function), Some(offset)) = (words.next(), words.next()) else { continue };
        let Some(Ok(offset)) = offset.strip_suffix(':').map(|text| usize::from_str_radix(text, 16)) else {
            continue;
        };
        found.extend(words.enumerate().map(|(at, byte)| ((function, offset + at), byte)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{differences, verdict};

    #[test]
    fn the_last_line_of_the_script_is_the_verdict() {
        assert_eq!(verdict("0 devices failed to recover (7 tested)"), Some((0, 7)));
        assert_eq!(verdict("Breaking 0000:01:00.0..."), None);
    }

    #[test]
    fn a_register_that_differs_is_named() {
        let diff = "@@ -1 +1 @@\n-0000:01:00.0 10: 01 02\n+0000:01:00.0 10: 01 03\n 0000:02:00.0 10: 01";
        assert_eq!(differences(diff), ["0000:01:00.0 0x11 02>03"]);
        assert!(differences("").is_empty());
    }
}
