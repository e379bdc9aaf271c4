// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices that are passed through: who has one open, and what that makes of its PE.
//!
//! How often a device is open is data inside the lock. PASSED of a PE's word says that one of its
//! devices is open; it is derived, and changes in the same hold of the lock. So a release without an
//! open, and a device that goes while it is open, are harmless.

use crate::env::Env;
use crate::flags::PeFlags;
use crate::guard::TreeGuard;
use crate::id::{DeviceId, PeId};

/// What became of an open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[must_use]
pub enum Opened {
    /// The device is the caller's, and its PE is PASSED.
    Yes,
    /// A recovery or a reset has the PE: nothing was changed.
    Busy,
    /// The device is gone.
    Gone,
}

/// What became of a release.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[must_use]
pub enum Released {
    /// The device was not open, or is gone: nothing was changed.
    NotOpen,
    /// Somebody still has the device, or another device of the PE.
    StillPassed,
    /// That was the last: the PE is the host's again.
    Last(PeId),
}

impl<E: Env> TreeGuard<'_, E> {
    /// Opens a device once more, unless its PE is RECOVERING or in RESET. C: `eeh_dev_open`,
    /// `pass_dev_cnt`
    pub fn open_device(&mut self, id: DeviceId) -> Opened {
        let Some(index) = self.live_device(id) else { return Opened::Gone };
        let Some(pe) = self.inner.devices.node(index).and_then(|node| node.owner) else {
            return Opened::Gone;
        };
        let Some(slot) = self.pe_slot(pe) else { return Opened::Gone };
        let busy = (PeFlags::RECOVERING | PeFlags::RESET).bits();
        if slot.word.load().flags() & busy != 0 {
            return Opened::Busy;
        }
        let Some(links) = self.inner.devices.get_mut(index) else { return Opened::Gone };
        let Some(opens) = links.opens.checked_add(1) else { return Opened::Busy };
        links.opens = opens;
        slot.word.change_flags(|_| true, |flags| flags | PeFlags::PASSED.bits());
        Opened::Yes
    }

    /// Takes an open back. C: `eeh_dev_release`
    pub fn release_device(&mut self, id: DeviceId) -> Released {
        let Some(index) = self.live_device(id) else { return Released::NotOpen };
        let Some(links) = self.inner.devices.get_mut(index) else { return Released::NotOpen };
        let Some(pe) = links.node.owner else { return Released::NotOpen };
        let Some(opens) = links.opens.checked_sub(1) else {
            if cfg!(eeh_mutant = "hazard_5_17_release_without_open") {
                self.take_from_owner(pe);
            }
            return Released::NotOpen;
        };
        links.opens = opens;
        if self.forget_owner(pe)
            && let Some(name) = self.pe_name(pe)
        {
            return Released::Last(self.id.pe(name));
        }
        Released::StillPassed
    }

    /// How often a device is open; 0 when it is gone.
    #[must_use]
    pub fn opens(&self, id: DeviceId) -> u32 {
        let links = self.live_device(id).and_then(|index| self.inner.devices.get(index));
        links.map_or(0, |links| links.opens)
    }

    /// Clears PASSED of a PE of which no live device is open; whether it did.
    pub(crate) fn forget_owner(&mut self, pe: u16) -> bool {
        let first = self.inner.pes.get(pe).and_then(|links| links.devices.first);
        let open = core::iter::successors(first, |&at| self.inner.devices.node(at)?.next)
            .any(|at| self.device_is_live(at) && self.inner.devices.get(at).is_some_and(|d| d.opens > 0));
        if open {
            return false;
        }
        self.take_from_owner(pe)
    }

    fn take_from_owner(&self, pe: u16) -> bool {
        let Some(slot) = self.pe_slot(pe) else { return false };
        let passed = PeFlags::PASSED.bits();
        let before = slot.word.change_flags(|_| true, |flags| flags & !passed);
        before.is_some_and(|flags| flags & passed != 0)
    }

    fn live_device(&self, id: DeviceId) -> Option<u16> {
        self.linked_device(id).filter(|&index| self.device_is_live(index))
    }
}
