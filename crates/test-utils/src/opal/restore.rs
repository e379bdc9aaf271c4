// SPDX-License-Identifier: GPL-2.0-or-later
//! What skiboot does to the devices behind a slot that came back: it waits for them (inside the
//! call), gives bridges their bus numbers, and turns on error reporting.

use eeh_pe::Bdf;

use super::Call;
use super::slot::ms;

/// Tries, 100 ms apart, that a device gets to stop saying "retry".
const CRS_TRIES: u32 = 40;
/// Tries, 100 ms apart, that a link gets.
const LINK_TRIES: u32 = 100;

impl Call<'_> {
    /// A configuration read past skiboot's own blocks. `false`: the PHB does not let it through.
    pub(super) fn raw_read(&self, bdf: Bdf, offset: u16, size: u8, out: &mut u32) -> bool {
        self.phb.config_read(bdf, offset, size).map(|v| *out = v).is_ok()
    }

    /// A configuration write; a PHB that lets nothing through drops it.
    pub(super) fn raw_write(&self, bdf: Bdf, offset: u16, size: u8, value: u32) {
        let _ = self.phb.config_write(bdf, offset, size, value);
    }

    /// Everything behind the bridge at `bridge` (`None`: behind the root ports), nearest first. Ends
    /// at the first device that does not come back.
    pub(super) fn restore_below(&mut self, bridge: Option<Bdf>) {
        let all = self.phb.known_behind(bridge);
        for d in &all {
            if d.bdf.function() == 0
                && let Some(port) = d.downstream_port
            {
                self.wait_link(port);
            }
            let Some(id) = self.wait_ready(d.bdf) else { break };
            // Any configuration write makes a device take note of its bus number (PCIe 2.2.6.2).
            self.raw_write(d.bdf, 0, 4, id);
            if let Some(buses) = d.buses {
                for n in 0..3 {
                    self.raw_write(d.bdf, 0x18 + n, 1, buses >> (8 * n) & 0xff);
                }
            }
        }
        for d in &all {
            self.device_init(d.bdf);
        }
    }

    /// A second for a port that does not report its link, else until the link is up.
    fn wait_link(&self, port: Bdf) {
        if !self.phb.reports_link(port) {
            self.spend(ms(1000));
            return;
        }
        for _ in 0..LINK_TRIES {
            if self.phb.link_is_up(Some(port)) {
                return;
            }
            self.spend(ms(100));
        }
    }

    fn wait_ready(&self, bdf: Bdf) -> Option<u32> {
        for _ in 0..CRS_TRIES {
            let mut id = 0;
            if !self.raw_read(bdf, 0, 4, &mut id) || id == u32::MAX || id == 0 {
                return None;
            }
            if id != 0xffff_0001 {
                return Some(id);
            }
            self.spend(ms(100));
        }
        None
    }

    /// Parity and SERR in the command register, error reporting in Device Control, and AER's masks
    /// and ECRC as skiboot likes them on root ports, switch ports and endpoints.
    pub(super) fn device_init(&self, bdf: Bdf) {
        let Some(d) = self.phb.describe(bdf) else { return };
        let switch = d.is_port && !d.is_root;
        let command = match (d.is_root, switch) {
            (true, _) => 0x142,
            (_, true) => 0x540,
            _ => 0x140,
        };
        self.change(bdf, 4, 0, command);
        if d.express == 0 {
            return;
        }
        let (clear, set) = match (d.is_root, switch) {
            (true, _) => (0, 0xf),
            (_, true) => (1, 6),
            _ => (1, 0xe),
        };
        self.change(bdf, d.express + 8, clear, set);
        if d.aer == 0 {
            return;
        }
        if switch {
            self.raw_write(bdf, d.aer + 8, 4, 0);
        }
        if d.is_port {
            self.change(bdf, d.aer + 0x14, if switch { 0xffff } else { 0 }, 0x2000);
        }
        let (clear, set) = if switch { (0x100, 0x40) } else { (0, 0x140) };
        self.change(bdf, d.aer + 0x18, clear, set);
    }

    /// Changes bits of a 16-bit register of a device that answers.
    fn change(&self, bdf: Bdf, offset: u16, clear: u32, set: u32) {
        let mut v = 0;
        if self.raw_read(bdf, offset, 2, &mut v) && v != 0xffff {
            self.raw_write(bdf, offset, 2, v & !clear | set);
        }
    }
}
