// SPDX-License-Identifier: GPL-2.0-or-later
//! How long locks were held, by lockdep's trace events.

use core::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::context::Fallible;

/// What stands between a lock's event and who takes the lock.
const PRIMITIVES: [&str; 7] = ["lock_acquire", "_raw_", "__raw_", "mutex_", "__mutex_", "down_", "eeh_glue_"];
/// What EEH's functions have in their names, also here, where names are mangled.
const OWN: [&str; 2] = ["eeh", "kernel_shim"];

/// Bytes of a mutex before lockdep's part, and less than a mutex with it.
const LARGEST_LOCK: u64 = 0x90;

/// One time that a task had a lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Hold {
    /// As lockdep calls it.
    pub(super) name: String,
    /// Of the trace's clock.
    pub(super) ticks: u64,
}

/// A lock that was taken and is not released yet.
struct Open {
    task: String,
    lock: String,
    since: u64,
    hold: Hold,
}

/// All holds that began and ended in a trace. It is an error if nothing was recorded, or if something was lost.
pub(super) fn holds(trace: &str) -> Fallible<Vec<Hold>> {
    whole(trace)?;
    let mut open: Vec<Open> = Vec::new();
    let mut closed = Vec::new();
    for line in trace.lines() {
        if let Some((task, at, lock, name)) = event(line, "lock_acquire") {
            let hold = Hold { name: bare(name).to_owned(), ticks: 0 };
            open.push(Open { task: task.to_owned(), lock: lock.to_owned(), since: at, hold });
        } else if let Some((task, at, lock, _)) = event(line, "lock_release") {
            let of = |one: &Open| one.task == task && one.lock == lock;
            if let Some(found) = open.iter().rposition(of) {
                let Open { since, hold, .. } = open.remove(found);
                closed.push(Hold { ticks: at - since, ..hold });
            }
        } else if let Some((task, at, lock, _)) = event(line, "contention_end") {
            // Lockdep is told of a lock before it is waited for.
            let of = |one: &&mut Open| one.task == task && is_inside(lock, &one.lock);
            if let Some(waited) = open.iter_mut().rfind(of) {
                waited.since = at;
            }
        }
    }
    if closed.is_empty() { Err("nobody took and released a lock in the trace".into()) } else { Ok(closed) }
}

/// The longest hold of each lock, the longest first.
pub(super) fn longest(holds: &[Hold]) -> Vec<&Hold> {
    let mut by_name: BTreeMap<&str, &Hold> = BTreeMap::new();
    for hold in holds {
        let known = by_name.entry(&hold.name).or_insert(hold);
        if known.ticks < hold.ticks {
            *known = hold;
        }
    }
    let mut all: Vec<&Hold> = by_name.into_values().collect();
    all.sort_by_key(|hold| Reverse(hold.ticks));
    all
}

/// The locks that EEH's own functions take, each with the function, of a trace with stacks.
pub(super) fn takers(trace: &str) -> Fallible<BTreeSet<(String, String)>> {
    whole(trace)?;
    let mut found = BTreeSet::new();
    let mut taken = None;
    for line in trace.lines() {
        if let Some((.., name)) = event(line, "lock_acquire") {
            taken = Some(bare(name));
        } else if let Some(function) = line.trim().strip_prefix("=> ") {
            if PRIMITIVES.iter().any(|name| function.starts_with(name)) {
                continue;
            }
            if let Some(name) = taken.take().filter(|_| OWN.iter().any(|own| function.contains(own))) {
                found.insert((name.to_owned(), function.to_owned()));
            }
        }
    }
    Ok(found)
}

/// Whether lockdep's part of a lock belongs to the lock at an address.
fn is_inside(lock: &str, part: &str) -> bool {
    let number = |text| u64::from_str_radix(text, 16).ok();
    let apart = number(lock).zip(number(part)).and_then(|(lock, part)| part.checked_sub(lock));
    apart.is_some_and(|bytes| bytes < LARGEST_LOCK)
}

/// Without how it was taken.
fn bare(name: &str) -> &str {
    let name = name.strip_prefix("try ").unwrap_or(name);
    name.strip_prefix("read ").unwrap_or(name)
}

/// The head of a trace is like `# entries-in-buffer/entries-written: 12/12   #P:1`.
fn whole(trace: &str) -> Fallible<()> {
    let counts = trace.lines().find_map(|line| line.split_once("entries-written:"));
    let counts = counts.and_then(|(_, rest)| rest.split_whitespace().next()?.split_once('/'));
    match counts {
        Some((kept, written)) if kept == written && kept != "0" => Ok(()),
        Some((kept, written)) => Err(format!("the trace has {kept} of {written} events").into()),
        None => Err("no trace".into()),
    }
}

/// Task, time, the lock's address and what follows, of a line like
/// `eehd/5-38  [000] d..1.  123456789: lock_acquire: 00000000feedbeef try read &name`.
fn event<'a>(line: &'a str, event: &str) -> Option<(&'a str, u64, &'a str, &'a str)> {
    let (head, rest) = line.split_once(&format!(": {event}: "))?;
    let task = head.split_whitespace().next()?;
    let at = head.rsplit(' ').next()?.parse().ok()?;
    let (lock, name) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
    Some((task, at, lock, name))
}

#[cfg(test)]
mod tests {
    use super::{Hold, holds, longest};
    use crate::context::Fallible;

    const HEAD: &str = "# entries-in-buffer/entries-written: 9/9   #P:1\n";

    fn line(task: &str, at: u32, what: &str) -> String {
        format!("{task}-7    [000] d..1.  {at}: {what}\n")
    }

    #[test]
    fn a_hold_is_from_acquire_to_release_by_the_same_task() -> Fallible<()> {
        let trace = [
            HEAD.to_owned(),
            line("eehd/0", 10, "lock_acquire: 0001 try read &one"),
            line("eehd/0", 15, "lock_acquire: 0002 two"),
            line("eehd/1", 16, "lock_release: 0001 &one"),
            line("eehd/0", 20, "lock_release: 0002 two"),
            line("eehd/0", 30, "lock_acquire: 0002 two"),
            line("eehd/0", 50, "contention_end: 0001 (ret=0)"),
            line("eehd/0", 57, "lock_release: 0002 two"),
            line("eehd/0", 110, "lock_release: 0001 &one"),
        ];
        let all = holds(&trace.concat())?;
        assert_eq!(all.iter().map(|hold| hold.ticks).collect::<Vec<_>>(), [5, 7, 100]);
        let most = longest(&all);
        assert_eq!(most.first(), Some(&&Hold { name: "&one".to_owned(), ticks: 100 }));
        assert_eq!(most.get(1).map(|hold| hold.ticks), Some(7));
        Ok(())
    }

    #[test]
    fn a_trace_without_locks_or_with_losses_proves_nothing() {
        let some = line("eehd", 1, "lock_acquire: 1 a") + &line("eehd", 2, "lock_release: 1 a");
        assert!(holds(&some).is_err());
        assert!(holds(&(HEAD.to_owned() + &some)).is_ok());
        assert!(holds(&(HEAD.replace("9/9", "9/10") + &some)).is_err());
        assert!(holds(&(HEAD.to_owned() + &line("eehd", 2, "lock_release: 1 a"))).is_err());
    }
}
