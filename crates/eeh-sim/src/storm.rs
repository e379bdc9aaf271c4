// SPDX-License-Identifier: GPL-2.0-or-later
//! `eeh-sim storm`: threads let everything happen at once, and afterwards nothing may be wrong.
//!
//! The seed decides what each actor does, not how they meet. Time runs a thousand times as fast as the
//! host's, for firmware and devices too.

mod administrator;
mod binder;
mod detector;
mod field;
mod freezer;
mod functions;
mod hotplug;
mod journal;
mod ledger;
mod owner;
mod phbs;
mod plant;
mod progress;
mod pulse;
mod reader;
mod script;
mod settle;
mod verdict;
mod workers;

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::io::Write;
use std::sync::Arc;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Instant;

use eeh_recovery::Params;
use test_utils::linux::{Clock, Options, SimLinux};

use crate::Verdict;
use crate::error::SimError;
use crate::options::StormOptions;

use field::{Field, SCALE};
use journal::Journal;
pub(crate) use plant::Plant;
use progress::Progress;
use verdict::Sums;

/// Lets the threads loose and prints the counts.
pub(crate) fn run(options: StormOptions, out: &mut dyn Write) -> Result<Verdict, SimError> {
    let StormOptions { machine, firmware, duration, threads, seed, plant, slowdown } = options;
    let linux = SimLinux::boot(&machine, &Options { firmware, ..linux_options(seed) })?;
    let journal = Arc::new(Journal::default());
    let (listener, pace) = (journal.clone(), linux.pace().clone());
    linux.watcher().listen(Box::new(move |_, event| listener.listen(pace.now(), event)));
    let specs = machine.phbs.into_iter().map(Arc::new).collect();
    let mut field = Field::new(&linux, specs, seed, &journal);
    if plant == Some(Plant::Hang) {
        // Nobody wants to wait for what is known to hang.
        field.patience = Duration::from_secs(3);
    }
    let storm = Storm { duration, threads: u64::from(threads), plant, slowdown };
    let (sums, wrong) = thread::scope(|scope| storm.rage(&field, scope));
    print(&sums, &wrong, out).map_err(SimError::Output)?;
    Ok(if wrong.is_empty() { Verdict::Works } else { Verdict::Broken })
}

/// What takes part of the host's time is given its own limits: they count time that is not scaled.
fn linux_options(seed: u64) -> Options {
    let params = Params {
        max_freezes: u32::MAX,
        job_warn_after: Duration::from_secs(10) * SCALE,
        job_warn_every: Duration::from_secs(60) * SCALE,
        job_limit: Duration::from_secs(300) * SCALE,
        // Whoever asks waits for the host's threads.
        owner_wait: Duration::from_millis(500) * SCALE,
        ..Params::default()
    };
    Options { seed, clock: Clock::Scaled(SCALE), params, record: false, ..Options::default() }
}

struct Storm {
    duration: Duration,
    /// Detectors; there are half as many of those that break, and that remove.
    threads: u64,
    plant: Option<Plant>,
    /// How much slower this program is than usual.
    slowdown: u32,
}

type Thread<'scope> = ScopedJoinHandle<'scope, ()>;

impl Storm {
    /// From the first fault to the verdict: what was counted, and what is wrong.
    fn rage<'scope, 'env>(
        &self,
        field: &'scope Field<'env>,
        scope: &'scope Scope<'scope, '_>,
    ) -> (Sums, Vec<String>)
    where
        'env: 'scope,
    {
        let progress = Progress::new(self.duration);
        field.journal.begins(field.linux, field.linux.now());
        workers::hire(field, scope);
        if self.plant == Some(Plant::Hang) && Plant::Hang.sow(field.linux).is_none() {
            field.find("nothing could be made to hang".to_owned());
        }
        let idle = self.plant == Some(Plant::Idle);
        let detectors = if idle { Vec::new() } else { self.detectors(field, scope) };
        let actors = if idle { Vec::new() } else { self.actors(field, scope) };
        let start = Instant::now();
        while start.elapsed() < self.duration {
            settle::watch(field);
            progress.at(start.elapsed(), field);
            thread::sleep(Duration::from_millis(50));
        }
        field.calm.store(true, Ordering::Release);
        progress.says("waiting for the last recoveries");
        settle::join(field, actors);
        let mut wrong = settle::quiet(field);
        field.silent.store(true, Ordering::Release);
        settle::join(field, detectors);
        field.journal.rests(field.linux);
        if let Some(plant) = self.plant.filter(|plant| !matches!(plant, Plant::Hang | Plant::Idle)) {
            wrong.extend(plant.sow(field.linux).is_none().then(|| format!("{plant:?} could not be planted")));
        }
        progress.says("checking");
        wrong.extend(settle::survivors(field));
        wrong.extend(settle::everything_back(field, scope));
        // What is asked for could put right what is wrong already.
        for judge in [owner::judge, functions::judge] {
            if wrong.is_empty() {
                wrong.extend(judge(field, self.plant));
            }
        }
        field.over.store(true, Ordering::Release);
        let account = verdict::accounts(field);
        let sums = verdict::sums(field, &account);
        wrong.extend(account.wrong);
        wrong.extend(field.findings());
        let seconds = self.duration.as_secs() / u64::from(self.slowdown);
        wrong.extend(verdict::check_work(&sums, seconds, field));
        progress.ends();
        (sums, wrong)
    }

    fn detectors<'scope, 'env>(
        &self,
        field: &'scope Field<'env>,
        scope: &'scope Scope<'scope, '_>,
    ) -> Vec<Thread<'scope>>
    where
        'env: 'scope,
    {
        (0..self.threads)
            .map(|number| {
                let actor = field.actor("detector", number);
                scope.spawn(move || detector::run(actor))
            })
            .collect()
    }

    fn actors<'scope, 'env>(
        &self,
        field: &'scope Field<'env>,
        scope: &'scope Scope<'scope, '_>,
    ) -> Vec<Thread<'scope>>
    where
        'env: 'scope,
    {
        let several = (self.threads / 2).max(1);
        let mut number = self.threads;
        let mut next = |kind: &str| {
            number += 1;
            field.actor(kind, number)
        };
        let mut actors = Vec::new();
        for _ in 0..several {
            let (breaks, plugs) = (next("freezer"), next("hotplug"));
            actors.push(scope.spawn(move || freezer::run(breaks)));
            actors.push(scope.spawn(move || hotplug::run(plugs)));
        }
        let (binds, reads, plays, moves) = (next("binder"), next("reader"), next("script"), next("phbs"));
        actors.push(scope.spawn(move || binder::run(binds)));
        actors.push(scope.spawn(move || reader::run(reads)));
        actors.push(scope.spawn(move || script::run(plays)));
        actors.push(scope.spawn(move || phbs::run(moves, scope)));
        let (owns, asks, switches) = (next("owner"), next("administrator"), next("functions"));
        actors.push(scope.spawn(move || owner::run(owns)));
        actors.push(scope.spawn(move || administrator::run(asks)));
        actors.push(scope.spawn(move || functions::run(switches)));
        actors
    }
}

/// More reasons than anybody reads.
const REASONS: usize = 40;

fn print(sums: &Sums, wrong: &[String], out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    for (name, count) in &sums.rows {
        let number = comfy_table::Cell::new(count).set_alignment(comfy_table::CellAlignment::Right);
        table.add_row([comfy_table::Cell::new(name), number]);
    }
    writeln!(out, "{table}")?;
    if wrong.is_empty() {
        return writeln!(out, "Nothing is wrong.");
    }
    writeln!(out, "{} things are wrong:", wrong.len())?;
    for reason in wrong.iter().take(REASONS) {
        writeln!(out, "  {reason}")?;
    }
    if wrong.len() > REASONS {
        writeln!(out, "  and {} more", wrong.len() - REASONS)?;
    }
    Ok(())
}
