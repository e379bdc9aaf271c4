// SPDX-License-Identifier: GPL-2.0-or-later
//! The PHB's error injection register: one armed error, met by the next access that matches.

/// What kind of access meets the error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InjectOn {
    /// A load from memory space.
    MemRead,
    /// A store to memory space.
    MemWrite,
    /// A configuration read.
    ConfigRead,
    /// A configuration write.
    ConfigWrite,
    /// The device reads memory.
    DmaRead,
    /// The device writes memory.
    DmaWrite,
}

impl InjectOn {
    /// What a function number names: PAPR's `ioa-bus-error` and `OPAL_ERR_INJECT_FUNC_IOA_*` are the
    /// same. I/O space is not modelled.
    pub(crate) const fn by_function(function: u32) -> Option<Self> {
        Some(match function {
            0 | 1 => Self::MemRead,
            4 | 5 => Self::ConfigRead,
            6 | 7 => Self::MemWrite,
            10 | 11 => Self::ConfigWrite,
            12..=15 => Self::DmaRead,
            16..=19 => Self::DmaWrite,
            _ => return None,
        })
    }
}

/// An armed error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Injection {
    /// The PE that must be concerned.
    pub pe: u32,
    /// The access that meets it.
    pub on: InjectOn,
    /// Address (the CPU's, a DMA address, or a RID) under `mask`.
    pub address: u64,
    /// Which address bits must match; 0: any address of the PE.
    pub mask: u64,
}

impl super::phb::State {
    /// Whether this access meets the armed error, which is then used up and freezes the PE.
    pub(crate) fn meets_injection(&mut self, pe: u32, on: InjectOn, address: u64) -> bool {
        let hit =
            self.injection.is_some_and(|j| j.pe == pe && j.on == on && (j.address ^ address) & j.mask == 0);
        if hit {
            self.injection = None;
            self.hardware_freeze(pe);
        }
        hit
    }
}

impl super::phb::Phb {
    /// Arms an error, in place of one armed before. `false`: no such PE.
    pub fn inject(&self, injection: Injection) -> bool {
        let mut s = self.lock();
        let known = injection.pe < s.pest.count();
        if known {
            s.injection = Some(injection);
        }
        known
    }

    /// The armed error, if it was not met yet.
    #[must_use]
    pub fn injection(&self) -> Option<Injection> {
        self.lock().injection
    }
}
