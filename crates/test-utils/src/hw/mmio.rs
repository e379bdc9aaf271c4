// SPDX-License-Identifier: GPL-2.0-or-later
//! Loads and stores of the CPU, DMA and interrupts of the devices.

use eeh_pe::{Bdf, Time};

use super::function::{Answers, REGISTER_FILE};
use super::inject::InjectOn;
use super::phb::{Phb, State};
use crate::discipline;

/// Why a device's DMA or interrupt did not get through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The device is not there, in reset, or not ready: it does not even try.
    NoDevice,
    /// Bus mastering is off in the command register.
    NotMaster,
    /// The PE's DMA is stopped, or the PHB fenced or dead.
    Stopped,
}

impl Phb {
    /// A load of `size` (1, 2, 4, 8) bytes from the CPU address `address`.
    ///
    /// All ones when the PE is frozen, when the PHB is fenced or dead, and when nothing answers; the
    /// last freezes the PE.
    #[must_use]
    pub fn read(&self, address: u64, size: u8) -> u64 {
        let ones = u64::MAX >> (64 - 8 * u32::from(size.clamp(1, 8)));
        self.access(|s, now| s.load(address, size, now).unwrap_or(ones))
    }

    /// A store. Dropped where a load would answer all ones, with the same consequences.
    pub fn write(&self, address: u64, size: u8, value: u64) {
        self.access(|s, now| s.store(address, size, value, now));
    }

    /// A 32-bit load.
    #[must_use]
    pub fn read32(&self, address: u64) -> u32 {
        self.read(address, 4) as u32
    }

    /// A 32-bit store.
    pub fn write32(&self, address: u64, value: u32) {
        self.write(address, 4, u64::from(value));
    }

    /// The function at `bdf` reads (or writes) memory at `address`.
    ///
    /// # Errors
    ///
    /// See [`Refused`].
    pub fn dma(&self, bdf: Bdf, write: bool, address: u64) -> Result<(), Refused> {
        self.access(|s, now| {
            let pe = s.master(bdf, now)?;
            let on = if write { InjectOn::DmaWrite } else { InjectOn::DmaRead };
            if s.shut() || s.pest.get(pe).dma || s.meets_injection(pe, on, address) {
                return Err(Refused::Stopped);
            }
            Ok(())
        })
    }

    /// The function at `bdf` accesses memory that it may not: its PE freezes.
    ///
    /// # Errors
    ///
    /// The device could not try, or the PE was stopped already.
    pub fn stray_dma(&self, bdf: Bdf) -> Result<(), Refused> {
        self.access(|s, now| {
            let pe = s.master(bdf, now)?;
            if s.shut() || s.pest.get(pe).dma {
                return Err(Refused::Stopped);
            }
            s.hardware_freeze(pe);
            Ok(())
        })
    }

    /// The function at `bdf` sends a message signalled interrupt: a DMA write to the hardware.
    ///
    /// # Errors
    ///
    /// See [`Refused`].
    pub fn msi(&self, bdf: Bdf) -> Result<(), Refused> {
        self.access(|s, now| {
            let pe = s.master(bdf, now)?;
            if s.shut() || s.pest.get(pe).dma { Err(Refused::Stopped) } else { Ok(()) }
        })
    }
}

impl State {
    /// The PE in whose name the function masters the bus.
    fn master(&self, bdf: Bdf, now: Time) -> Result<u32, Refused> {
        let i = self.fabric.home(bdf).ok_or(Refused::NoDevice)?;
        let f = self.fabric.get(i);
        if f.answers(now) != Answers::Data || !self.fabric.path_up(i, now) {
            return Err(Refused::NoDevice);
        }
        let master = |c: u16| c & 4 != 0;
        let above = self.fabric.above(i).all(|b| master(self.fabric.get(b).config.word(4)));
        if !master(f.config.word(4)) || !above {
            return Err(Refused::NotMaster);
        }
        Ok(f.pe.unwrap_or_else(|| self.reserved_pe()))
    }

    /// Whether the access may go out; freezes on an armed error.
    fn outbound(&mut self, pe: u32, on: InjectOn, address: u64) -> bool {
        if self.shut() || self.pest.get(pe).mmio {
            discipline::met_stopped();
            return false;
        }
        !self.meets_injection(pe, on, address)
    }

    fn pe_at(&self, address: u64) -> u32 {
        self.decoder.pe(&self.fabric, address).unwrap_or_else(|| self.reserved_pe())
    }

    fn load(&mut self, address: u64, size: u8, now: Time) -> Option<u64> {
        let pe = self.pe_at(address);
        if !self.outbound(pe, InjectOn::MemRead, address) {
            return None;
        }
        let Some(hit) = self.decoder.find(&self.fabric, address, now) else {
            self.hardware_freeze(pe);
            return None;
        };
        let f = self.fabric.get(hit.function);
        let word = |n: u64| u64::from(f.registers.get(n as usize).copied().unwrap_or(0));
        let pair = word(hit.offset / 4) | word(hit.offset / 4 + 1) << 32;
        let v = pair >> (8 * (hit.offset & 3));
        Some(v & (u64::MAX >> (64 - 8 * u32::from(size.clamp(1, 8)))))
    }

    fn store(&mut self, address: u64, size: u8, value: u64, now: Time) {
        let pe = self.pe_at(address);
        if !self.outbound(pe, InjectOn::MemWrite, address) {
            return;
        }
        let Some(hit) = self.decoder.find(&self.fabric, address, now) else {
            self.hardware_freeze(pe);
            return;
        };
        let f = self.fabric.get_mut(hit.function);
        let bytes = value.to_le_bytes();
        for n in 0..u64::from(size.min(8)) {
            let at = hit.offset + n;
            if at < 4 * REGISTER_FILE as u64 {
                let word = &mut f.registers[(at / 4) as usize];
                let shift = 8 * (at & 3);
                *word = *word & !(0xff << shift) | u32::from(bytes[n as usize]) << shift;
            }
        }
    }
}
