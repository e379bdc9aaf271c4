// SPDX-License-Identifier: GPL-2.0-or-later
//! Anything at all is done to a machine; then firmware resets it, and everything must work again.

use core::time::Duration;
use std::sync::Arc;

use eeh_pe::Bdf;
use eeh_powernv::opal::{Opal, rc, reset, scope};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::*;
use crate::opal::{Firmware, Quirks, Version};
use crate::topology::{PhbSpec, Synthetic, synthetic};

const STEPS: u32 = 400;
const SEEDS: u64 = 60;

struct Chaos<'a> {
    rng: ChaCha8Rng,
    spec: &'a PhbSpec,
    phb: Arc<Phb>,
    firmware: &'a Firmware,
    clock: &'a VirtualClock,
    /// Kinds of step that were taken, a bit each.
    kinds: u32,
}

impl Chaos<'_> {
    fn pick(&mut self, n: usize) -> usize {
        self.rng.next_u32() as usize % n.max(1)
    }

    fn function(&mut self) -> Bdf {
        let at = self.pick(self.spec.functions.len());
        self.spec.functions[at].bdf
    }

    /// A register worth writing: often one that holds a line or a link.
    fn offset(&mut self, bdf: Bdf) -> u16 {
        let slot = self.phb.slot_control(bdf).unwrap_or(0x19);
        [0x04, 0x10, 0x18, 0x20, 0x3e, 0x3e, slot, slot][self.pick(8)] & !1
    }

    fn step(&mut self) {
        let bdf = self.function();
        let id = u64::from(self.spec.number);
        let value = self.rng.next_u32();
        let kind = self.pick(13);
        self.kinds |= 1 << kind;
        match kind {
            0..=3 => {
                let offset = self.offset(bdf);
                let _ = self.phb.config_write(bdf, offset, 2, value);
            }
            4 => {
                let _ = self.phb.config_write(bdf, value as u16 & 0xffc, 4, self.rng.next_u32());
            }
            5 => drop(self.phb.pull(bdf)),
            6 => drop(self.phb.push(bdf)),
            7 => {
                let kinds = [scope::PHB_COMPLETE, scope::PCI_HOT, scope::PCI_FUNDAMENTAL];
                let kind = kinds[self.pick(3)];
                self.firmware.pci_reset(id, kind, reset::ASSERT);
            }
            8 => drop(self.firmware.pci_poll(id)),
            9 => drop(self.phb.freeze(value % 256)),
            10 => {
                let bars: Vec<_> = self.spec.functions.iter().flat_map(|f| &f.bars).collect();
                if !bars.is_empty() {
                    let at = bars[self.pick(bars.len())].start;
                    self.phb.write32(at, self.phb.read32(at));
                }
            }
            11 => {
                if value.is_multiple_of(16) {
                    self.phb.fence();
                }
            }
            _ => self.clock.advance(Duration::from_millis(u64::from(value % 500))),
        }
    }

    fn recover(&mut self) {
        let id = u64::from(self.spec.number);
        for f in &self.spec.functions {
            self.phb.push(f.bdf);
        }
        // The first may only finish one that was under way: skiboot goes on where it is.
        for _ in 0..2 {
            let mut wait = self.firmware.pci_reset(id, scope::PHB_COMPLETE, reset::ASSERT);
            while wait > 0 {
                self.clock.advance(Duration::from_millis(wait.cast_unsigned()));
                wait = self.firmware.pci_poll(id);
            }
            assert_eq!(wait, rc::SUCCESS);
        }
        self.clock.advance(Duration::from_secs(2));
    }

    fn check(&self, seed: u64) {
        assert_eq!(self.phb.enumerate(None), self.spec.functions.len(), "seed {seed}");
        let (asserted, released) = self.phb.wire().pairs();
        assert_eq!(asserted, released, "seed {seed}");
        for f in &self.spec.functions {
            let r = self.phb.resets(f.bdf).unwrap();
            assert_eq!(r.asserted, r.released, "seed {seed}: {}", f.bdf);
            let on = f.config[4] & 2 != 0;
            for bar in f.bars.iter().filter(|b| !b.io && on) {
                self.phb.write32(bar.start, 0x5a5a);
                assert_eq!(self.phb.read32(bar.start), 0x5a5a, "seed {seed}: {} {bar:?}", f.bdf);
            }
        }
    }
}

#[test]
fn whatever_was_done_a_complete_reset_brings_everything_back() {
    let mut kinds = 0;
    for seed in 0..SEEDS {
        let spec = synthetic(&Synthetic { phbs: 1, functions: 40, seed }).unwrap();
        let clock = Arc::new(VirtualClock::new());
        let machine = Arc::new(Machine::new(&spec, Arc::clone(&clock) as Arc<dyn SimClock>));
        let version = match seed % 3 {
            0 => Version::Ideal,
            1 => Version::skiboot(),
            _ => Version::Skiboot(Quirks { leaves_link_unstable: false, ..Quirks::default() }),
        };
        let firmware = Firmware::new(Arc::clone(&machine), version);
        let phb = machine.phbs().next().unwrap();
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let mut chaos = Chaos { rng, spec: &spec.phbs[0], phb, firmware: &firmware, clock: &clock, kinds: 0 };
        for _ in 0..STEPS {
            chaos.step();
        }
        chaos.recover();
        chaos.check(seed);
        kinds |= chaos.kinds;
    }
    assert_eq!(kinds.count_ones(), 13, "every kind of step was taken");
}
