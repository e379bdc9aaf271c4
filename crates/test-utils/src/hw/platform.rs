// SPDX-License-Identifier: GPL-2.0-or-later
//! What a hypervisor's firmware does to the fabric by itself: it reaches bridges also when PEs are
//! stopped (PAPR, EEH option requirements, R-16).

use eeh_pe::Bdf;

use super::function::Answers;
use super::phb::Phb;

/// Bridge control, and its bit for a secondary bus reset.
const BRIDGE_CONTROL: u16 = 0x3e;
const SECONDARY_RESET: u32 = 0x40;
/// Words of a bridge's header that enumeration wrote: bus numbers, windows, bridge control, command.
const CONFIGURED: [usize; 9] = [6, 7, 8, 9, 10, 11, 12, 15, 1];

impl Phb {
    /// The bridge above a function, wherever that is; `None` on the root bus.
    pub(crate) fn bridge_above(&self, bdf: Bdf) -> Option<Bdf> {
        self.with_function(bdf, |s, i| s.fabric.get(i).parent.map(|p| s.fabric.get(p).home)).flatten()
    }

    /// How often the functions of `pe` were plugged in again: each time their slot had no power.
    pub(crate) fn pushes(&self, pe: u32) -> u32 {
        let s = self.lock();
        s.fabric.functions.iter().filter(|f| f.pe == Some(pe)).map(|f| f.pushes).sum()
    }

    /// The same of all functions.
    pub(crate) fn all_pushes(&self) -> u32 {
        self.lock().fabric.functions.iter().map(|f| f.pushes).sum()
    }

    /// Whether the function is a bridge.
    /// Whether the function is a virtual one: it shows no vendor.
    pub(crate) fn is_virtual(&self, bdf: Bdf) -> bool {
        self.with_function(bdf, |s, i| s.fabric.get(i).config.dword(0) == u32::MAX).unwrap_or(false)
    }

    pub(crate) fn is_bridge(&self, bdf: Bdf) -> bool {
        self.with_function(bdf, |s, i| s.fabric.get(i).is_bridge()).unwrap_or(false)
    }

    /// What is behind a bridge, however deep.
    pub(crate) fn homes_behind(&self, bridge: Bdf) -> Vec<Bdf> {
        let homes = self.with_function(bridge, |s, i| {
            s.fabric.behind(i).into_iter().map(|m| s.fabric.get(m).home).collect()
        });
        homes.unwrap_or_default()
    }

    /// Asserts or releases reset on the bus below `bridge`, with the errors of that masked.
    pub(crate) fn reset_below(&self, bridge: Bdf, assert: bool) {
        self.access(|s, now| {
            let Some(i) = s.fabric.home(bridge) else { return };
            let control = u32::from(s.fabric.get(i).config.word(BRIDGE_CONTROL));
            let changed = if assert { control | SECONDARY_RESET } else { control & !SECONDARY_RESET };
            let masked = core::mem::replace(&mut s.link_down_masked, true);
            s.write_register(i, BRIDGE_CONTROL, 2, changed, now);
            s.link_down_masked = masked;
        });
    }

    /// A function level reset; `false` when the function has none.
    pub(crate) fn reset_function(&self, bdf: Bdf) -> bool {
        self.access(|s, now| {
            let Some(i) = s.fabric.home(bdf) else { return false };
            let express = s.fabric.get(i).config.layout().caps.express;
            let able = express != 0 && s.fabric.get(i).config.dword(express + 4) & 1 << 28 != 0;
            if able {
                s.flr(i, now);
            }
            able
        })
    }

    /// Gives a bridge what enumeration had given it. `false`: it does not answer yet.
    pub(crate) fn configure_bridge(&self, bdf: Bdf) -> bool {
        self.access(|s, now| {
            let Some(i) = s.fabric.home(bdf) else { return false };
            let f = s.fabric.get(i);
            if f.answers(now) != Answers::Data {
                return false;
            }
            let header = f.home_header;
            for word in CONFIGURED {
                s.write_register(i, 4 * word as u16, 4, header[word], now);
            }
            true
        })
    }
}
