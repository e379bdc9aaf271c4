// SPDX-License-Identifier: GPL-2.0-or-later
//! Resets that only firmware can do: PERST, the PHB itself, and the root port's with errors masked.

use eeh_pe::Bdf;

use super::history::Happened;
use super::phb::Phb;

impl Phb {
    /// Firmware expects the link below the root port to go down (or up again): the errors of that are
    /// masked.
    pub(crate) fn mask_link_down(&self, masked: bool) {
        self.lock().link_down_masked = masked;
    }

    /// Asserts or releases PERST: everything below the root ports starts as at power-on. Nothing
    /// happens when it is so already.
    pub(crate) fn perst(&self, assert: bool) {
        self.access(|s, now| {
            if s.perst == assert {
                return;
            }
            s.perst = assert;
            for i in s.fabric.roots.clone() {
                if assert {
                    s.assert_behind(i, true);
                } else {
                    s.release_behind(i, now);
                }
            }
            let edge = if assert { &mut s.wire.fundamental.0 } else { &mut s.wire.fundamental.1 };
            *edge += 1;
        });
    }

    /// Resets the PHB's own logic: fence, freezes and an armed error are gone, root ports forget,
    /// except for what firmware sets up at once (bus numbers, windows, error reporting).
    pub(crate) fn reset_logic(&self) {
        self.access(|s, _| {
            s.wire.complete.0 += 1;
            s.wire.complete.1 += 1;
            s.note(Happened::Reset);
            for pe in s.pest.frozen().collect::<Vec<_>>() {
                s.note(Happened::Thawed(pe));
            }
            if core::mem::take(&mut s.fenced) {
                s.note(Happened::Unfenced);
            }
            s.hub = None;
            s.pest.clear();
            s.injection = None;
            for i in s.fabric.roots.clone() {
                s.drop_lines(i);
                let f = s.fabric.get_mut(i);
                f.resets.asserted += 1;
                f.resets.released += 1;
                f.forget(true);
                if f.is_bridge() {
                    let header = f.home_header;
                    for n in [6, 7, 8, 9, 10, 11, 12, 15, 1] {
                        f.config.write(4 * n as u16, 4, header[n]);
                    }
                }
            }
        });
    }

    /// Whether a card is below any root port.
    pub(crate) fn has_card(&self) -> bool {
        let s = self.lock();
        s.fabric.roots.iter().any(|&i| s.occupied(i))
    }

    /// Whether the link below the root port at `port` (or of the first root port) is up.
    pub(crate) fn link_is_up(&self, port: Option<Bdf>) -> bool {
        let now = self.now();
        let s = self.lock();
        let port = match port {
            Some(bdf) => s.fabric.home(bdf),
            None => s.fabric.roots.iter().copied().find(|&i| s.occupied(i)),
        };
        port.is_some_and(|i| s.link_up(i, now))
    }
}
