// SPDX-License-Identifier: GPL-2.0-or-later
//! Errors that nobody read all ones for: firmware is asked, and what it tells becomes a normal event.
//!
//! C handles such errors where it asks. Here asking only isolates and queues, so an error found by
//! firmware and one found by a driver take the same way. The interrupt is armed again once, when
//! firmware has no more that is new.

use eeh_pe::{Detection, Env, Isolate, PeFlags, PeId, PeNumber, PeType, Time, Walk};

use super::{Worker, subject};
use crate::observe::{FirmwareEvent, What};
use crate::targets::pe_target;
use crate::{
    ErrorSource, FreezeState, Location, NextError, PciCore, PeTarget, Platform, Severity, SlotState, Wake,
};

/// Errors to print and forget, or of PEs that nobody has, that are taken in a row: firmware that
/// never comes to an end is left to the next interrupt.
const IN_A_ROW: u32 = 16;

/// A freeze of such a PE is no news.
const KNOWN: PeFlags = PeFlags::ISOLATED.union(PeFlags::PASSED);

/// What asking came to.
pub(super) enum Asked {
    /// Nothing new.
    Nothing,
    /// Something that is done with.
    Handled,
    /// An event, or a recovery.
    Begun,
}

impl<'r, P: Platform> Worker<'r, P> {
    /// Asks firmware until it has nothing new, or an event has come of it.
    pub(super) fn ask_firmware(&mut self, now: Time) {
        for _ in 0..IN_A_ROW {
            match self.ask_once(now) {
                Asked::Handled => {}
                // Asked again when the event is dealt with; the interrupt stays masked until then.
                Asked::Begun => return,
                Asked::Nothing => break,
            }
        }
        self.asked = false;
        self.platform.firmware().rearm(&self.phb);
    }

    fn ask_once(&mut self, now: Time) -> Asked {
        let _held = cfg!(eeh_mutant = "hazard_5_7_lock_held_while_asking").then(|| self.tree.lock());
        let Some((phb_pe, flags)) = self.phb_state() else { return Asked::Nothing };
        if flags.contains(PeFlags::ISOLATED) {
            // The PHB is given up, and its error is known. Asking is what makes firmware quiet: an
            // interrupt armed while its error stands comes again at once, and for ever.
            if let Err(error) = self.platform.firmware().next_error(&self.phb) {
                self.tell_call(None, error, now);
            }
            return Asked::Nothing;
        }
        let core = self.platform.core();
        let location = core.phb_location(&self.phb);
        let error = match self.platform.firmware().next_error(&self.phb) {
            Ok(error) => error,
            Err(error) => {
                self.tell_call(None, error, now);
                return Asked::Nothing;
            }
        };
        match error {
            NextError::None => Asked::Nothing,
            NextError::Informative => {
                self.tell_firmware(phb_pe, FirmwareEvent::Informative(location), now);
                self.print_fetched(&phb_pe, Severity::Temporary, None, now);
                Asked::Handled
            }
            NextError::FrozenPe(number) => self.frozen(phb_pe, number, location, now),
            NextError::FencedPhb => self.fenced(phb_pe, location, now),
            NextError::DeadPhb => {
                self.tell_firmware(phb_pe, FirmwareEvent::DeadPhb(location), now);
                self.start_dead(now);
                Asked::Begun
            }
            NextError::DeadIoc => {
                self.tell_firmware(phb_pe, FirmwareEvent::DeadIoc, now);
                // The other PHBs of the hub find out for themselves. Each of them asks the others only
                // once: its PE is isolated from then on.
                let others = self.tree.registry().trees().map(|tree| tree.id());
                for tree in others.filter(|&tree| tree != self.phb.tree) {
                    self.platform.wake().request_check(tree);
                }
                if cfg!(not(eeh_mutant = "hazard_5_19_no_pe_is_named")) {
                    self.start_dead(now);
                }
                Asked::Begun
            }
        }
    }

    fn phb_state(&self) -> Option<(PeTarget, PeFlags)> {
        let guard = self.tree.lock();
        guard.root().map(|root| (pe_target(self.phb, root), root.flags()))
    }

    fn fenced(&self, phb_pe: PeTarget, location: Location, now: Time) -> Asked {
        self.tell_firmware(phb_pe, FirmwareEvent::Fenced(location), now);
        self.isolate(phb_pe, now)
    }

    /// Firmware refuses to clear a freeze of which nobody has the PE. A fence may be why: skiboot takes a fenced
    /// PHB's ones for frozen PEs and says nothing of the fence, and below the PHB nobody may be left to read ones.
    pub(super) fn fenced_instead(&self, now: Time) -> Asked {
        let Some((phb_pe, flags)) = self.phb_state() else { return Asked::Nothing };
        let fenced = matches!(self.platform.firmware().state(&phb_pe), Ok(FreezeState::PhbFenced));
        if fenced && !flags.contains(PeFlags::ISOLATED) {
            return self.fenced(phb_pe, self.platform.core().phb_location(&self.phb), now);
        }
        Asked::Nothing
    }

    /// Firmware names a frozen PE.
    fn frozen(&mut self, phb_pe: PeTarget, number: PeNumber, phb: Location, now: Time) -> Asked {
        let found = {
            let guard = self.tree.lock();
            guard.find(number).map(|pe| {
                let device = pe.subtree_devices().find_map(|device| device.platform());
                (pe_target(self.phb, pe), pe.flags(), device)
            })
        };
        let Some((target, flags, device)) = found else {
            self.tell_firmware(phb_pe, FirmwareEvent::ClearUnknown { number, phb }, now);
            self.print_fetched(&phb_pe, Severity::Temporary, None, now);
            if let Err(error) = self.platform.firmware().clear_unknown(&self.phb, number) {
                self.tell_call(None, error, now);
                return self.fenced_instead(now);
            }
            return Asked::Handled;
        };
        if flags.intersects(KNOWN) {
            return self.hidden(phb_pe, phb, now);
        }
        self.named(target, device, phb, now)
    }

    fn named(
        &self,
        target: PeTarget,
        device: Option<<P::Env as Env>::Device>,
        phb: Location,
        now: Time,
    ) -> Asked {
        let core = self.platform.core();
        let pe = device.map_or(Location::new("N/A"), |device| core.location(&device));
        self.tell_firmware(target, FirmwareEvent::Frozen { pe, phb }, now);
        self.isolate(target, now)
    }

    /// Firmware names one frozen PE at a time. While that one stays so, given up or in its owner's hands,
    /// it is named again and again, and nobody is told of another: so each of the others is asked, once.
    fn hidden(&self, phb_pe: PeTarget, phb: Location, now: Time) -> Asked {
        let Some(root) = self.tree.registry().get(phb_pe.pe) else { return Asked::Nothing };
        for pe in Walk::new(root) {
            let Some((target, device)) = self.unknown_freeze(pe.id()) else { continue };
            if let Asked::Begun = self.named(target, device, phb, now) {
                return Asked::Begun;
            }
        }
        Asked::Nothing
    }

    /// A PE that nobody knows to be frozen, and that is.
    fn unknown_freeze(&self, pe: PeId) -> Option<(PeTarget, Option<<P::Env as Env>::Device>)> {
        let found = {
            let guard = self.tree.lock();
            let pe = guard.pe(pe)?;
            let above = core::iter::successors(pe.parent(), |pe| pe.parent());
            let covered = above.into_iter().any(|pe| pe.flags().contains(PeFlags::ISOLATED));
            if covered || pe.flags().intersects(KNOWN) || pe.kind().contains(PeType::PHB) {
                return None;
            }
            (pe_target(self.phb, pe), pe.devices().find_map(|device| device.platform()))
        };
        let state = self.platform.firmware().state(&found.0);
        matches!(state, Ok(FreezeState::Frozen | FreezeState::MmioFrozen | FreezeState::DmaFrozen))
            .then_some(found)
    }

    fn isolate(&self, target: PeTarget, now: Time) -> Asked {
        let at = Detection { at: now, address: 0 };
        match self.tree.registry().isolate_at(target.pe, at) {
            Isolate::Won => Asked::Begun,
            Isolate::AlreadyIsolated | Isolate::Stale => Asked::Nothing,
        }
    }

    fn tell_firmware(&self, target: PeTarget, event: FirmwareEvent, now: Time) {
        self.tell_of(None, subject(target), What::Firmware(event), now);
    }
}
