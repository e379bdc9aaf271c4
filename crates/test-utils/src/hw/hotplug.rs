// SPDX-License-Identifier: GPL-2.0-or-later
//! Cards that are pulled and pushed.

use eeh_pe::Bdf;

use super::fabric::Layouts;
use super::function::{Answers, Function, Index};
use super::history::Happened;
use super::phb::{Phb, State};
use crate::topology::FunctionSpec;

impl Phb {
    /// Pulls the function at `bdf` and all behind it, without warning. Accesses to it find nothing
    /// from now on. `false`: no such function, or it was pulled before.
    pub fn pull(&self, bdf: Bdf) -> bool {
        self.with_function(bdf, |s, i| {
            let was = s.fabric.get(i).present;
            for f in s.fabric.subtree(i) {
                if core::mem::replace(&mut s.fabric.get_mut(f).present, false) {
                    s.note(Happened::Went(s.fabric.get(f).home));
                }
            }
            s.slot_changed(i);
            was
        })
        .unwrap_or(false)
    }

    /// Pushes the function at `bdf` and all behind it back in: a fresh card of the same kind, its
    /// registers as at power-on, ready after its [`super::Timing`]. `false`: no such function, or it
    /// is there.
    pub fn push(&self, bdf: Bdf) -> bool {
        let now = self.now();
        self.with_function(bdf, |s, i| {
            if s.fabric.get(i).present {
                return false;
            }
            let members = s.fabric.subtree(i);
            for &m in &members {
                s.fabric.get_mut(m).present = true;
                s.fabric.get_mut(m).pushes += 1;
            }
            for &m in &members {
                s.drop_lines(m);
                s.fabric.get_mut(m).forget(true);
            }
            s.fabric.power_up(i, now);
            s.slot_changed(i);
            true
        })
        .unwrap_or(false)
    }

    /// Puts a function where none was ever: a card in an empty slot, a virtual function. It is as its
    /// dump shows it, at once. `false`: one is known there.
    pub fn plug(&self, spec: &FunctionSpec) -> bool {
        let mut s = self.lock();
        let fresh = s.fabric.home(spec.bdf).is_none() && s.fabric.functions.len() < usize::from(Index::MAX);
        if fresh {
            s.fabric.add(Function::new(spec, Layouts::default().of(spec)));
            let State { fabric, decoder, .. } = &mut *s;
            decoder.rebuild(fabric);
        }
        fresh
    }

    /// Whether the function at `bdf` is plugged in.
    #[must_use]
    pub fn is_present(&self, bdf: Bdf) -> bool {
        self.with_function(bdf, |s, i| s.fabric.get(i).present).unwrap_or(false)
    }

    /// Writes to every function below the bridge at `bridge` (`None`: of the PHB) what enumeration had
    /// written: BARs, bus numbers, windows, the command register, nearest bridges first. What an
    /// operating system's rescan does for a card that was pushed in. Answers how many were reached.
    pub fn enumerate(&self, bridge: Option<Bdf>) -> usize {
        self.access(|s, now| {
            let members = match bridge {
                Some(b) => s.fabric.home(b).map_or_else(Vec::new, |i| s.fabric.behind(i)),
                None => (0..s.fabric.functions.len() as Index).collect(),
            };
            let mut reached = 0;
            for i in members {
                let f = s.fabric.get(i);
                let there = f.answers(now) == Answers::Data && s.fabric.path_up(i, now);
                if !there || s.fabric.route(f.home) != Some(i) {
                    continue;
                }
                let header = f.home_header;
                for n in (2..16).chain([1]) {
                    s.write_register(i, 4 * n as u16, 4, header[n], now);
                }
                reached += 1;
            }
            reached
        })
    }
}

impl State {
    /// Presence Detect Changed (slot status bit 3) and, where reported, Link State Changed (bit 8).
    fn slot_changed(&mut self, i: Index) {
        let Some(p) = self.fabric.get(i).parent else { return };
        let port = self.fabric.get_mut(p);
        if !port.has_slot() {
            return;
        }
        let express = port.config.layout().caps.express;
        let changed = 1 << 3 | if port.reports_link() { 1 << 8 } else { 0 };
        port.config.set_bits(express + 0x18, 0, changed << 16);
    }
}
