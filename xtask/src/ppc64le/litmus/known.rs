// SPDX-License-Identifier: GPL-2.0-or-later
//! Verdicts that are published for POWER (Sarkar et al., PLDI 2011; Alglave et al., 2014): the model gives the same.

use super::model::Op::{self, AddrR, Ctrl, DataW, Isync, Lwsync, R, Rmw, Sync, W};

/// Registers, and what memory holds in the end.
pub(super) type Outcome = fn(&[u8], &dyn Fn(char) -> u8) -> bool;

/// A test with a known verdict.
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) threads: Vec<Vec<Op>>,
    pub(super) outcome: Outcome,
    pub(super) allowed: bool,
}

/// A load buffering test's store.
type Store = fn(char) -> Op;

fn message_passing(name: &'static str, between: &[Op], then: &[Op], allowed: bool) -> Known {
    let writer = [&[W('x', 1)], between, &[W('y', 1)]].concat();
    let reader = [&[R('y', 0)], then].concat();
    Known { name, threads: vec![writer, reader], outcome: |r, _| r[0] == 1 && r[1] == 0, allowed }
}

fn load_buffering(name: &'static str, between: &[Op], store: Store, allowed: bool) -> Known {
    let side = |from, to, reg| [&[R(from, reg)], between, &[store(to)]].concat();
    let threads = vec![side('x', 'y', 0), side('y', 'x', 1)];
    Known { name, threads, outcome: |r, _| r[0] == 1 && r[1] == 1, allowed }
}

fn store_buffering(name: &'static str, barrier: &[Op], allowed: bool) -> Known {
    let side = |to, from, reg| [&[W(to, 1)], barrier, &[R(from, reg)]].concat();
    let threads = vec![side('x', 'y', 0), side('y', 'x', 1)];
    Known { name, threads, outcome: |r, _| r[0] == 0 && r[1] == 0, allowed }
}

fn independent_readers(name: &'static str, barrier: Op, allowed: bool) -> Known {
    let reader = |first, second, reg| vec![R(first, reg), barrier, R(second, reg + 1)];
    let threads = vec![vec![W('x', 1)], vec![W('y', 1)], reader('x', 'y', 0), reader('y', 'x', 2)];
    Known { name, threads, outcome: |r, _| r[..4] == [1, 0, 1, 0], allowed }
}

fn causality(name: &'static str, middle: &[Op], allowed: bool) -> Known {
    let threads = vec![vec![W('x', 1)], [&[R('x', 0)], middle].concat(), vec![R('y', 1), AddrR('x', 2)]];
    Known { name, threads, outcome: |r, _| r[..3] == [1, 1, 0], allowed }
}

fn two_stores(name: &'static str, barrier: &[Op], allowed: bool) -> Known {
    let side = |first, second| [&[W(first, 2)], barrier, &[W(second, 1)]].concat();
    let threads = vec![side('x', 'y'), side('y', 'x')];
    Known { name, threads, outcome: |_, last| last('x') == 2 && last('y') == 2, allowed }
}

fn store_and_load(name: &'static str, barrier: Op, allowed: bool) -> Known {
    let threads = vec![vec![W('x', 1), barrier, W('y', 1)], vec![W('y', 2), Sync, R('x', 0)]];
    Known { name, threads, outcome: |r, last| last('y') == 2 && r[0] == 0, allowed }
}

/// All of them, by their usual names.
pub(super) fn all() -> Vec<Known> {
    vec![
        message_passing("MP", &[], &[R('x', 1)], true),
        message_passing("MP+lwsync+po", &[Lwsync], &[R('x', 1)], true),
        message_passing("MP+lwsync+ctrl", &[Lwsync], &[Ctrl, R('x', 1)], true),
        message_passing("MP+po+ctrlisync", &[], &[Isync, R('x', 1)], true),
        message_passing("MP+lwsync+ctrlisync", &[Lwsync], &[Isync, R('x', 1)], false),
        message_passing("MP+lwsync+addr", &[Lwsync], &[AddrR('x', 1)], false),
        message_passing("MP+lwsyncs", &[Lwsync], &[Lwsync, R('x', 1)], false),
        load_buffering("LB", &[], |at| W(at, 1), true),
        load_buffering("LB+datas", &[], |at| DataW(at, 1), false),
        load_buffering("LB+ctrls", &[Ctrl], |at| W(at, 1), false),
        load_buffering("LB+lwsyncs", &[Lwsync], |at| W(at, 1), false),
        store_buffering("SB", &[], true),
        store_buffering("SB+lwsyncs", &[Lwsync], true),
        store_buffering("SB+syncs", &[Sync], false),
        independent_readers("IRIW+lwsyncs", Lwsync, true),
        independent_readers("IRIW+syncs", Sync, false),
        causality("WRC+data+addr", &[DataW('y', 1)], true),
        causality("WRC+lwsync+addr", &[Lwsync, W('y', 1)], false),
        two_stores("2+2W", &[], true),
        two_stores("2+2W+lwsyncs", &[Lwsync], false),
        store_and_load("R+lwsync+sync", Lwsync, true),
        store_and_load("R+syncs", Sync, false),
        Known {
            name: "CoRR",
            threads: vec![vec![W('x', 1)], vec![R('x', 0), R('x', 1)]],
            outcome: |r, _| r[..2] == [1, 0],
            allowed: false,
        },
        Known {
            name: "a store between a reservation and its store",
            threads: vec![vec![Rmw('x', 0, 1)], vec![W('x', 2), R('x', 1)]],
            outcome: |r, last| r[0] == 0 && last('x') == 1 && r[1] == 2,
            allowed: false,
        },
    ]
}
