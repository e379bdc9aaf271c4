// SPDX-License-Identifier: GPL-2.0-or-later
//! The shapes of `docs/design/0012-power.md` under POWER's memory model.
//!
//! Each must be forbidden with the barriers that the code has, and allowed without them: else the test shows nothing.
//! Before that the model must give the verdicts that are published.

mod known;
mod model;
mod relation;

use crate::figures::thousands;
use crate::report::Findings;
use model::Op::{self, Lwsync, R, Rmw, W};

/// Registers after an execution.
type Outcome = fn(&[u8]) -> bool;

/// A shape, and what must not happen.
struct Shape {
    name: &'static str,
    threads: Vec<Vec<Op>>,
    never: Outcome,
}

/// Locations: `i`dentity, `w`ord, `h`ead of a stack, `l`ink, `r`ecord, `e`ntry and `s`equence of the map, a kept
/// handle `k`. Registers 0 to 3. Loads with acquire have `lwsync` behind them, stores with release before them,
/// exchanges both sides.
fn shapes() -> Vec<Shape> {
    let shape = |name, threads: &[&[Op]], never| Shape {
        name,
        threads: threads.iter().map(|ops| ops.to_vec()).collect(),
        never,
    };
    vec![
        shape(
            "message passing: a birth",
            &[&[W('i', 1), Lwsync, W('w', 1)], &[R('w', 0), Lwsync, R('i', 1)]],
            |r| r[0] == 1 && r[1] == 0,
        ),
        shape(
            "message passing: reuse",
            &[&[W('w', 1), Lwsync, W('i', 1)], &[R('i', 0), Lwsync, R('w', 1)]],
            |r| r[0] == 1 && r[1] == 0,
        ),
        shape(
            "message passing: a stack",
            &[
                &[W('l', 1), W('r', 1), Lwsync, Rmw('h', 0, 1), Lwsync],
                &[Lwsync, Rmw('h', 1, 2), Lwsync, R('l', 2), R('r', 3)],
            ],
            |r| r[1] == 1 && (r[2] == 0 || r[3] == 0),
        ),
        shape(
            "load buffering: a report is taken",
            &[
                &[R('r', 0), R('l', 1), Lwsync, Rmw('w', 2, 1), Lwsync],
                &[R('w', 3), Lwsync, Lwsync, Rmw('w', 4, 2), Lwsync, W('r', 1), W('l', 1)],
            ],
            |r| r[3] == 1 && r[4] == 1 && (r[0] == 1 || r[1] == 1),
        ),
        shape(
            "load buffering: a slot is freed",
            &[
                &[R('l', 0), Lwsync, W('w', 1)],
                &[R('w', 1), Lwsync, Lwsync, Rmw('w', 2, 2), Lwsync, W('l', 1)],
            ],
            |r| r[0] == 1 && r[1] == 1 && r[2] == 1,
        ),
        shape(
            "load buffering: a hold is dropped",
            &[&[R('i', 0), Lwsync, Rmw('w', 1, 1), Lwsync], &[Lwsync, Rmw('w', 2, 2), Lwsync, W('i', 1)]],
            |r| r[0] == 1 && r[2] == 1,
        ),
        shape(
            "message passing: an entry of the map",
            &[&[W('e', 1), Lwsync, W('s', 1)], &[R('s', 0), Lwsync, R('e', 1)]],
            |r| r[0] == 1 && r[1] == 0,
        ),
        shape(
            "message passing: the copy that is written next",
            &[
                &[Lwsync, W('s', 1), Lwsync, W('e', 1), Lwsync, W('s', 2)],
                &[R('s', 0), Lwsync, R('e', 1), Lwsync, R('s', 2)],
            ],
            |r| r[0] == 0 && r[1] == 1 && r[2] == 0,
        ),
        shape(
            "three threads: a handle is handed on",
            &[
                &[W('i', 1), Lwsync, W('w', 1)],
                &[R('w', 0), Lwsync, W('k', 1)],
                &[R('k', 1), Lwsync, R('i', 2)],
            ],
            |r| r[0] == 1 && r[1] == 1 && r[2] == 0,
        ),
    ]
}

/// The same without barriers.
fn bare(threads: &[Vec<Op>]) -> Vec<Vec<Op>> {
    threads.iter().map(|ops| ops.iter().copied().filter(|op| !op.is_barrier()).collect()).collect()
}

/// Judges the model, the shapes, and one winner, which rests on the reservation alone.
pub(super) fn run() -> (Findings, Vec<Vec<String>>) {
    let mut findings = Findings::default();
    let known = known::all();
    for test in &known {
        let (allowed, _) = model::allows(&test.threads, &test.outcome);
        let right = allowed == test.allowed;
        findings.check(right, || format!("{}: the model is wrong: it says allowed: {allowed}", test.name));
    }
    findings.notes.push(format!("{} published verdicts", known.len()));
    let mut rows = Vec::new();
    let mut judge = |name: &str, with: &[Vec<Op>], without: &[Vec<Op>], never: Outcome| {
        let (allowed, executions) = model::allows(with, &|registers, _| never(registers));
        findings.check(!allowed, || format!("{name}: POWER allows what must not happen"));
        let (possible, _) = model::allows(without, &|registers, _| never(registers));
        findings.check(possible, || format!("{name}: is forbidden without barriers, and shows nothing"));
        let count = thousands(u64::try_from(executions).unwrap_or(u64::MAX));
        let verdict = |allowed| if allowed { "allowed" } else { "forbidden" }.to_owned();
        rows.push(vec![name.to_owned(), count, verdict(allowed), verdict(possible)]);
    };
    for Shape { name, threads, never } in shapes() {
        judge(name, &threads, &bare(&threads), never);
    }
    let winner = [vec![Rmw('w', 0, 1)], vec![Rmw('w', 1, 2)]];
    let torn = [vec![R('w', 0), W('w', 1)], vec![R('w', 1), W('w', 2)]];
    judge("coherence: one winner (without: a load and a store)", &winner, &torn, |r| r[0] == 0 && r[1] == 0);
    (findings, rows)
}

#[cfg(test)]
mod tests {
    #[test]
    fn published_verdicts_and_ours_hold() {
        let (findings, rows) = super::run();
        assert_eq!((findings.failures, rows.len()), (Vec::new(), 10));
    }
}
