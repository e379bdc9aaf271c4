// SPDX-License-Identifier: GPL-2.0-or-later
//! What must hold when a storm is over.

mod model;

use core::sync::atomic::Ordering;

use eeh_pe::Counter;
use test_utils::linux::SimLinux;

use super::field::Field;
use super::ledger::{Account, Cover, End, audit};

pub(super) use model::check_trees;

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    pub(super) rows: Vec<(&'static str, u64)>,
}

/// Each freeze against what became of it.
pub(super) fn accounts(field: &Field<'_>) -> Account {
    let mut sum = Account::default();
    for (life, entries) in field.journal.lives() {
        let Some(spec) = field.specs.iter().find(|spec| spec.number == life.number) else { continue };
        let end = if life.until.is_some() { End::Gone } else { End::Quiet };
        let mut changes = life.hardware.history();
        changes.retain(|change| life.until.is_none_or(|until| change.at <= until));
        let account = audit(&Cover::of(spec, &life.hardware), &changes, &entries, end);
        sum.freezes += account.freezes;
        sum.recovered += account.recovered;
        sum.failed += account.failed;
        sum.gone += account.gone;
        sum.fenced += account.fenced;
        sum.taken += account.taken;
        sum.unowned += account.unowned;
        // A partition's platform stops and thaws PEs by itself, and tells nobody: nothing follows from that.
        if field.linux.rtas().is_none() {
            sum.wrong.extend(account.wrong.iter().map(|wrong| format!("PHB {:04x}: {wrong}", life.number)));
        }
    }
    sum
}

/// Hardware that works and is not stopped anywhere, and devices that work.
pub(super) fn check_devices(linux: &SimLinux, when: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for phb in linux.phbs() {
        let number = phb.number().0;
        let Some(hardware) = linux.hardware(number) else {
            wrong.push(format!("PHB {number:04x} has no hardware {when}"));
            continue;
        };
        if hardware.is_dead() {
            continue;
        }
        if let Some(rtas) = linux.rtas() {
            // Whatever the platform has still to do by itself, it does at a call.
            let _ = rtas.honest().pe_number(number, eeh_pe::Bdf(0));
        }
        if hardware.is_fenced() {
            wrong.push(format!("PHB {number:04x} is fenced {when}"));
        }
        // Without a device nobody notices, on a partition: there no interrupt tells of it.
        let devices = phb.devices();
        let known = |pe| devices.iter().any(|device| hardware.pe_of(device.bdf()) == Some(pe));
        let frozen = (0..hardware.pe_count())
            .filter(|pe| hardware.stopped(*pe).any() && (linux.rtas().is_none() || known(*pe)));
        wrong.extend(frozen.map(|pe| format!("PHB {number:04x}: PE {pe:x} is frozen {when}")));
        let (asserted, released) = hardware.wire().pairs();
        if asserted != released {
            wrong.push(format!("PHB {number:04x}: {asserted} resets asserted, {released} released {when}"));
        }
        for device in phb.devices() {
            if let Err(error) = linux.works(number, device.bdf()) {
                wrong.push(format!("{device} does not work {when}: {error}"));
            }
            if device.irq_depth() != 0 {
                wrong.push(format!("{device}: INTx is disabled {} times {when}", device.irq_depth()));
            }
            if device.channel_state() != eeh_recovery::ChannelState::Normal {
                wrong.push(format!("{device}: its channel is {:?} {when}", device.channel_state()));
            }
        }
    }
    wrong
}

/// Everything that was removed is freed.
pub(super) fn check_orphans(linux: &SimLinux) -> Vec<String> {
    let registry = linux.registry();
    registry.reap();
    let mut wrong: Vec<_> =
        registry.orphans(linux.now()).map(|orphan| format!("left behind: {orphan:?}")).collect();
    let live = linux.phbs().len();
    let trees = registry.trees().filter(|tree| tree.is_live()).count();
    let dead = registry.trees().filter(|tree| !tree.is_live()).count();
    if trees != live || dead != 0 {
        wrong.push(format!("{live} PHBs have {trees} trees, and {dead} trees have none"));
    }
    wrong
}

/// What a storm of a minute does at least, and what it counted.
pub(super) fn sums(field: &Field<'_>, account: &Account) -> Sums {
    let stats = field.linux.registry().stats();
    let read = |counter: &core::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let counts = &field.counts;
    let recoveries = account.recovered + account.failed + account.gone + account.fenced;
    Sums {
        rows: vec![
            ("checks", read(&counts.checks)),
            ("freezes", account.freezes),
            ("recoveries", recoveries),
            ("hotplug cycles", read(&counts.hotplugs)),
            ("stale handles refused", stats.sum(Counter::StaleHandles)),
            ("walks continued from a tombstone", stats.sum(Counter::WalksFromTombstone)),
            ("events absorbed", stats.sum(Counter::Absorbed)),
            ("successors", stats.sum(Counter::Successors)),
            ("requests granted", read(&counts.granted)),
            ("devices passed through", read(&counts.opened)),
            ("kept frozen for a guest", read(&counts.kept)),
            ("virtual functions switched", read(&counts.numvfs)),
            ("requests refused", read(&counts.refused)),
            ("recovered", account.recovered),
            ("failed for good", account.failed),
            ("gone during recovery", account.gone),
            ("given over to a fence", account.fenced),
            ("frozen without a PE", account.unowned),
            ("PHBs removed and added", read(&counts.phbs)),
            ("drivers unbound and bound", read(&counts.binds)),
            ("reports read", read(&counts.reads)),
        ],
    }
}

/// Where something must have happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Where {
    Anywhere,
    /// Where PEs are below others, and firmware can freeze one: not on a partition.
    BareMetal,
    /// On a machine with virtual functions.
    Functions,
}

/// The least work of a minute; above five seconds, in proportion, and once in any case.
const LEAST: [(&str, u64, Where); 12] = [
    ("checks", 10_000_000, Where::Anywhere),
    ("freezes", 1000, Where::Anywhere),
    ("recoveries", 1, Where::Anywhere),
    ("hotplug cycles", 1000, Where::Anywhere),
    ("stale handles refused", 1, Where::Anywhere),
    ("walks continued from a tombstone", 1, Where::BareMetal),
    ("events absorbed", 1, Where::BareMetal),
    ("successors", 1, Where::BareMetal),
    ("requests granted", 1000, Where::Anywhere),
    ("devices passed through", 100, Where::Anywhere),
    ("kept frozen for a guest", 20, Where::BareMetal),
    ("virtual functions switched", 100, Where::Functions),
];

/// Whether enough happened within `seconds`.
pub(super) fn check_work(sums: &Sums, seconds: u64, field: &Field<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let applies = |what: Where| match what {
        Where::Anywhere => true,
        Where::BareMetal => field.linux.rtas().is_none(),
        Where::Functions => !field.pfs.is_empty(),
    };
    for (name, minute, _) in LEAST.into_iter().filter(|(.., what)| applies(*what)) {
        let count = sums.rows.iter().find(|(row, _)| *row == name).map_or(0, |(_, count)| *count);
        let least = if seconds > 5 { minute * seconds / 60 } else { 0 }.max(1);
        if count < least {
            wrong.push(format!("too little happened: {name}: {count}, expected at least {least}"));
        }
    }
    wrong
}
