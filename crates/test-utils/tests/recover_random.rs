// SPDX-License-Identifier: GPL-2.0-or-later
//! Machines made up from a seed, with faults and hotplug at random moments over virtual time. When
//! all is quiet and everything has been scanned again, everything must be there and work.

mod common;

use core::time::Duration;
use std::collections::BTreeSet;

use common::{Done, Scenario, each, ms};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use test_utils::engine::Fault;
use test_utils::topology::{MachineSpec, PciAddress, Synthetic, synthetic};

const TEMPERAMENTS: [&str; 8] = [
    "unaware",
    "can-recover",
    "refreeze",
    "slow=700ms",
    "fundamental",
    "mmio=slot_reset,mmio=resume,mmio=error_detected",
    "none",
    "aware",
];

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.0.next_u64() % n as u64).expect("small")
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn moment(&mut self, within: u64) -> Duration {
        ms(self.0.next_u64() % within)
    }
}

fn scenario(seed: u64) -> (MachineSpec, Scenario) {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
    let spec = synthetic(&Synthetic { phbs: 3, functions: 36, seed }).expect("it fits");
    let all: Vec<PciAddress> = spec.functions().map(|(at, _)| at).collect();
    let ends: Vec<PciAddress> =
        spec.functions().filter(|(_, f)| !f.is_bridge() && f.pe.is_some()).map(|(at, _)| at).collect();
    let firmware = dice.pick(&each());
    let mut scenario = Scenario::of(spec.clone()).seed(seed).firmware(firmware);
    scenario = scenario.options(|o| o.params.max_freezes = 1000);
    let mut tempered = BTreeSet::new();
    for _ in 0..dice.below(8) {
        let at = dice.pick(&ends);
        if tempered.insert(at) {
            scenario = scenario.driver(&at.to_string(), dice.pick(&TEMPERAMENTS));
        }
    }
    for _ in 0..3 + dice.below(12) {
        let (end, any) = (dice.pick(&ends), dice.pick(&all));
        let fault = match dice.below(12) {
            0..4 => Fault::Break(end.phb, end.bdf),
            4 | 5 => Fault::Freeze(any.phb, any.bdf),
            6 => Fault::Fence(any.phb),
            7 | 8 => Fault::Remove(any.phb, any.bdf),
            9 => Fault::Rescan(any.phb),
            10 => Fault::Unbind(end.phb, end.bdf),
            _ => Fault::Bind(end.phb, end.bdf),
        };
        scenario = scenario.at(dice.moment(6000), fault);
    }
    // At the end all is found again, also what is stopped and nobody reads, and every driver bound.
    for (at, _) in spec.functions() {
        scenario = scenario.at(ms(80_000), Fault::Look(at.phb, at.bdf));
    }
    for phb in &spec.phbs {
        scenario = scenario.at(ms(90_000), Fault::Rescan(phb.number));
    }
    for end in &ends {
        scenario = scenario.at(ms(100_000), Fault::Bind(end.phb, end.bdf));
    }
    (spec, scenario)
}

fn check(seed: u64, spec: &MachineSpec, done: &Done) {
    assert_eq!(done.run.stuck, 0, "seed {seed}: {}", done.log());
    for (at, function) in spec.functions() {
        // What Linux could not reach before it could not reach ever.
        let works = done.linux.works(at.phb, at.bdf);
        assert_eq!(works, Ok(()), "seed {seed}: {at} {:06x}\n{}", function.class(), done.log());
    }
    done.assert_clean();
}

#[test]
fn whatever_happens_everything_works_in_the_end() {
    let seeds = std::env::var("SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(150);
    let from = std::env::var("SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    for seed in from..from + seeds {
        eprintln!("seed {seed}");
        let (spec, scenario) = scenario(seed);
        check(seed, &spec, &scenario.run());
    }
}
