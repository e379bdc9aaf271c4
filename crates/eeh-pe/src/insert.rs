// SPDX-License-Identifier: GPL-2.0-or-later
//! A device, and where needed its PE, enters the tree.

use crate::budget::Budget;
use crate::cell::{pack_pe, unpack_pe};
use crate::device::{DeviceInfo, PeSpec};
use crate::env::{Env, max_holds};
use crate::error::{InsertError, Need, Refused};
use crate::flags::{PeFlags, PeType};
use crate::guard::TreeGuard;
use crate::id::{DeviceId, PeId, PeNumber};
use crate::links::Use;
use crate::mutant::mutant;
use crate::name::Name;
use crate::stats::Counter;

/// A device that entered the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Inserted {
    /// The device.
    pub device: DeviceId,
    /// Its PE.
    pub pe: PeId,
    /// The PE is new.
    pub new_pe: bool,
    /// The PE took over from one that was removed while its recovery runs.
    pub successor: bool,
}

impl<'r, E: Env> TreeGuard<'r, E> {
    /// Inserts a device into the PE with its number; a PE that does not exist is created below
    /// `parent`, or below the PHB's own. Allocates nothing.
    pub(crate) fn insert_device(
        &mut self,
        info: DeviceInfo,
        platform: E::Device,
        pe: PeSpec,
        parent: Option<PeId>,
    ) -> Result<Inserted, (Refused, E::Device)> {
        match self.place_device(&info, pe, parent) {
            Err(error) => Err((error, platform)),
            Ok((index, inserted)) => {
                if let Some(links) = self.inner.devices.get_mut(index) {
                    links.info = info;
                    links.platform = Some(platform);
                }
                Ok(inserted)
            }
        }
    }

    fn place_device(
        &mut self,
        info: &DeviceInfo,
        spec: PeSpec,
        parent: Option<PeId>,
    ) -> Result<(u16, Inserted), Refused> {
        if !self.is_live() {
            return Err(InsertError::Gone.into());
        }
        if let Some(device) = self.find_device(info.bdf) {
            return Err(InsertError::Exists(device.id()).into());
        }
        let existing = self.find(spec.number).map(|pe| pe.id().index());
        self.check_storage(existing.is_none())?;
        let (index, successor) = match existing {
            Some(index) => (index, false),
            None => {
                let parent = self.parent_index(parent)?;
                self.create_pe(spec.number, spec.kind, Some(parent))?
            }
        };
        let device = self.link_device(info, index)?;
        if existing.is_some() {
            self.join(index);
        }
        if let Some(links) = self.inner.pes.get_mut(index) {
            links.vf = info.physfn.map(|_| (device, *info));
        }
        self.clear_invalid_upwards(index);
        let pe = self.pe_name(index).ok_or(InsertError::Gone)?;
        let inserted = Inserted {
            device: self.id.device(device),
            pe: self.id.pe(pe),
            new_pe: existing.is_none(),
            successor,
        };
        Ok((device.index(), inserted))
    }

    fn check_storage(&self, new_pe: bool) -> Result<(), Refused> {
        let need = Need { pe: new_pe && !self.inner.pes.has_free(), device: !self.inner.devices.has_free() };
        let possible = (!need.pe || self.inner.pes.next_chunk().is_some())
            && (!need.device || self.inner.devices.next_chunk().is_some());
        if !possible {
            return Err(InsertError::Full.into());
        }
        if need.pe || need.device { Err(Refused::NeedStorage(need)) } else { Ok(()) }
    }

    fn parent_index(&self, parent: Option<PeId>) -> Result<u16, InsertError> {
        match parent {
            Some(id) => self.pe(id).map(|pe| pe.id().index()),
            None => self.inner.root,
        }
        .ok_or(InsertError::ParentGone)
    }

    /// Creates a PE; says whether it took over from a removed one. The caller checked storage.
    pub(crate) fn create_pe(
        &mut self,
        number: PeNumber,
        kind: PeType,
        parent: Option<u16>,
    ) -> Result<(u16, bool), InsertError> {
        let mut flags = PeFlags::empty();
        if let Some(parent) = parent {
            let above = self.pin_owner(parent)?;
            flags |= mutant!(eeh_mutant = "child_is_born_healthy", passed_on(above), PeFlags::empty());
        }
        let predecessor = self.predecessor(number);
        if let Some(old) = predecessor.and_then(|index| self.pe_slot(index)) {
            flags |= passed_on(PeFlags::from_bits_retain(old.word.load().flags()));
        }
        let budget = predecessor.and_then(|i| self.inner.pes.get(i)).map_or(Budget::default(), |l| l.budget);
        let owner = parent.and_then(|p| self.pe_name(p));
        let index = self.inner.pes.take_free().ok_or(InsertError::Full)?;
        let slot = self.pe_slot(index).ok_or(InsertError::Full)?;
        slot.set_identity(pack_pe(number, kind), owner);
        let born = self.next_birth();
        let inner = &mut *self.inner;
        if let Some(links) = inner.pes.get_mut(index) {
            links.node.owner = parent;
            links.node.born = born;
            links.node.generation = slot.word.load().generation();
            links.budget = budget;
        }
        if let Some(mut list) = parent.and_then(|p| inner.pes.get(p)).map(|l| l.children) {
            inner.pes.append(&mut list, index);
            if let Some(links) = parent.and_then(|p| inner.pes.get_mut(p)) {
                links.children = list;
            }
        }
        inner.pes.enter(index, number.0);
        // Last: from here on others see it.
        let generation = slot.word.occupy(flags.bits());
        if let Some(old) = predecessor {
            self.succeed(old, Name::new(index, generation));
        }
        Ok((index, predecessor.is_some()))
    }

    fn link_device(&mut self, info: &DeviceInfo, pe: u16) -> Result<Name, InsertError> {
        self.pin_owner(pe)?;
        let owner = self.pe_name(pe);
        let index = self.inner.devices.take_free().ok_or(InsertError::Full)?;
        let slot = self.cell.device(index).ok_or(InsertError::Full)?;
        slot.set_identity(u64::from(info.bdf.0), owner);
        let born = self.next_birth();
        let generation = slot.word.load().generation();
        let inner = &mut *self.inner;
        if let Some(node) = inner.devices.node_mut(index) {
            node.owner = Some(pe);
            node.born = born;
            node.generation = generation;
        }
        if let Some(mut list) = inner.pes.get(pe).map(|l| l.devices) {
            inner.devices.append(&mut list, index);
            if let Some(links) = inner.pes.get_mut(pe) {
                links.devices = list;
            }
        }
        inner.devices.enter(index, u32::from(info.bdf.0));
        slot.word.occupy(info.flags.bits());
        Ok(Name::new(index, generation))
    }

    /// References a PE for something below it, and returns its flags.
    fn pin_owner(&self, index: u16) -> Result<PeFlags, InsertError> {
        let slot = self.pe_slot(index).ok_or(InsertError::ParentGone)?;
        let generation = slot.word.load().generation();
        let word = slot
            .word
            .get(Name::new(index, generation), max_holds::<E>())
            .ok_or(InsertError::TooManyReferences)?;
        Ok(PeFlags::from_bits_retain(word.flags()))
    }

    /// The youngest removed PE of this number whose recovery still runs.
    fn predecessor(&self, number: PeNumber) -> Option<u16> {
        let pes = &self.inner.pes;
        let mut youngest = None;
        for index in pes.with_key(number.0) {
            let Some((node, slot)) = pes.node(index).zip(self.pe_slot(index)) else { continue };
            let word = slot.word.load();
            let recovers = !word.is_live() && word.flags() & PeFlags::RECOVERING.bits() != 0;
            if recovers && youngest.is_none_or(|(born, _)| born <= node.born) {
                youngest = Some((node.born, index));
            }
        }
        youngest.map(|(_, index)| index)
    }

    /// Makes `new` the successor of `old`, which keeps its place in the chain: clearing marks goes
    /// along it. What only its mark kept goes where clearing finds `new` without it, so that
    /// hotplug during one recovery does not pile up removed PEs.
    fn succeed(&mut self, old: u16, new: Name) {
        self.registry.stats().count(Counter::Successors);
        let owner = self.inner.pes.node(new.index()).and_then(|node| node.owner);
        let Some(links) = self.inner.pes.get_mut(old) else { return };
        links.successor = Some(new);
        if links.node.used == Use::Parked && links.node.owner == owner {
            links.node.used = Use::Replaced;
            if let Some(slot) = self.pe_slot(old) {
                self.cell.pes.push_for_reaping(old, slot);
            }
        }
    }

    /// Another device in a PE that has some makes it a bus's.
    fn join(&mut self, index: u16) {
        let Some(slot) = self.pe_slot(index) else { return };
        let (number, kind) = unpack_pe(slot.identity());
        let devices = self.inner.pes.get(index).map(|links| links.devices);
        let first = devices.and_then(|list| list.first);
        let live = core::iter::successors(first, |&at| self.inner.devices.node(at)?.next)
            .filter(|&device| self.device_is_live(device))
            .count();
        if live > 1 && !kind.contains(PeType::INVALID) {
            slot.change_identity(pack_pe(number, PeType::BUS));
        }
    }

    /// A PE with a device is valid, and so are those above it.
    fn clear_invalid_upwards(&mut self, index: u16) {
        let mut at = Some(index);
        while let Some(slot) = at.and_then(|index| self.pe_slot(index)) {
            let (number, kind) = unpack_pe(slot.identity());
            if kind.contains(PeType::INVALID) {
                slot.change_identity(pack_pe(number, kind.difference(PeType::INVALID)));
            }
            at = at.and_then(|index| self.inner.pes.node(index)).and_then(|node| node.owner);
        }
    }

    fn next_birth(&mut self) -> u64 {
        let born = self.inner.next_birth;
        self.inner.next_birth = born.saturating_add(1);
        born
    }
}

/// What a PE passes on to those born below it or in its place. Where configuration space is restricted,
/// CFG_BLOCKED comes and goes with ISOLATED, of that PE only; in a reset all have it.
fn passed_on(flags: PeFlags) -> PeFlags {
    let own = flags.contains(PeFlags::CFG_RESTRICTED) && !flags.contains(PeFlags::RESET);
    let all = flags & PeFlags::INHERITED;
    if own { all.difference(PeFlags::CFG_BLOCKED) } else { all }
}
