// SPDX-License-Identifier: GPL-2.0-or-later
//! OPAL_PCI_RESET, OPAL_PCI_POLL and OPAL_PCI_REINIT: which slot, which state machine.

use eeh_pe::Bdf;
use eeh_powernv::opal::{REINIT_PCI_DEV, rc, reset, scope};

use super::slot::{Doing, LINK_RETRIES, Slot, Step, bdf_of};
use super::{Call, Version};
use crate::hw::Stopped;

/// C: `OPAL_RESET_PCI_IODA_TABLE`
const IODA_TABLE: u8 = 6;

/// Which slot a call is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Which {
    /// The PHB's.
    Root,
    /// Of a bridge below the root port.
    Below(Bdf),
}

impl Call<'_> {
    /// A slot exists for the PHB and for each function that only firmware may reset below.
    fn which(&self, id: u64) -> Option<Which> {
        let Some(bdf) = bdf_of(id).map(Bdf) else { return Some(Which::Root) };
        let which = if self.phb.is_root(bdf) { Which::Root } else { Which::Below(bdf) };
        self.phb.has_slot(bdf).then_some(which)
    }

    pub(super) fn slot(&mut self, which: Which) -> &mut Slot {
        let fresh = Slot { link_retries: LINK_RETRIES, ..Slot::default() };
        match which {
            Which::Root => &mut self.state.root,
            Which::Below(bdf) => self.state.slots.entry(bdf.0).or_insert(fresh),
        }
    }

    /// Deasserting does nothing: the polls after asserting have done it.
    pub(super) fn reset(&mut self, id: u64, kind: u8, assert: u8) -> i64 {
        let Some(which) = self.which(id) else { return rc::PARAMETER };
        if assert != reset::ASSERT && assert != reset::DEASSERT {
            return rc::PARAMETER;
        }
        let phb_only = matches!(kind, scope::PHB_COMPLETE | scope::PHB_ERROR | IODA_TABLE);
        if !phb_only && !matches!(kind, scope::PCI_HOT | scope::PCI_FUNDAMENTAL)
            || phb_only && bdf_of(id).is_some()
        {
            return rc::UNSUPPORTED;
        }
        if assert == reset::DEASSERT {
            return rc::SUCCESS;
        }
        let ideal = self.firmware.version == Version::Ideal;
        let step = match (kind, which) {
            (scope::PHB_COMPLETE, _) if ideal => self.ideal_complete(),
            (scope::PHB_COMPLETE, _) => self.complete(),
            (scope::PHB_ERROR, _) => {
                self.phb.disarm();
                Step::DONE
            }
            (IODA_TABLE, _) => {
                for pe in 0..self.phb.pe_count() {
                    self.phb.release(pe, Stopped::ALL);
                }
                Step::DONE
            }
            (_, which) if ideal => self.ideal_reset(which, kind == scope::PCI_FUNDAMENTAL),
            (scope::PCI_FUNDAMENTAL, Which::Root) => self.phb_fundamental(),
            (scope::PCI_FUNDAMENTAL, Which::Below(bdf)) => self.slot_fundamental(bdf),
            (_, Which::Root) => self.phb_hot(),
            (_, Which::Below(bdf)) => self.slot_hot(bdf),
        };
        step.answer(0)
    }

    /// Goes on with what the slot is doing. Polling a slot that does nothing is an error.
    pub(super) fn poll(&mut self, id: u64) -> i64 {
        let Some(which) = self.which(id) else { return rc::PARAMETER };
        let now = self.phb.now();
        if let Some(d) = self.slot(which).remaining(now) {
            return Step::Wait(d).answer(1);
        }
        if self.firmware.version == Version::Ideal {
            return self.ideal_step(which).answer(1);
        }
        let step = match (self.slot(which).doing, which) {
            (Doing::Normal, _) => Step::HARDWARE,
            (
                Doing::CompleteStart
                | Doing::CompleteWait
                | Doing::CompleteReinit
                | Doing::CompleteFundamental,
                _,
            ) => self.complete(),
            (Doing::HotHold | Doing::HotSettle, Which::Root) => self.phb_hot(),
            (Doing::HotHold | Doing::HotSettle, Which::Below(bdf)) => self.slot_hot(bdf),
            (Doing::FundamentalHold | Doing::FundamentalSettle | Doing::PowerOff, which) => match which {
                Which::Root => self.phb_fundamental(),
                Which::Below(bdf) => self.slot_fundamental(bdf),
            },
            (
                Doing::LinkStart
                | Doing::LinkElectrical
                | Doing::LinkWait
                | Doing::LinkStable
                | Doing::LinkDelay
                | Doing::LinkPolling,
                which,
            ) => match which {
                Which::Root => self.phb_link(),
                Which::Below(bdf) => self.slot_link(bdf),
            },
        };
        step.answer(1)
    }

    /// Sets a device up for error reporting again.
    pub(super) fn reinit(&mut self, scope: u64, data: u64) -> i64 {
        let bdf = u16::try_from(data).ok().map(Bdf).filter(|&b| self.phb.knows(b));
        match bdf {
            Some(bdf) if scope == REINIT_PCI_DEV => {
                self.device_init(bdf);
                rc::SUCCESS
            }
            _ => rc::PARAMETER,
        }
    }
}
