// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices and PEs leave the tree: invisible at once, in their place until nobody holds them.

use crate::cell::{pack_pe, unpack_pe};
use crate::device::DeviceInfo;
use crate::env::Env;
use crate::flags::{DeviceFlags, PeFlags, PeType};
use crate::guard::TreeGuard;
use crate::id::{DeviceId, PeId};
use crate::isolate::{Detection, Report};
use crate::name::Name;
use crate::time::Time;
use crate::tree::Tree;
use crate::word::Put;

/// A device that left the tree.
#[derive(Debug)]
pub struct RemovedDevice<E: Env> {
    /// What it was called.
    pub id: DeviceId,
    /// What its PE is called.
    pub pe: PeId,
    /// The PE went with it: the device was its last.
    pub pe_removed: bool,
    /// A report was left: the caller wakes the worker, which thaws what nobody else would.
    pub reported: bool,
    /// The platform's device, to be dropped where sleeping is allowed.
    pub platform: Option<E::Device>,
    /// The device, as it was probed.
    pub info: DeviceInfo,
    /// Its state when it went.
    pub flags: DeviceFlags,
    /// Its saved configuration space.
    pub saved_config: [u32; 16],
}

/// What is left behind in hardware when a PE with one of these goes.
const HELD: PeFlags = PeFlags::ISOLATED.union(PeFlags::RESET);

impl<E: Env> Tree<'_, E> {
    /// Removes a device; its PE too when that is empty then, unless it is marked KEEP, and those
    /// above it likewise. `None` when it is gone already. C: `eeh_pe_tree_remove`
    ///
    /// A PE that is frozen or kept in reset, or somebody else's, and that no recovery is at, leaves a
    /// report behind: whoever comes next at its number finds it thawed. So does one that was somebody
    /// else's when a recovery came by.
    ///
    /// The result holds the platform's device. This is not a method of the guard, so that it cannot
    /// be dropped while the lock is held.
    ///
    /// # Context
    ///
    /// Any, except while the caller holds a tree's lock; takes the tree's lock. Dropping the result
    /// may sleep where dropping [`Env::Device`] may.
    pub fn remove_device(&self, id: DeviceId, now: Time) -> Option<RemovedDevice<E>> {
        let mut guard = self.lock();
        let removed = guard.take_device(id, now);
        drop(guard);
        removed
    }
}

impl<'r, E: Env> TreeGuard<'r, E> {
    fn take_device(&mut self, id: DeviceId, now: Time) -> Option<RemovedDevice<E>> {
        let index = self.linked_device(id)?;
        let slot = self.cell.device(index)?;
        let hold = self.inner.hold;
        let links = self.inner.devices.get_mut(index)?;
        if !slot.word.kill(id.name) {
            return None;
        }
        let flags = DeviceFlags::from_bits_retain(slot.word.load().flags());
        links.node.died = now;
        let platform = links.platform.take();
        let (info, saved_config) = (links.info, links.saved_config);
        let owner = links.node.owner?;
        links.node.died_in = hold;
        self.cell.devices.put(index, slot);
        // Who had it open has it no more.
        let owned = self.forget_owner(owner);
        let pe = self.id.pe(self.pe_name(owner)?);
        if cfg!(eeh_mutant = "removal_reports_late") {
            self.remove_if_empty(owner, now);
        }
        let reported = self.leave_report(owner, owned, now);
        self.remove_if_empty(owner, now);
        let pe_removed = !self.pe_is_live(owner);
        self.drain();
        Some(RemovedDevice { id, pe, pe_removed, reported, platform, info, flags, saved_config })
    }

    /// Reports a PE that has just lost a device, if nobody would thaw it any more: its owner has gone, or
    /// it is empty. What is below an isolated PE is that one's affair; but a recovery that is at it already
    /// has left the owner's PE as it was, and told nobody in it anything, unless it has given the PE up.
    fn leave_report(&self, index: u16, owned: bool, now: Time) -> bool {
        let flags = |index: u16| {
            self.pe_slot(index)
                .map_or(PeFlags::empty(), |slot| PeFlags::from_bits_retain(slot.word.load().flags()))
        };
        let (empty, mine) = (!self.has_live_device(index) && !self.has_live_child(index), flags(index));
        let above = self.inner.pes.node(index).and_then(|node| node.owner);
        let passed_over = owned && mine.contains(PeFlags::RECOVERING) && !mine.contains(PeFlags::REMOVED);
        let covered = above.is_some_and(|above| flags(above).contains(PeFlags::ISOLATED));
        let theirs = mine.contains(PeFlags::RECOVERING) || covered;
        if mine.intersects(PeFlags::PENDING | PeFlags::PASSED) || (theirs && !passed_over) {
            return false;
        }
        // An owner's freezes are not marked; and where others are left, only what is marked is theirs. In
        // reset it was for an owner or for a driver, and nobody else ends that.
        let held = mine.intersects(HELD);
        let left = if empty { owned || held } else { (owned && held) || mine.contains(PeFlags::RESET) };
        if !left {
            return false;
        }
        let Some(name) = self.pe_name(index) else { return false };
        self.registry.report_at(self.id.pe(name), Detection { at: now, address: 0 }) == Report::Queued
    }

    /// Removes all empty PEs of a subtree that are not marked KEEP, after a recovery.
    /// C: `eeh_pe_cleanup`
    pub fn remove_empty(&mut self, root: PeId, now: Time) {
        let Some(root) = self.linked_pe(root) else { return };
        let mut at = Some(root);
        while let Some(index) = at {
            if self.pe_is_live(index) && !self.has_live_child(index) {
                self.remove_if_empty(index, now);
            }
            at = self.next_in_subtree(root, index, true);
        }
        self.drain();
    }

    /// Removes a PE without live devices and PEs below it, and then those above it likewise. One
    /// that is marked KEEP stays and becomes INVALID when it has no device and no valid PE below.
    fn remove_if_empty(&mut self, index: u16, now: Time) {
        let mut at = Some(index);
        while let Some(index) = at {
            let Some(slot) = self.pe_slot(index) else { return };
            let (number, kind) = unpack_pe(slot.identity());
            if kind.contains(PeType::PHB) || !self.pe_is_live(index) || self.has_live_device(index) {
                return;
            }
            if PeFlags::from_bits_retain(slot.word.load().flags()).contains(PeFlags::KEEP) {
                if self.has_valid_child(index) {
                    return;
                }
                slot.change_identity(pack_pe(number, kind | PeType::INVALID));
            } else if self.has_live_child(index) {
                return;
            } else {
                self.kill_pe(index, now);
            }
            at = self.inner.pes.node(index).and_then(|node| node.owner);
        }
    }

    /// Turns a live PE into a tombstone. It keeps its place and its reference on its parent.
    pub(crate) fn kill_pe(&mut self, index: u16, now: Time) {
        let Some(slot) = self.pe_slot(index) else { return };
        if !slot.word.kill(Name::new(index, slot.word.load().generation())) {
            return;
        }
        let hold = self.inner.hold;
        if let Some(node) = self.inner.pes.node_mut(index) {
            node.died = now;
            node.died_in = hold;
        }
        let put = self.cell.pes.put(index, slot);
        if cfg!(eeh_mutant = "removal_frees_held") && put == Put::Held {
            self.cell.pes.push_for_reaping(index, slot);
        }
    }

    fn has_live_device(&self, index: u16) -> bool {
        let first = self.inner.pes.get(index).and_then(|links| links.devices.first);
        core::iter::successors(first, |&at| self.inner.devices.node(at)?.next)
            .any(|device| self.device_is_live(device))
    }

    fn has_live_child(&self, index: u16) -> bool {
        self.live_children(index).next().is_some()
    }

    fn has_valid_child(&self, index: u16) -> bool {
        self.live_children(index).any(|child| {
            self.pe_slot(child).is_some_and(|slot| !unpack_pe(slot.identity()).1.contains(PeType::INVALID))
        })
    }

    fn live_children(&self, index: u16) -> impl Iterator<Item = u16> + '_ {
        let first = self.inner.pes.get(index).and_then(|links| links.children.first);
        core::iter::successors(first, |&at| self.inner.pes.node(at)?.next)
            .filter(|&child| self.pe_is_live(child))
    }
}
