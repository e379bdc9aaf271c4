// SPDX-License-Identifier: GPL-2.0-or-later

use std::collections::HashSet;

use proptest::prelude::*;

use super::super::config;
use super::*;

fn make(phbs: u32, functions: u32, seed: u64) -> MachineSpec {
    synthetic(&Synthetic { phbs, functions, seed }).unwrap()
}

#[test]
fn parameters_that_do_not_fit_are_refused() {
    let error = |phbs, functions| synthetic(&Synthetic { phbs, functions, seed: 0 }).unwrap_err().to_string();
    assert_eq!(error(0, 1), "expected 1 to 1024 PHBs, found 0");
    assert_eq!(error(2, 1), "expected 2 to 1024 functions, found 1");
    assert_eq!(error(2, 1025), "expected 2 to 1024 functions, found 1025");
}

#[test]
fn the_big_machine_has_64_phbs_and_10000_functions() {
    let machine = make(64, 10_000, 1);
    assert_eq!((machine.phbs.len(), machine.function_count()), (64, 10_000));
}

#[test]
fn the_smallest_machine_is_a_root_port() {
    let machine = make(1, 1, 1);
    assert_eq!(machine.phbs[0].functions[0].pe, Some(0x1fe));
}

#[test]
fn equal_parameters_make_equal_machines_and_another_seed_does_not() {
    assert_eq!(make(3, 60, 9), make(3, 60, 9));
    assert_ne!(make(3, 60, 9), make(3, 60, 10));
}

/// What is true of any machine that firmware has set up.
fn assert_sane(machine: &MachineSpec) {
    let mut ranges = Vec::new();
    for phb in &machine.phbs {
        let places: HashSet<_> = phb.functions.iter().map(|function| function.bdf).collect();
        assert_eq!(places.len(), phb.functions.len(), "each place once");
        let mut buses = HashSet::new();
        for function in &phb.functions {
            let bdf = function.bdf;
            assert!(function.pe.is_some(), "{bdf} has a PE");
            assert_eq!(bdf.bus() == 0, phb.parent_of(bdf).is_none(), "{bdf} is below a bridge or on bus 0");
            if let Some(below) = function.secondary() {
                assert!(buses.insert(below), "bus {below} is below one bridge");
                assert!(below > bdf.bus() && function.subordinate() >= Some(below));
            }
            for bar in &function.bars {
                let window = phb.windows.iter().find(|window| window.contains(bar.start)).unwrap();
                assert!(window.contains(bar.last()) && window.m64 == bar.prefetch);
                assert_through_bridges(phb, function, window.to_bus(bar.start).unwrap(), bar);
                ranges.push((bar.start, bar.last()));
            }
        }
    }
    ranges.sort_unstable();
    assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0), "BARs do not overlap");
}

/// Every bridge above passes the BAR on.
fn assert_through_bridges(phb: &PhbSpec, function: &FunctionSpec, bus: u64, bar: &BarSpec) {
    let mut bdf = function.bdf;
    while let Some(bridge) = phb.parent_of(bdf) {
        let word = |at| u64::from(config::u16_at(&bridge.config, at) & 0xfff0) << 16;
        let upper = |at| u64::from(config::u32_at(&bridge.config, at)) << 32;
        let (first, last) = if bar.prefetch {
            (word(0x24) | upper(0x28), word(0x26) | upper(0x2c) | 0xf_ffff)
        } else {
            (word(0x20), word(0x22) | 0xf_ffff)
        };
        assert!(first <= bus && bus + bar.size - 1 <= last, "{} passes {bus:x} on", bridge.bdf);
        bdf = bridge.bdf;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_machine_is_sane(phbs in 1_u32..6, per_phb in 1_u32..=Synthetic::MOST_FUNCTIONS, more in 0_u32..5, seed: u64) {
        let functions = (phbs * per_phb + more).min(phbs * Synthetic::MOST_FUNCTIONS);
        let machine = make(phbs, functions, seed);
        prop_assert_eq!(machine.function_count(), functions as usize);
        assert_sane(&machine);
    }
}
