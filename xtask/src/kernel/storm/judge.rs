// SPDX-License-Identifier: GPL-2.0-or-later
//! What a storm must have done, and what must hold after it.

use std::collections::BTreeMap;

use super::{Findings, Variant, actors};

/// What a storm does at least, per minute, on a busy machine of two cores. One that did less proves nothing. (Measured
/// with a load of 11 there: 34 recoveries, 193 resets, 6 removals, 6 fences.)
const FLOORS: [(&str, f64); 4] = [("recoveries", 4.0), ("resets", 4.0), ("removals", 3.0), ("fences", 0.5)];

/// With the kernel's checkers all takes longer.
const CHECKED: f64 = 0.25;

/// What the log says first of a recovery: it begins, no slot has a card, or hotplug took the PE before it could begin.
const FIRST_WORDS: [&str; 3] =
    ["EEH: Recovering PHB", "EEH: Frozen PHB", "eeh_handle_normal_event: Cannot find PCI bus for PHB"];

/// All that was seen of a storm.
#[derive(Default)]
pub(super) struct Record {
    pub(super) minutes: u32,
    /// Whether the kernel has its checkers.
    pub(super) checked: bool,
    /// Kinds of steps: done, refused.
    pub(super) counts: BTreeMap<String, (u64, u64)>,
    /// Of devices, that QEMU saw.
    pub(super) resets: usize,
    /// Who did not come back, with what.
    pub(super) hung: Option<String>,
    pub(super) complaints: Vec<String>,
    /// The kernel's log.
    pub(super) log: String,
    pub(super) before: Sums,
    pub(super) after: Sums,
    /// Functions, and leaks.
    pub(super) end: Findings,
    /// `eeh_pe_debug`.
    pub(super) report: Option<String>,
}

/// The counters of `/proc/powerpc/eeh`, and those of all PEs in `eeh_history`.
#[derive(Default, Clone, PartialEq, Eq, Debug)]
pub(super) struct Sums {
    /// Checks.
    total: u64,
    ignored: u64,
    false_positives: u64,
    /// PEs found frozen by a check.
    slot_resets: u64,
    freezes: u64,
    recoveries: u64,
    /// PEs of the history that recovered and have no outcome.
    without_outcome: u64,
}

impl Sums {
    pub(super) fn parse(proc: &str, history: Option<&str>) -> Self {
        let counter = |name: &str| {
            let line = proc.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
            line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
        };
        let mut sums = Self {
            total: counter("eeh_total_mmio_ffs"),
            ignored: counter("check not wanted"),
            false_positives: counter("eeh_false_positives"),
            slot_resets: counter("eeh_slot_resets"),
            ..Self::default()
        };
        for line in history.into_iter().flat_map(str::lines) {
            let Some((_, rest)) = line.split_once(": ") else { continue };
            let part = |name: &str| {
                let part = rest.split(", ").find_map(|part| part.trim().strip_suffix(name));
                part.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or(0)
            };
            sums.freezes += part(" freezes");
            sums.recoveries += part(" recoveries");
            let open = part(" recoveries") > 0 && !rest.contains("recoveries, the last ");
            sums.without_outcome += u64::from(open);
        }
        sums
    }
}

impl Record {
    fn logged(&self, text: &str) -> u64 {
        self.log.lines().filter(|line| line.contains(text)).count() as u64
    }

    fn done(&self, kind: &str) -> u64 {
        let of_kind = self.counts.iter().filter(|(name, _)| name.ends_with(&format!(".{kind}")));
        of_kind.map(|(_, (done, _))| done).sum()
    }

    /// What floors are for.
    pub(super) fn totals(&self) -> [(&'static str, u64); 4] {
        [
            ("recoveries", self.logged("EEH: Recovering PHB")),
            ("resets", self.resets as u64),
            ("removals", self.done("removal")),
            ("fences", self.done("fence")),
        ]
    }
}

/// The verdict.
pub(super) fn judge(record: &Record, variant: Variant) -> Findings {
    let mut findings = Findings::default();
    findings.check(record.hung.is_none(), || {
        let blocked: Vec<&str> = record.log.lines().filter(|line| line.contains(" state:D ")).collect();
        format!("hung: {}; blocked: {}", record.hung.clone().unwrap_or_default(), blocked.join("; "))
    });
    findings.check(record.complaints.is_empty(), || {
        let first: Vec<&str> = record.complaints.iter().take(5).map(String::as_str).collect();
        format!("the kernel complained {} times: {}", record.complaints.len(), first.join("; "))
    });
    for ((name, done), (_, floor)) in record.totals().into_iter().zip(FLOORS) {
        let share = if record.checked { CHECKED } else { 1.0 };
        let wanted = share * floor * f64::from(record.minutes);
        findings.check(done as f64 >= wanted, || format!("{done} {name}, wanted at least {wanted}"));
    }
    if record.hung.is_some() {
        return findings;
    }
    for failure in &record.end.failures {
        findings.failures.push(failure.clone());
    }
    findings.passed += record.end.passed;
    if actors::has_history(variant) {
        add_up(&mut findings, record);
    }
    findings
}

/// What must add up, of this project's counters.
fn add_up(findings: &mut Findings, record: &Record) {
    let (before, after) = (&record.before, &record.after);
    let since = |of: fn(&Sums) -> u64| of(after).saturating_sub(of(before));
    let sorted = after.ignored + after.false_positives + after.slot_resets;
    findings.check(after.total >= sorted, || {
        format!("{} checks, and {sorted} that were ignored, of a healthy PE, or found a freeze", after.total)
    });
    let told = ["EEH: Frozen PE#", "EEH: Fenced PHB#", "EEH: dead PHB#"];
    let told: u64 = told.iter().map(|text| record.logged(text)).sum();
    let (freezes, found) = (since(|sums| sums.freezes), since(|sums| sums.slot_resets) + told);
    findings.check(freezes == found, || {
        format!("{freezes} freezes in eeh_history, {found} found by checks and told by firmware")
    });
    let told: u64 = FIRST_WORDS.iter().map(|text| record.logged(text)).sum();
    let recoveries = since(|sums| sums.recoveries);
    findings
        .check(recoveries == told, || format!("{recoveries} recoveries in eeh_history, {told} in the log"));
    findings.check(after.without_outcome == 0, || {
        format!("{} PEs with a recovery that has not come to an end", after.without_outcome)
    });
    let report = record.report.as_deref().unwrap_or_default();
    findings.check(report.trim() == "0 orphans", || format!("eeh_pe_debug: {report}"));
}

#[cfg(test)]
mod tests {
    use super::{Findings, Record, Sums, Variant, judge};

    /// What goes wrong.
    type Change = fn(&mut Record);

    const PROC: &str = "EEH Subsystem is enabled\nno device=0\ncheck not wanted=1\neeh_total_mmio_ffs=20\n\
                        eeh_false_positives=4\neeh_slot_resets=6\n";
    const HISTORY: &str = "PHB#0-PE#1fd: 7 freezes, the last at 31.5, 4 false positives, 9 recoveries, the last recovered\n\
                           PHB#2: 1 freezes, the last at 1.5, 0 false positives, 1 recoveries, the last recovered\n";

    /// A storm of a minute that went well.
    fn good() -> Record {
        let told = "EEH: Frozen PE#1fd on PHB#0 detected\nEEH: Fenced PHB#2 detected, location: x\n";
        let mut record = Record {
            minutes: 1,
            resets: 10,
            log: told.to_owned() + &"EEH: Recovering PHB#0-PE#1fd\n".repeat(10),
            after: Sums::parse(PROC, Some(HISTORY)),
            report: Some("0 orphans\n".to_owned()),
            end: Findings { passed: 3, ..Findings::default() },
            ..Record::default()
        };
        record.counts.insert("leaf.removal".to_owned(), (5, 1));
        record.counts.insert("outside.fence".to_owned(), (1, 0));
        record
    }

    fn failures(change: impl FnOnce(&mut Record)) -> Vec<String> {
        let mut record = good();
        change(&mut record);
        judge(&record, Variant::Rust).failures
    }

    #[test]
    fn a_storm_that_went_well_passes() {
        assert_eq!(failures(|_| ()), Vec::<String>::new());
    }

    #[test]
    fn a_recovery_whose_pe_goes_at_once_counts_in_both() {
        for first in [
            "eeh_handle_normal_event: Cannot find PCI bus for PHB#1-PE#fd\n",
            "EEH: Frozen PHB#1-PE#fd is empty!\n",
        ] {
            let both: Vec<String> = failures(|record| {
                record.log += first;
                record.after.recoveries += 1;
            });
            assert_eq!(both, Vec::<String>::new());
        }
    }

    #[test]
    fn less_is_enough_with_checkers() {
        assert!(!failures(|record| record.resets = 2).is_empty());
        let few: Change = |record| (record.resets, record.checked) = (2, true);
        assert!(failures(few).is_empty());
    }

    #[test]
    fn each_thing_that_goes_wrong_is_found() {
        let changes: [(&str, Change); 9] = [
            ("hung", |record| record.hung = Some("leaf".to_owned())),
            ("complained", |record| record.complaints.push("BUG: x".to_owned())),
            ("0 resets", |record| record.resets = 0),
            ("0 removals", |record| record.counts.clear()),
            ("0 fences", |record| record.counts.clear()),
            ("not bound", |record| record.end.failures.push("x is not bound".to_owned())),
            ("freezes in eeh_history", |record| record.after.freezes += 1),
            ("not come to an end", |record| record.after.without_outcome = 1),
            ("eeh_pe_debug", |record| record.report = Some("1 orphans".to_owned())),
        ];
        for (wanted, change) in changes {
            let failures = failures(change);
            assert!(failures.iter().any(|failure| failure.contains(wanted)), "{wanted}: {failures:?}");
        }
    }

    #[test]
    fn counters_that_do_not_add_up_are_found() {
        assert!(!failures(|record| record.after.total = 10).is_empty());
        assert!(!failures(|record| record.after.recoveries += 1).is_empty());
        let gone = "[ 1.0] eeh_handle_normal_event: Cannot find PCI bus for PHB#1-PE#fd\n";
        assert!(!failures(|record| record.log += gone).is_empty());
        assert!(!failures(|record| record.log += "EEH: dead PHB#3 detected, location: x").is_empty());
    }
}
