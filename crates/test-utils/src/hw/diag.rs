// SPDX-License-Identifier: GPL-2.0-or-later
//! The PHB's diagnostic data, laid out as OPAL hands them over (`asm/opal-api.h`, big-endian).
//!
//! Root port registers are the live ones. Of the PHB's own error registers QEMU implements none; what
//! its skiboot reads there (zeroes, and all ones where its PHB answers nothing) is what the recorded
//! logs show and what is given here, for a PHB without a fence.

use super::phb::{Phb, State};
use crate::topology::PhbKind;

/// Bit 0 of IBM: what a frozen PE has in PEST A and B.
const FROZEN: u64 = 1 << 63;

struct Out {
    bytes: Vec<u8>,
}

impl Out {
    fn u32s(&mut self, values: &[u32]) {
        for v in values {
            self.bytes.extend_from_slice(&v.to_be_bytes());
        }
    }

    fn u64s(&mut self, values: &[u64]) {
        while !self.bytes.len().is_multiple_of(8) {
            self.bytes.push(0);
        }
        for v in values {
            self.bytes.extend_from_slice(&v.to_be_bytes());
        }
    }

    /// PEST A of `count` PEs, then PEST B.
    fn pest(&mut self, s: &State, count: u32) {
        let bit = |on: bool| if on { FROZEN } else { 0 };
        let a: Vec<_> = (0..count).map(|pe| bit(s.pest.get(pe).mmio)).collect();
        let b: Vec<_> = (0..count).map(|pe| bit(s.pest.get(pe).dma)).collect();
        self.u64s(&a);
        self.u64s(&b);
    }
}

impl Phb {
    /// How long the diagnostic data are.
    #[must_use]
    pub const fn diag_size(&self) -> usize {
        match self.kind {
            PhbKind::P7ioc => 2320,
            PhbKind::Phb3 => 4392,
            PhbKind::Phb4 | PhbKind::Phb5 => 8576,
        }
    }

    /// The diagnostic data as they are now.
    #[must_use]
    pub fn diag(&self) -> Vec<u8> {
        let s = self.lock();
        let mut out = Out { bytes: Vec::with_capacity(self.diag_size()) };
        let (kind, version) = match self.kind {
            PhbKind::P7ioc => (1, 1),
            PhbKind::Phb3 => (2, 1),
            PhbKind::Phb4 | PhbKind::Phb5 => (3, 1),
        };
        out.u32s(&[version, kind, self.diag_size() as u32]);
        let root = Root::of(&s);
        match self.kind {
            PhbKind::P7ioc => old(&mut out, &s, &root, None, 128),
            PhbKind::Phb3 => old(&mut out, &s, &root, Some(nest_fir(&s)), 256),
            PhbKind::Phb4 | PhbKind::Phb5 => new(&mut out, &s, &root),
        }
        out.bytes
    }
}

/// What the root port has to say.
struct Root {
    bridge_control: u32,
    /// Device, slot, link, command and secondary status, each with its control half.
    status: [u32; 5],
    /// Root, uncorrectable and correctable error status.
    aer: [u32; 3],
}

impl Root {
    fn of(s: &State) -> Self {
        let Some(f) = s.fabric.roots.first().map(|&i| s.fabric.get(i)).filter(|_| !s.shut()) else {
            return Self { bridge_control: u32::MAX, status: [u32::MAX; 5], aer: [u32::MAX; 3] };
        };
        let caps = f.config.layout().caps;
        let express = |o| if caps.express == 0 { 0 } else { f.config.dword(caps.express + o) };
        let aer = |o| if caps.aer == 0 { 0 } else { f.config.dword(caps.aer + o) };
        Self {
            bridge_control: u32::from(f.config.word(0x3e)),
            status: [
                express(0x8),
                express(0x18),
                express(0x10),
                f.config.dword(4),
                u32::from(f.config.word(0x1e)),
            ],
            aer: [aer(0x30), aer(4), aer(0x10)],
        }
    }
}

/// PCI nest FIR: the bit that fences (IBM's bit 0 stands for it here).
fn nest_fir(s: &State) -> u64 {
    if s.fenced { FROZEN } else { 0 }
}

/// P7IOC and PHB3: three UTL registers, class and correlator, and no nest FIRs on P7IOC.
fn old(out: &mut Out, s: &State, root: &Root, nest: Option<u64>, pes: u32) {
    out.u32s(&[root.bridge_control, 0, 0, 0]);
    out.u32s(&root.status);
    out.u32s(&root.aer);
    out.u32s(&[0; 6]);
    let frozen = s.pest.frozen().next().is_some();
    out.u64s(&[if frozen { 4 } else { 0 }, 0]);
    if let Some(fir) = nest {
        out.u64s(&[fir, 0, fir]);
    }
    // plssr, csr, LEM, then PHB, MMIO, DMA0 and DMA1 errors: status, first, log 0, log 1.
    out.u64s(&[0; 5]);
    out.u64s(&[0; 16]);
    out.pest(s, pes);
}

/// PHB4 and PHB5.
fn new(out: &mut Out, s: &State, root: &Root) {
    const GONE: u64 = u64::MAX;
    out.u32s(&[root.bridge_control]);
    out.u32s(&root.status);
    out.u32s(&root.aer);
    out.u32s(&[0; 5]);
    let fir = nest_fir(s);
    out.u64s(&[fir, 0, fir, 0, 0, 0, 0, 0]);
    // PHB, TXE, RXE ARB, RXE MRG, RXE TCE, PBL: status, first, log 0, log 1.
    for _ in 0..6 {
        out.u64s(&[GONE, 0, 0, 0]);
    }
    out.u64s(&[GONE, GONE, GONE]);
    out.u64s(&[GONE, 0, 0, 0]);
    out.pest(s, 512);
}
