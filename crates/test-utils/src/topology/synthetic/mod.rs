// SPDX-License-Identifier: GPL-2.0-or-later
//! Machines of any size, made up from a seed.

mod devices;
mod space;

use eeh_pe::Bdf;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::model::{BarSpec, FunctionSpec, MachineSpec, PhbKind, PhbSpec, WindowSpec};
use super::pe;
use super::registers::{self, Register};
use devices::{KINDS, Port, Wanted};

/// What to make up. Equal parameters make equal machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Synthetic {
    /// How many PHBs: 1 to 1024.
    pub phbs: u32,
    /// How many functions all have together, bridges included: at least one and at most
    /// [`Synthetic::MOST_FUNCTIONS`] for each PHB.
    pub functions: u32,
    /// Decides everything else.
    pub seed: u64,
}

impl Synthetic {
    /// The most functions of one PHB.
    pub const MOST_FUNCTIONS: u32 = 512;
}

/// Parameters of which no machine can be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SyntheticError {
    /// Too few or too many PHBs.
    #[error("expected 1 to 1024 PHBs, found {0}")]
    Phbs(u32),
    /// Too few or too many functions for the PHBs.
    #[error("expected {least} to {most} functions, found {found}")]
    Functions {
        /// A root port for each PHB.
        least: u32,
        /// What fits.
        most: u32,
        /// What was asked for.
        found: u32,
    },
}

/// Makes a machine up: a root port on each PHB; below it a device with one or more functions, or
/// switches with such devices below their ports.
///
/// # Errors
///
/// When the numbers do not fit.
pub fn synthetic(parameters: &Synthetic) -> Result<MachineSpec, SyntheticError> {
    let Synthetic { phbs, functions, seed } = *parameters;
    if !(1..=1024).contains(&phbs) {
        return Err(SyntheticError::Phbs(phbs));
    }
    let (least, most) = (phbs, phbs * Synthetic::MOST_FUNCTIONS);
    if !(least..=most).contains(&functions) {
        return Err(SyntheticError::Functions { least, most, found: functions });
    }
    let share = |number: u32| functions / phbs + u32::from(number < functions % phbs);
    let phb = |number: u32| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::from(number));
        Builder::new(number, share(number), rng).build(share(number))
    };
    Ok(MachineSpec { phbs: (0..phbs).map(phb).collect(), notes: Vec::new() })
}

/// Where the windows of the first PHB are; the next ones' follow.
const MEMORY: WindowSpec =
    WindowSpec { start: 0x0007_00c0_0000_0000, size: 1 << 31, bus_start: 1 << 31, io: false, m64: false };
const M64: WindowSpec =
    WindowSpec { start: 6 << 48, size: 1 << 38, bus_start: 6 << 48, io: false, m64: true };
/// Bridges pass memory on in whole MiB.
const MIB: u64 = 1 << 20;

struct Builder {
    phb: PhbSpec,
    rng: ChaCha8Rng,
    /// The highest bus so far.
    last_bus: u8,
    /// The next free bus address of 32-bit memory.
    memory: u64,
    /// The next free bus address of M64.
    m64: u64,
    /// Bytes of a segment of M64.
    segment: u64,
    /// The fewest functions at and below a downstream port, so that 256 buses suffice.
    per_port: u32,
}

impl Builder {
    fn new(number: u32, functions: u32, rng: ChaCha8Rng) -> Self {
        let at = u64::from(number);
        let memory = WindowSpec { start: MEMORY.start + at * MEMORY.size, ..MEMORY };
        let start = M64.start + at * M64.size;
        let m64 = WindowSpec { start, bus_start: start, ..M64 };
        let mut phb = PhbSpec {
            number,
            kind: PhbKind::Phb5,
            windows: vec![memory, m64],
            pe_count: 0,
            functions: Vec::new(),
            location: None,
        };
        phb.pe_count = pe::default_count(&phb);
        let segment = M64.size / u64::from(phb.pe_count.max(1));
        let per_port = if functions <= 200 { 2 } else { 5 };
        Self { phb, rng, last_bus: 0, memory: MEMORY.bus_start, m64: start, segment, per_port }
    }

    fn build(mut self, functions: u32) -> PhbSpec {
        let slot = format!("pcie.{}", self.phb.number);
        self.below_port(Port::Root, Bdf(0), functions - 1, slot);
        self.phb.functions.sort_by_key(|function| function.bdf);
        let pes = pe::assign(&self.phb);
        for (function, pe) in self.phb.functions.iter_mut().zip(pes) {
            function.pe = pe;
        }
        self.phb
    }

    /// A bridge and `functions` more below it.
    fn below_port(&mut self, port: Port, bdf: Bdf, functions: u32, slot: String) {
        self.last_bus = self.last_bus.saturating_add(1);
        let bus = self.last_bus;
        let at = self.phb.functions.len();
        self.phb.functions.push(FunctionSpec {
            bdf,
            config: space::bridge(port, bdf.bus(), bus),
            bars: Vec::new(),
            pe: None,
            driver: None,
            reset_by_firmware: true,
            location: Some(slot),
        });
        self.memory = self.memory.next_multiple_of(MIB);
        self.m64 = self.m64.next_multiple_of(self.segment);
        let first = (self.memory, self.m64);
        match (port, functions) {
            (_, 0) => {}
            (Port::Upstream, _) => self.ports(bus, functions),
            (Port::Root | Port::Downstream, 1..=8) => self.device(bus, functions),
            (Port::Root | Port::Downstream, _) => {
                let upstream = Bdf::new(bus, 0, 0).unwrap_or(Bdf(0));
                self.below_port(Port::Upstream, upstream, functions - 1, format!("sw{bus}_up"));
            }
        }
        self.memory = self.memory.next_multiple_of(MIB);
        self.m64 = self.m64.next_multiple_of(self.segment);
        if let Some(bridge) = self.phb.functions.get_mut(at) {
            space::set_subordinate(&mut bridge.config, self.last_bus);
            if self.memory > first.0 {
                space::open_window(&mut bridge.config, first.0, self.memory - 1);
            }
            if self.m64 > first.1 {
                space::open_prefetchable(&mut bridge.config, first.1, self.m64 - 1);
            }
        }
    }

    /// Downstream ports, with `functions` in all: several, or one where there are few.
    fn ports(&mut self, bus: u8, functions: u32) {
        let most = (functions / self.per_port).clamp(1, 31);
        let least = most.min(2);
        let count = least + self.rng.next_u32() % (most - least + 1);
        for number in 0..count {
            let share = functions / count + u32::from(number < functions % count);
            let bdf = u8::try_from(number).ok().and_then(|device| Bdf::new(bus, device, 0)).unwrap_or(Bdf(0));
            self.below_port(Port::Downstream, bdf, share - 1, format!("sw{bus}_down{number}"));
        }
    }

    /// One device with this many functions.
    fn device(&mut self, bus: u8, functions: u32) {
        let choice = self.rng.next_u32();
        let kind = KINDS[usize::try_from(choice).unwrap_or(0) % KINDS.len()];
        let numbers = (0..functions).filter_map(|number| u8::try_from(number).ok());
        for bdf in numbers.filter_map(|number| Bdf::new(bus, 0, number)) {
            let mut config = space::endpoint(&kind, functions > 1 && bdf.function() == 0);
            let bars = kind.bars.iter().map(|wanted| self.place(*wanted, &mut config)).collect();
            self.phb.functions.push(FunctionSpec {
                bdf,
                config,
                bars,
                pe: None,
                driver: Some(kind.driver.to_owned()),
                reset_by_firmware: false,
                location: None,
            });
        }
    }

    /// Assigns an address, as firmware would.
    fn place(&mut self, wanted: Wanted, config: &mut [u8]) -> BarSpec {
        let Wanted { index, size, is64, m64 } = wanted;
        let (next, base) = if m64 {
            (&mut self.m64, (M64.start, M64.bus_start))
        } else {
            let at = u64::from(self.phb.number) * MEMORY.size;
            (&mut self.memory, (MEMORY.start + at, MEMORY.bus_start))
        };
        let bus = next.next_multiple_of(size);
        *next = bus + size;
        registers::write(config, &Register { index, bus, io: false, prefetch: m64, is64 });
        BarSpec { index, start: bus - base.1 + base.0, size, io: false, prefetch: m64, is64 }
    }
}

#[cfg(test)]
mod tests;
