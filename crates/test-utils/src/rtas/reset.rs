// SPDX-License-Identifier: GPL-2.0-or-later
//! Where on the wire a PE is reset. Linux does not know: it names the PE.

use eeh_pe::Bdf;

use super::Call;

/// A reset line that is active.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Held {
    /// PERST of the PHB.
    Perst,
    /// The secondary bus of a bridge.
    Bus(Bdf),
    /// None: a function level reset, which looks the same to the operating system
    /// (`ibm,pe-reset-is-flr`); or the platform's own reset came in between.
    None,
}

impl Call<'_> {
    /// Asserts a PE's reset; `None`: there is none of that kind.
    pub(super) fn assert_reset(&self, pe: u32, fundamental: bool) -> Option<Held> {
        let first = self.phb.members(pe).into_iter().min()?;
        let above = self.phb.bridge_above(first);
        // A function of a card whose other functions are elsewhere is reset alone, and so is a virtual
        // function; those of a physical one go with it.
        let alone = self.phb.is_virtual(first)
            || self.phb.homes().into_iter().any(|other| {
                let beside = other.bus() == first.bus() && other != first && !self.phb.is_virtual(other);
                beside && self.phb.pe_of(other).is_some_and(|p| p != pe)
            });
        match above {
            None => {
                self.phb.perst(true);
                self.phb.reset_logic();
                Some(Held::Perst)
            }
            Some(_) if alone => (!fundamental && self.phb.reset_function(first)).then_some(Held::None),
            Some(port) if fundamental => {
                // PERST reaches what is below the PHB's only port.
                let only = self.phb.is_root(port) && self.phb.roots().len() == 1;
                only.then(|| {
                    self.phb.perst(true);
                    Held::Perst
                })
            }
            Some(port) => {
                self.phb.reset_below(port, true);
                Some(Held::Bus(port))
            }
        }
    }

    /// Releases it.
    pub(super) fn release_reset(&mut self, pe: u32) {
        match self.record(pe).held.take() {
            Some(Held::Perst) => self.phb.perst(false),
            Some(Held::Bus(port)) => self.phb.reset_below(port, false),
            Some(Held::None) | None => {}
        }
    }
}
