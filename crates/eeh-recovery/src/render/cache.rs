// SPDX-License-Identifier: GPL-2.0-or-later
//! The address cache: which device decodes which range of CPU addresses.

use core::fmt;

use eeh_pe::{Env, PhbInfo, Registry, Tree, Window, WindowKind};

use super::Address;

/// The listing in debugfs, in order of address. C: `eeh_addr_cache_show`
pub struct AddressCache<'r, E: Env>(pub &'r Registry<E>);

/// Windows in order: the address, then what tells two windows of the same address apart.
type Place = (u64, u64, u16);

impl<E: Env> fmt::Display for AddressCache<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ranges lie in their PHB's windows, and windows do not overlap: window by window, without a list.
        let mut last = None;
        while let Some((place, tree, window)) = self.next_window(last) {
            last = Some(place);
            ranges(f, &tree, &window)?;
        }
        Ok(())
    }
}

impl<'r, E: Env> AddressCache<'r, E> {
    /// The first window after `last`, and its PHB.
    fn next_window(&self, last: Option<Place>) -> Option<(Place, Tree<'r, E>, Window)> {
        let mut first: Option<(Place, Tree<'r, E>, Window)> = None;
        for tree in self.0.trees() {
            for window in windows(&tree.info()) {
                let place = (window.start, window.end_inclusive, tree.id().slot());
                let after = last.is_none_or(|last| place > last);
                if after
                    && first.as_ref().is_none_or(|(least, ..)| place < *least)
                    && let Some(tree) = tree.try_clone()
                {
                    first = Some((place, tree, window));
                }
            }
        }
        first
    }
}

fn windows(info: &PhbInfo) -> impl Iterator<Item = Window> {
    info.windows.into_iter().flatten()
}

fn ranges<E: Env>(f: &mut fmt::Formatter<'_>, tree: &Tree<'_, E>, window: &Window) -> fmt::Result {
    let mut result = Ok(());
    tree.map().for_each(|range, device| {
        let Some(device) = tree.registry().peek_device(device).filter(|_| window.encloses(&range)) else {
            return;
        };
        let kind = match range.kind {
            WindowKind::Mem => "mem",
            WindowKind::Io => "i/o",
        };
        let name = Address(tree.number(), device.bdf);
        let (start, end) = (range.start, range.end_inclusive);
        result = result.and_then(|()| writeln!(f, "{kind} addr range [{start:#018x}-{end:#018x}]: {name}"));
    });
    result
}
