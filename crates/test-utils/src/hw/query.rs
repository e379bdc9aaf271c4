// SPDX-License-Identifier: GPL-2.0-or-later
//! What firmware knows from its own scan of the machine: ports, slots, who is behind whom.

use eeh_pe::Bdf;

use super::config::PortKind;
use super::function::{Function, Index};
use super::phb::{HubError, Phb};

/// A device behind a slot, as firmware's scan found it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behind {
    pub bdf: Bdf,
    /// The switch's downstream port that it hangs from.
    pub downstream_port: Option<Bdf>,
    /// A bridge's bus numbers (0x18).
    pub buses: Option<u32>,
}

/// What kind of device it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Description {
    pub is_root: bool,
    /// A bridge with an Express capability.
    pub is_port: bool,
    pub express: u16,
    pub aer: u16,
}

impl Phb {
    /// `(dead, fenced)`.
    pub(crate) fn condition(&self) -> (bool, bool) {
        let s = self.lock();
        (s.dead, s.fenced)
    }

    pub(crate) fn hub(&self) -> Option<HubError> {
        self.lock().hub
    }

    pub(crate) fn end_hub_error(&self) {
        self.lock().hub = None;
    }

    /// Closes the PHB as a fence does, on purpose.
    pub(crate) fn close(&self) {
        self.lock().fenced = true;
    }

    pub(crate) fn disarm(&self) {
        self.lock().injection = None;
    }

    /// The frozen PE that firmware names first: in the last word of the PEEV that has any, the one
    /// nearest to the most significant bit.
    pub(crate) fn first_frozen(&self) -> Option<u32> {
        let s = self.lock();
        (0..s.pest.words()).rev().find_map(|w| {
            let word = s.pest.peev(w);
            (word != 0).then(|| 64 * w as u32 + word.leading_zeros())
        })
    }

    fn ask<R>(&self, bdf: Bdf, f: impl FnOnce(&Function) -> R) -> Option<R> {
        self.with_function(bdf, |s, i| f(s.fabric.get(i)))
    }

    pub(crate) fn knows(&self, bdf: Bdf) -> bool {
        self.ask(bdf, |f| f.present).unwrap_or(false)
    }

    pub(crate) fn on_root_bus(&self, bdf: Bdf) -> bool {
        self.lock().fabric.root_bus == bdf.bus()
    }

    pub(crate) fn has_slot(&self, bdf: Bdf) -> bool {
        self.ask(bdf, |f| f.is_bridge() && (f.reset_by_firmware || f.parent.is_none())).unwrap_or(false)
    }

    pub(crate) fn is_root(&self, bdf: Bdf) -> bool {
        self.ask(bdf, |f| f.parent.is_none()).unwrap_or(false)
    }

    /// The ports on the root bus.
    pub(crate) fn roots(&self) -> Vec<Bdf> {
        let s = self.lock();
        s.fabric.roots.iter().map(|&i| s.fabric.get(i)).filter(|f| f.is_bridge()).map(|f| f.home).collect()
    }

    pub(crate) fn reports_link(&self, bdf: Bdf) -> bool {
        self.ask(bdf, Function::reports_link).unwrap_or(false)
    }

    pub(crate) fn is_occupied(&self, bdf: Bdf) -> bool {
        self.with_function(bdf, |s, i| s.occupied(i)).unwrap_or(false)
    }

    /// Where the Slot Control register is, if the slot's power can be switched.
    pub(crate) fn slot_control(&self, bdf: Bdf) -> Option<u16> {
        self.ask(bdf, |f| f.has_power_control().then(|| f.config.layout().caps.express + 0x18)).flatten()
    }

    pub(crate) fn describe(&self, bdf: Bdf) -> Option<Description> {
        self.ask(bdf, |f| {
            let caps = f.config.layout().caps;
            Description {
                is_root: f.parent.is_none() && f.is_bridge(),
                is_port: f.is_bridge() && f.port() != PortKind::Conventional,
                express: caps.express,
                aer: caps.aer,
            }
        })
    }

    /// The present devices behind a bridge (`None`: behind the root ports), nearest first.
    pub(crate) fn known_behind(&self, bridge: Option<Bdf>) -> Vec<Behind> {
        let s = self.lock();
        let from: Vec<Index> = match bridge {
            Some(b) => s.fabric.home(b).into_iter().collect(),
            None => s.fabric.roots.clone(),
        };
        let describe = |i: Index| {
            let f = s.fabric.get(i);
            let parent = f.parent.map(|p| s.fabric.get(p));
            f.present.then(|| Behind {
                bdf: f.home,
                downstream_port: parent.filter(|p| p.port() == PortKind::Downstream).map(|p| p.home),
                buses: f.is_bridge().then_some(f.home_header[6]),
            })
        };
        from.into_iter().flat_map(|i| s.fabric.behind(i)).filter_map(describe).collect()
    }

    /// The functions whose RIDs belong to `pe`.
    pub(crate) fn members(&self, pe: u32) -> Vec<Bdf> {
        let s = self.lock();
        s.fabric.functions.iter().filter(|f| f.pe == Some(pe)).map(|f| f.home).collect()
    }

    /// The CPU's address of a bus address; what is none is taken for a CPU address.
    pub(crate) fn cpu_address(&self, bus: u64) -> u64 {
        self.lock().decoder.windows.iter().find_map(|w| w.to_cpu(bus)).unwrap_or(bus)
    }

    /// Memory that configuration spaces take.
    #[cfg(test)]
    pub(crate) fn config_bytes(&self) -> usize {
        self.lock().fabric.functions.iter().map(|f| f.config.stored()).sum()
    }
}
