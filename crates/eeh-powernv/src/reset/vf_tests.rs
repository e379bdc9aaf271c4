// SPDX-License-Identifier: GPL-2.0-or-later
use core::cell::{Cell, RefCell};
use std::vec::Vec;

use super::*;
use crate::testing::{at, port};

const PCIE: u16 = 0x70;
const AF: u16 = 0x90;

/// A function with the registers of both capabilities.
struct Function {
    devcap: u32,
    af_cap: u32,
    devctl: u32,
    /// Looks at the status that find transactions pending.
    pending: Cell<u32>,
    /// Accesses that are answered.
    alive: Cell<u32>,
    writes: RefCell<Vec<(u16, Width, u32)>>,
}

impl Default for Function {
    fn default() -> Self {
        Self {
            devcap: DEVCAP_FLR,
            af_cap: 3,
            devctl: 0x2810,
            pending: Cell::new(0),
            alive: Cell::new(u32::MAX),
            writes: RefCell::default(),
        }
    }
}

impl ConfigSpace for Function {
    fn read(&self, _: &DeviceTarget, offset: u16, width: Width) -> Result<u32, FirmwareError> {
        let alive = self.alive.get();
        self.alive.set(alive.saturating_sub(1));
        if alive == 0 {
            return Ok(all_ones(width));
        }
        let status = |bit| {
            let pending = self.pending.get();
            self.pending.set(pending.saturating_sub(1));
            if pending > 0 { bit } else { 0 }
        };
        Ok(match (offset, width) {
            (0x74, Width::Word) => self.devcap,
            (0x78, Width::Half) => self.devctl,
            (0x7a, Width::Half) => status(DEVSTA_PENDING),
            (0x93, Width::Byte) => self.af_cap,
            (0x95, Width::Byte) => status(AF_STATUS_PENDING),
            other => panic!("read of {other:?}"),
        })
    }

    fn write(&self, _: &DeviceTarget, offset: u16, width: Width, value: u32) -> Result<(), FirmwareError> {
        self.writes.borrow_mut().push((offset, width, value));
        Ok(())
    }
}

fn vf(pcie_cap: u16, af_cap: u16) -> FunctionReset {
    FunctionReset::new(DeviceTarget { pcie_cap, af_cap, ..port() })
}

/// Polls to the end: the outcome and the waits.
fn run(attempt: &mut FunctionReset, config: &Function) -> (ResetPoll, Vec<(Wait, u128)>) {
    let mut now = at(0);
    let mut waits = Vec::new();
    loop {
        match attempt.poll(config, now) {
            ResetPoll::Wait { until, why } => {
                // Before its time nothing happens.
                let (reads, writes) = (config.alive.get(), config.writes.borrow().len());
                assert_eq!(attempt.poll(config, now), wait(until, why));
                assert_eq!((config.alive.get(), config.writes.borrow().len()), (reads, writes));
                waits.push((why, until.since(now).as_millis()));
                now = until;
            }
            end @ (ResetPoll::Done | ResetPoll::Failed(_)) => {
                assert_eq!(attempt.poll(config, now), end);
                return (end, waits);
            }
        }
    }
}

#[test]
fn an_express_function_is_reset_by_one_write_of_16_bits() {
    let config = Function::default();
    let (end, waits) = run(&mut vf(PCIE, AF), &config);
    assert_eq!((end, waits), (ResetPoll::Done, [(Wait::FlrSettle, 100)].to_vec()));
    assert_eq!(*config.writes.borrow(), [(0x78, Width::Half, 0xa810)]);
}

#[test]
fn advanced_features_serve_where_flr_is_missing() {
    for (pcie, devcap) in [(PCIE, 0), (0, DEVCAP_FLR)] {
        let config = Function { devcap, ..Function::default() };
        assert_eq!(run(&mut vf(pcie, AF), &config).0, ResetPoll::Done);
        assert_eq!(*config.writes.borrow(), [(0x94, Width::Byte, 1)]);
    }
}

#[test]
fn a_function_without_either_is_refused_untouched() {
    let missing = FirmwareError::Missing { call: "Function Level Reset" };
    for af_cap in [0, 1, 2] {
        let config = Function { devcap: 0, af_cap, ..Function::default() };
        assert_eq!(run(&mut vf(PCIE, AF), &config), (ResetPoll::Failed(missing), Vec::new()));
        assert!(config.writes.borrow().is_empty());
    }
    let config = Function::default();
    assert_eq!(run(&mut vf(0, 0), &config), (ResetPoll::Failed(missing), Vec::new()));
}

#[test]
fn pending_transactions_are_waited_for_with_growing_patience_and_an_end() {
    let steps = [100, 200, 400, 800].map(|ms| (Wait::TransactionsPending, ms));
    for (pcie, af) in [(PCIE, 0), (0, AF)] {
        for pending in 0..7 {
            let config = Function { pending: Cell::new(pending), ..Function::default() };
            let (end, waits) = run(&mut vf(pcie, af), &config);
            let mut expected = steps[..steps.len().min(pending as usize)].to_vec();
            expected.push((Wait::FlrSettle, 100));
            assert_eq!((end, waits), (ResetPoll::Done, expected));
            assert_eq!(config.writes.borrow().len(), 1);
        }
    }
}

#[test]
fn a_function_that_stops_answering_is_not_reset() {
    for alive in 0..3 {
        let config = Function { alive: Cell::new(alive), ..Function::default() };
        assert!(matches!(run(&mut vf(PCIE, 0), &config).0, ResetPoll::Failed(_)), "alive for {alive}");
        assert!(config.writes.borrow().is_empty());
    }
}

#[test]
fn an_attempt_given_up_writes_nothing_more() {
    let config = Function { pending: Cell::new(9), ..Function::default() };
    let mut attempt = vf(PCIE, AF);
    assert!(matches!(attempt.poll(&config, at(0)), ResetPoll::Wait { .. }));
    attempt.abandon();
    assert!(matches!(attempt.poll(&config, at(9999)), ResetPoll::Failed(_)));
    assert!(config.writes.borrow().is_empty());
}
