// SPDX-License-Identifier: GPL-2.0-or-later
//! Windows of PHBs about which nothing is said: drawn around their BARs.

use super::bars::Located;
use super::model::{BarSpec, WindowSpec};

/// The most windows of one PHB that the address map knows.
const MOST: usize = 4;

/// A BAR of one of the machine's PHBs.
#[derive(Clone, Copy)]
pub(super) struct Placed {
    /// The PHB's index.
    pub(super) phb: usize,
    /// Its bus address.
    pub(super) bus: u64,
    pub(super) bar: BarSpec,
}

impl Placed {
    pub(super) fn new(phb: usize, located: &Located, bar: BarSpec) -> Self {
        Self { phb, bus: located.register.bus, bar }
    }
}

/// Windows for each of `count` PHBs, and how many BARs lie in none.
///
/// One window covers neighbouring BARs of a PHB with the same distance between CPU and bus address.
/// A BAR that begins inside another PHB's window gets none (a machine whose PHBs are behind one
/// another), as do those of a PHB with too many windows, smallest first.
pub(super) fn around(mut bars: Vec<Placed>, count: usize) -> (Vec<Vec<WindowSpec>>, usize) {
    bars.sort_by_key(|placed| (placed.bar.io, placed.bar.start, placed.phb));
    let mut runs: Vec<(usize, WindowSpec, usize)> = Vec::new();
    let mut outside = 0;
    for Placed { phb, bus, bar } in bars {
        let offset = bar.start.wrapping_sub(bus);
        if let Some((owner, window, inside)) = runs.last_mut().filter(|(_, window, _)| window.io == bar.io) {
            let same = *owner == phb && window.start.wrapping_sub(window.bus_start) == offset;
            if same {
                window.size = window.size.max(bar.last() - window.start + 1);
                *inside += 1;
                continue;
            }
            if window.contains(bar.start) {
                outside += 1;
                continue;
            }
        }
        let window = WindowSpec { start: bar.start, size: bar.size, bus_start: bus, io: bar.io, m64: false };
        runs.push((phb, window, 1));
    }
    trim(&mut runs);
    let mut windows = vec![Vec::new(); count];
    for (phb, windows) in windows.iter_mut().enumerate() {
        let mut own: Vec<_> = runs.iter().filter(|(owner, ..)| *owner == phb).collect();
        own.sort_by_key(|(_, window, _)| core::cmp::Reverse(window.size));
        outside += own.iter().skip(MOST).map(|(.., inside)| *inside).sum::<usize>();
        *windows = own.into_iter().take(MOST).map(|(_, window, _)| *window).collect();
        windows.sort_by_key(|window| (window.io, window.start));
    }
    (windows, outside)
}

/// A window ends before the next one begins, whatever the sizes of the BARs said.
fn trim(runs: &mut [(usize, WindowSpec, usize)]) {
    for at in 1..runs.len() {
        let next = runs[at].1;
        let window = &mut runs[at - 1].1;
        if window.io == next.io && window.last() >= next.start {
            window.size = next.start - window.start;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(phb: usize, start: u64, size: u64, bus: u64, io: bool) -> Placed {
        Placed { phb, bus, bar: BarSpec { index: 0, start, size, io, prefetch: false, is64: false } }
    }

    fn shape(windows: &[Vec<WindowSpec>]) -> Vec<Vec<(u64, u64, u64, bool)>> {
        let one = |w: &WindowSpec| (w.start, w.last(), w.bus_start, w.io);
        windows.iter().map(|windows| windows.iter().map(one).collect()).collect()
    }

    #[test]
    fn neighbours_share_a_window_and_kinds_do_not() {
        let bars = vec![
            placed(0, 0x3000, 0x1000, 0x3000, false),
            placed(0, 0x1000, 0x1000, 0x1000, false),
            placed(0, 0x1000, 0x20, 0x1000, true),
        ];
        let (windows, outside) = around(bars, 1);
        assert_eq!(shape(&windows), [vec![(0x1000, 0x3fff, 0x1000, false), (0x1000, 0x101f, 0x1000, true)]]);
        assert_eq!(outside, 0);
    }

    #[test]
    fn another_phb_or_another_offset_begins_a_window() {
        let bars = vec![
            placed(0, 0x1000, 0x1000, 0x1000, false),
            placed(1, 0x2000, 0x1000, 0x2000, false),
            placed(0, 0x3000, 0x1000, 0x0000, false),
        ];
        let (windows, _) = around(bars, 2);
        assert_eq!(
            shape(&windows),
            [
                vec![(0x1000, 0x1fff, 0x1000, false), (0x3000, 0x3fff, 0x0000, false)],
                vec![(0x2000, 0x2fff, 0x2000, false)]
            ]
        );
    }

    #[test]
    fn windows_never_overlap() {
        let bars = vec![placed(0, 0x1000, 0x10000, 0x1000, false), placed(1, 0x2000, 0x1000, 0x2000, false)];
        let (windows, outside) = around(bars, 2);
        assert_eq!(shape(&windows), [vec![(0x1000, 0x10fff, 0x1000, false)], vec![]]);
        assert_eq!(outside, 1);
    }

    #[test]
    fn a_phb_keeps_its_largest_windows() {
        let bars = (0..12).map(|at| placed(at % 2, 0x10000 * at as u64, 0x10 << at, 0, false)).collect();
        let (windows, outside) = around(bars, 2);
        assert_eq!((windows[0].len(), windows[1].len(), outside), (MOST, MOST, 4));
    }
}
