// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask kernel storm`: errors, hotplug, drivers and readers at once, for minutes; then quiet, and
//! everything must be as it was.

mod actors;
mod finish;
mod inversion;
mod judge;
mod outside;
mod watch;

use core::time::Duration;
use std::time::Instant;

use clap::{Args, ValueEnum};
use comfy_table::{Table, presets};

use super::boot::{Rig, Wanted};
use super::build::{self, say};
use super::cache::Cache;
use super::cases::LONG;
use super::guest::Guest;
use super::machine::Machine;
use super::{Config, Options, Variant};
use crate::context::{Context, Fallible};
use crate::report::Findings;
use actors::Cast;
use judge::Record;
use outside::Outside;
use watch::Watch;

/// What a storm takes.
#[derive(Args, Clone)]
pub(crate) struct Weather {
    /// How long
    #[arg(long, default_value = "5", value_parser = clap::value_parser!(u32).range(1..=1440))]
    minutes: u32,
    /// Which one; the steps of each actor follow from it, how they fall together does not
    #[arg(long, default_value = "1")]
    seed: u64,
    /// CPUs of the guest
    #[arg(long, default_value = "2", value_parser = clap::value_parser!(u8).range(1..=8))]
    cpus: u8,
    /// The machine
    #[arg(long, value_enum, default_value = "powernv10")]
    machine: Machine,
    /// Only these actors (may be repeated)
    #[arg(long)]
    only: Vec<String>,
    /// Keeps actors apart whom the PCI core or nvme, not EEH, lets fall over each other
    #[arg(long)]
    apart: bool,
    /// A failure to plant, which the run must find
    #[arg(long, value_enum)]
    plant: Option<Plant>,
    /// Instead: without any freeze, a physical function is removed while its `sriov_numvfs` is written
    #[arg(long)]
    pf_inversion: bool,
    /// What was built last, without building
    #[arg(long)]
    built: bool,
}

/// What a run must find.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Plant {
    /// The kernel complains.
    Complaint,
    /// A function goes, and nobody scans for it.
    Lost,
    /// An actor does not come back.
    Stuck,
    /// Nobody does anything.
    Idle,
}

/// Actors get so long to end what they are at.
const ENDING: Duration = Duration::from_secs(300);

/// Builds, boots, and storms.
pub(crate) fn run(ctx: &Context, cache: &Cache, options: &Options, weather: &Weather) -> Fallible<Findings> {
    let kernel = if weather.built {
        build::last(cache, options)?
    } else {
        build::build(ctx, cache, options, &["vmlinux"])?
    };
    if weather.machine == Machine::Pseries {
        return Ok(Findings::not_run("pseries: it has no fences"));
    }
    let rig = Rig::new(ctx, cache, options, &kernel)?;
    if weather.pf_inversion {
        return inversion::run(&rig, options, weather.machine);
    }
    if !rig.freezes() {
        return Ok(Findings::not_run("no QEMU whose devices freeze; run cargo xtask qemu build"));
    }
    let name = format!("{}-storm", weather.machine.name());
    // A reset takes the switch's bus numbers while somebody may remove and scan it.
    let wanted = Wanted { cpus: weather.cpus, hotplug: false, ..Wanted::plain("log_buf_len=16M") };
    let started = Instant::now();
    let mut guest = rig.guest(&name, weather.machine, wanted)?;
    say(started, &format!("storm of {} minutes, {}", weather.minutes, repeated_by(options, weather)));
    let record = storm(&mut guest, options, weather);
    std::fs::write(guest.files.dir.join("storm.log"), guest.take_transcript())?;
    let record = record?;
    println!("{}", table(&record));
    let mut findings = judge::judge(&record, options.variant);
    findings.notes.push(format!("again: {}", repeated_by(options, weather)));
    findings.notes.push(format!("logs: {}", guest.files.dir.display()));
    Ok(findings)
}

/// The command that does the same.
fn repeated_by(options: &Options, weather: &Weather) -> String {
    let (variant, config) = options.kind();
    format!(
        "cargo xtask kernel storm --variant {} --config {} --machine {} --cpus {} --minutes {} --seed {}{}",
        variant.name(),
        config.name(),
        weather.machine.name(),
        weather.cpus,
        weather.minutes,
        weather.seed,
        if weather.apart { " --apart" } else { "" }
    )
}

/// The storm itself, and the look at what is left.
fn storm(guest: &mut Guest, options: &Options, weather: &Weather) -> Fallible<Record> {
    let begun = Instant::now();
    let mut record =
        Record { minutes: weather.minutes, checked: options.config == Config::Check, ..Record::default() };
    let cast = Cast::new(guest, options, weather)?;
    finish::before(guest, &cast, &mut record)?;
    let resets = guest.all_resets();
    if weather.plant == Some(Plant::Complaint) {
        guest.must("echo 'WARNING: planted' >/dev/kmsg", LONG)?;
    }
    let mut watch = Watch::new(weather.minutes);
    let outside = if weather.plant == Some(Plant::Idle) {
        Outside::none()
    } else {
        cast.start(guest)?;
        Outside::start(&guest.files.monitor, cast.outside())?
    };
    let until = begun + Duration::from_secs(60 * u64::from(weather.minutes));
    let mut hung = watch.until(guest, until, &mut record)?;
    record.counts.extend(outside.stop()?);
    guest.must("echo >$storm/stop", LONG)?;
    if hung.is_none() {
        hung = watch.ended(guest, ENDING, &mut record)?;
    }
    record.resets = guest.all_resets() - resets;
    if let Some(what) = hung {
        record.hung = Some(what);
        guest.must("words", LONG)?;
        record.log = finish::log(guest)?;
        return Ok(record);
    }
    finish::after(guest, &cast, weather, &mut record)?;
    Ok(record)
}

/// The work done.
fn table(record: &Record) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["actor and step", "done", "refused", "done per minute"]);
    let per_minute = |done: u64| format!("{:.1}", done as f64 / f64::from(record.minutes));
    for (name, (done, refused)) in &record.counts {
        table.add_row([name.clone(), done.to_string(), refused.to_string(), per_minute(*done)]);
    }
    for (name, done) in record.totals() {
        table.add_row([name.to_owned(), done.to_string(), String::new(), per_minute(done)]);
    }
    table
}
