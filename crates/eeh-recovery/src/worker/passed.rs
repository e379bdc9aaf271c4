// SPDX-License-Identifier: GPL-2.0-or-later
//! What a recovery of the host owes to PEs below that are passed through: they stay frozen, whatever the
//! reset did, until their owner has recovered them.

use eeh_pe::{DeviceHold, PeFlags, Time, Walk};

use super::{Active, Worker};
use crate::observe::{Step, What};
use crate::targets::pe_target_of_view;
use crate::{FreezeState, PeTarget, Platform, SlotState};

impl<'r, P: Platform> Worker<'r, P> {
    /// Whether the device's PE is somebody else's, and this is the host's recovery.
    pub(super) fn is_others(&self, active: &Active<'r, P>, device: &DeviceHold<'r, P::Env>) -> bool {
        let pe = device.pe().and_then(|pe| self.tree.registry().peek(pe));
        active.asked.is_none() && pe.is_some_and(|pe| pe.flags.contains(PeFlags::PASSED))
    }

    /// Calls `each` for each PE of a host's recovery that is passed through, without the lock.
    fn for_each_passed(&self, active: &Active<'r, P>, mut each: impl FnMut(&PeTarget)) {
        if active.asked.is_some() {
            return;
        }
        let Some(root) = active.machine.root().try_clone() else { return };
        for pe in Walk::new(root) {
            let view = self.tree.registry().peek(pe.id());
            if let Some(view) = view.filter(|view| view.flags.contains(PeFlags::PASSED)) {
                each(&pe_target_of_view(&view));
            }
        }
    }

    /// Freezes again what the reset has thawed. C: `eeh_pe_refreeze_passed`
    pub(super) fn refreeze_passed(&self, active: &Active<'r, P>, now: Time) {
        let firmware = self.platform.firmware();
        self.for_each_passed(active, |pe| {
            if matches!(firmware.state(pe), Ok(FreezeState::Active | FreezeState::DmaFrozen)) {
                self.tell(active, What::Step(Step::Refrozen { number: pe.number }), now);
                let result = firmware.freeze(pe);
                self.tell_failed(active, result, now);
            }
        });
    }

    pub(super) fn tell_left_frozen(&self, active: &Active<'r, P>, now: Time) {
        self.for_each_passed(active, |pe| {
            self.tell(active, What::Step(Step::LeftFrozen { number: pe.number }), now);
        });
    }
}
