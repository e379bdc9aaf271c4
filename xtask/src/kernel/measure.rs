// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask kernel measure`: this project's recoveries and the C code's, on the same machine, one after
//! the other, with the kernel's own clock and tracepoints.

use core::time::Duration;
use std::time::Instant;

use comfy_table::{Table, presets};

use super::boot::{Rig, Wanted};
use super::build::{self, say};
use super::cache::Cache;
use super::cases::FOUR;
use super::guest::Guest;
use super::machine::Machine;
use super::size;
use super::trace::{Waits, waits};
use super::{Options, Variant};
use crate::context::{Context, Fallible};
use crate::report::Findings;

const LONG: Duration = Duration::from_secs(240);
const TRACING: &str = "/sys/kernel/tracing";

/// One number of both variants, with the limit that ours has.
struct Row {
    what: &'static str,
    unit: &'static str,
    c: f64,
    rust: f64,
    limit: f64,
}

/// One variant's numbers.
struct Numbers {
    /// Seconds: one NVMe under a root port with a real reset, and what of it is ours.
    root: f64,
    own: f64,
    /// Seconds: one NVMe below a switch.
    below: f64,
    /// Four PHBs at once over the slowest of the four alone.
    four: f64,
    /// Seconds: a removal on an idle PHB while another recovers.
    elsewhere: f64,
}

/// A recovery that was timed.
struct Timed {
    /// Seconds from the first log line to the last.
    total: f64,
    waits: Waits,
    /// Whether QEMU reset the device.
    real: bool,
}

/// Builds and boots both variants and compares.
pub(crate) fn run(
    ctx: &Context,
    cache: &Cache,
    options: &Options,
    (machine, built): (Machine, bool),
) -> Fallible<Findings> {
    let mut both = Vec::new();
    let mut sizes = Vec::new();
    for variant in [Variant::C, Variant::Rust] {
        let options = Options { variant, ..options.clone() };
        let kernel = if built {
            build::last(cache, &options)
        } else {
            build::build(ctx, cache, &options, &["vmlinux"])
        }?;
        sizes.push(size::of(&kernel.tree, variant)?);
        let rig = Rig::new(ctx, cache, &options, &kernel)?;
        let mut guest = rig.guest(&format!("measure-{}", machine.name()), machine, Wanted::plain(""))?;
        both.push(numbers(&mut guest, variant)?);
    }
    let [c, rust] = &both[..] else { return Err("two variants".into()) };
    let rows = rows(c, rust);
    println!("{}", table(&rows));
    let mut findings = Findings::default();
    for row in &rows {
        findings.check(row.rust <= row.limit, || {
            format!("{}: {:.2} {}, wanted at most {:.2}", row.what, row.rust, row.unit, row.limit)
        });
    }
    size::compare(&sizes, &mut findings);
    Ok(findings)
}

fn rows(c: &Numbers, rust: &Numbers) -> Vec<Row> {
    let row =
        |what, unit, of: fn(&Numbers) -> f64, limit| Row { what, unit, c: of(c), rust: of(rust), limit };
    vec![
        row("NVMe under a root port, real reset", "s", |numbers| numbers.root, 2.8),
        row("of which beyond OPAL's waits", "s", |numbers| numbers.own, 0.5),
        row("NVMe below a switch", "s", |numbers| numbers.below, 1.0),
        row("four PHBs, of the slowest alone", "times", |numbers| numbers.four, 1.3),
        row("removal on an idle PHB", "s", |numbers| numbers.elsewhere, 0.3),
    ]
}

fn numbers(guest: &mut Guest, variant: Variant) -> Fallible<Numbers> {
    let started = Instant::now();
    guest.must(&format!("echo 1 >{TRACING}/events/powerpc/opal_entry/enable"), LONG)?;
    guest.must(
        &format!("echo 1 >{TRACING}/events/powerpc/opal_exit/enable; echo 8192 >{TRACING}/buffer_size_kb"),
        LONG,
    )?;
    say(started, &format!("measuring {}", variant.name()));
    let mut slowest: f64 = 0.0;
    let mut root = None;
    for address in FOUR {
        // Firmware refuses the first reset after boot; the second is the same kind for all.
        let mut last = timed(guest, address)?;
        for _ in 0..2 {
            if !last.real || last.waits.asked < 0.9 {
                last = timed(guest, address)?;
            }
        }
        slowest = slowest.max(last.total);
        if address == FOUR[0] {
            root = Some(last);
        }
    }
    let root = root.ok_or("no recovery")?;
    let own = root.total - root.waits.asked - root.waits.inside;
    let below = timed(guest, "0002:03:00.0")?.total;
    let four = at_once(guest)? / slowest;
    let elsewhere = removal(guest)?;
    Ok(Numbers { root: root.total, own, below, four, elsewhere })
}

/// One recovery, with its trace.
fn timed(guest: &mut Guest, address: &str) -> Fallible<Timed> {
    let qemu_type = super::cases::at(address)?.qemu;
    let before = guest.resets(qemu_type);
    guest.must(&format!("echo >{TRACING}/trace; wait_for 30 healthy {address}"), LONG)?;
    let log = guest.must(&format!("recovery {address} 120"), LONG)?;
    let trace = guest.must(&format!("grep '^ *eehd' {TRACING}/trace"), LONG)?;
    let total = super::cases::duration(&log).ok_or("no times in the log")?;
    let timed = Timed { total, waits: waits(&trace), real: guest.resets(qemu_type) > before };
    println!(
        "         {address} {total:.2} s: OPAL asked for {:.2} s, {} calls took {:.2} s{}",
        timed.waits.asked,
        timed.waits.calls,
        timed.waits.inside,
        if timed.real { "" } else { ", no reset" }
    );
    Ok(timed)
}

/// Four PHBs at once: seconds from the first line to the last.
fn at_once(guest: &mut Guest) -> Fallible<f64> {
    let all = FOUR.map(|address| format!("recover {address}")).join("; ");
    guest.must(&format!("mark four; {all}; log_wait four 'EEH: Recovery successful' 4 200"), LONG)?;
    let log =
        guest.must("log_since four | grep -e 'EEH: Recovering PHB' -e 'EEH: Recovery successful'", LONG)?;
    super::cases::duration(&log).ok_or_else(|| "no times in the log".into())
}

/// A removal on an idle PHB, half a second into a recovery elsewhere.
fn removal(guest: &mut Guest) -> Fallible<f64> {
    let [broken, _, _, removed] = FOUR;
    guest.must(&format!("mark elsewhere; recover {broken}; usleep 500000"), LONG)?;
    let took = guest.must(&format!("start=$(now); remove {removed}; echo $start $(now)"), LONG)?;
    guest.must("log_wait elsewhere 'EEH: Recovery successful' 1 60; rescan", LONG)?;
    let times: Vec<f64> = took.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match times[..] {
        [start, end] => Ok(end - start),
        _ => Err(format!("no times: {took}").into()),
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["what", "C", "Rust", "wanted at most", "unit"]);
    for row in rows {
        let number = |value: f64| format!("{value:.2}");
        let cells =
            [row.what.to_owned(), number(row.c), number(row.rust), number(row.limit), row.unit.to_owned()];
        table.add_row(cells);
    }
    table
}
