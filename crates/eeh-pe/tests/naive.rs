// SPDX-License-Identifier: GPL-2.0-or-later
//! Goal: random histories of one PHB agree, step by step, with a model that is too simple to be
//! wrong: vectors, no slots, no counts, nothing shared. One seed decides a history.
#![cfg(not(eeh_loom))]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{
    DeviceHold, DeviceId, Isolate, Passed, PeFlags, PeHold, PeId, PeNumber, Registry, Report, Tree, Walk,
};

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // SplitMix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(sides).unwrap()).unwrap()
    }
}

/// What the model knows of a PE; the first one is the PHB's own.
struct Pe {
    id: PeId,
    number: u32,
    parent: Option<usize>,
    live: bool,
    flags: PeFlags,
}

struct Device {
    id: DeviceId,
    bdf: u16,
    pe: usize,
    live: bool,
}

#[derive(Default)]
struct Model {
    pes: Vec<Pe>,
    devices: Vec<Device>,
    /// Reports that wait, the oldest first.
    queue: Vec<usize>,
}

impl Model {
    fn find(&self, number: u32) -> Option<usize> {
        self.pes.iter().position(|pe| pe.live && pe.number == number)
    }

    fn is_within(&self, root: usize, mut pe: usize) -> bool {
        while pe != root {
            let Some(parent) = self.pes[pe].parent else { return false };
            pe = parent;
        }
        true
    }

    /// Live PEs of a subtree in pre-order; children in order of birth.
    fn subtree(&self, root: usize) -> Vec<usize> {
        let mut all = Vec::new();
        if self.pes[root].live {
            all.push(root);
            for child in (0..self.pes.len()).filter(|&pe| self.pes[pe].parent == Some(root)) {
                all.extend(self.subtree(child));
            }
        }
        all
    }

    fn is_used(&self, pe: usize) -> bool {
        self.devices.iter().any(|d| d.live && d.pe == pe)
            || self.pes.iter().any(|other| other.live && other.parent == Some(pe))
    }

    /// Answers whether a report is left: the PE goes frozen or in reset, and nobody is at it or above.
    fn remove_device(&mut self, device: usize) -> bool {
        self.devices[device].live = false;
        let pe = self.devices[device].pe;
        let Pe { flags, parent, .. } = self.pes[pe];
        let above = parent.map_or(PeFlags::empty(), |parent| self.pes[parent].flags);
        let left = !self.is_used(pe)
            && flags.intersects(PeFlags::ISOLATED | PeFlags::RESET)
            && !flags.contains(PeFlags::RECOVERING)
            && !above.contains(PeFlags::ISOLATED)
            && !self.queue.contains(&pe);
        if left {
            self.queue.push(pe);
        }
        self.remove_empty(device);
        left
    }

    fn remove_empty(&mut self, device: usize) {
        let mut at = Some(self.devices[device].pe);
        while let Some(pe) = at {
            if self.is_used(pe) || self.pes[pe].parent.is_none() {
                return;
            }
            self.pes[pe].live = false;
            at = self.pes[pe].parent;
        }
    }

    /// What a new PE is born with.
    fn inherited(&self, parent: usize, number: u32) -> PeFlags {
        let old = self.pes.iter().rev().find(|pe| {
            !pe.live && pe.number == number && pe.parent.is_some() && pe.flags.contains(PeFlags::RECOVERING)
        });
        (self.pes[parent].flags | old.map_or(PeFlags::empty(), |pe| pe.flags)) & PeFlags::INHERITED
    }
}

struct Play<'r> {
    registry: &'r Registry<Host>,
    tree: &'r Tree<'r, Host>,
    dice: Dice,
    model: Model,
    holds: Vec<(usize, PeHold<'r, Host>)>,
    device_holds: Vec<(usize, DeviceHold<'r, Host>)>,
    /// A walk, how many PEs there were when it began, and those that it may still visit.
    walk: Option<(Walk<'r, Host>, usize, Vec<usize>)>,
}

impl Play<'_> {
    fn insert(&mut self) {
        let bdf = u16::try_from(self.dice.roll(12)).unwrap() + 0x100;
        let number = u32::try_from(self.dice.roll(8)).unwrap() + 1;
        let parent = self.dice.roll(self.model.pes.len());
        let parent = if self.model.pes[parent].live { parent } else { 0 };
        let parent_id = self.model.pes[parent].id;
        let result = self.tree.insert_device(info(bdf), Platform::default(), spec(number), Some(parent_id));
        let taken = self.model.devices.iter().any(|d| d.live && d.bdf == bdf);
        assert_eq!(result.is_err(), taken);
        let Ok(inserted) = result else { return };
        let existing = self.model.find(number);
        assert_eq!(inserted.new_pe, existing.is_none());
        let pe = existing.unwrap_or_else(|| {
            let flags = self.model.inherited(parent, number);
            self.model.pes.push(Pe { id: inserted.pe, number, parent: Some(parent), live: true, flags });
            self.model.pes.len() - 1
        });
        assert_eq!(inserted.pe, self.model.pes[pe].id);
        self.model.devices.push(Device { id: inserted.device, bdf, pe, live: true });
    }

    fn remove(&mut self) {
        if self.model.devices.is_empty() {
            return;
        }
        let device = self.dice.roll(self.model.devices.len());
        let removed = self.tree.remove_device(self.model.devices[device].id, seconds(1));
        assert_eq!(removed.is_some(), self.model.devices[device].live);
        if let Some(removed) = removed {
            assert_eq!(removed.reported, self.model.remove_device(device));
            assert_eq!(removed.pe_removed, !self.model.pes[self.model.devices[device].pe].live);
        }
    }

    fn hold(&mut self) {
        let pe = self.dice.roll(self.model.pes.len());
        let hold = self.registry.get(self.model.pes[pe].id);
        assert_eq!(hold.is_some(), self.model.pes[pe].live);
        self.holds.extend(hold.map(|hold| (pe, hold)));
        if !self.model.devices.is_empty() {
            let device = self.dice.roll(self.model.devices.len());
            let hold = self.registry.get_device(self.model.devices[device].id);
            assert_eq!(hold.is_some(), self.model.devices[device].live);
            self.device_holds.extend(hold.map(|hold| (device, hold)));
        }
    }

    fn put(&mut self) {
        if !self.holds.is_empty() {
            let (pe, hold) = self.holds.swap_remove(self.dice.roll(self.holds.len()));
            assert_eq!(
                (hold.number().0, hold.is_live()),
                (self.model.pes[pe].number, self.model.pes[pe].live)
            );
        }
        if !self.device_holds.is_empty() {
            let (device, hold) = self.device_holds.swap_remove(self.dice.roll(self.device_holds.len()));
            assert_eq!(hold.bdf().0, self.model.devices[device].bdf);
        }
    }

    fn report(&mut self) {
        let pe = self.dice.roll(self.model.pes.len());
        let Pe { id, live, flags, .. } = self.model.pes[pe];
        let pending = self.model.queue.contains(&pe);
        if self.dice.roll(2) == 0 {
            let wanted = match (live, flags.contains(PeFlags::ISOLATED)) {
                (false, _) => Isolate::Stale,
                (true, true) => Isolate::AlreadyIsolated,
                (true, false) => Isolate::Won,
            };
            assert_eq!(self.registry.isolate(id), wanted);
            if wanted != Isolate::Won {
                return;
            }
            self.model.pes[pe].flags |= PeFlags::ISOLATED;
        } else {
            let wanted = match (live, pending) {
                (false, _) => Report::Stale,
                (true, true) => Report::AlreadyPending,
                (true, false) => Report::Queued,
            };
            assert_eq!(self.registry.report(id), wanted);
            if wanted != Report::Queued {
                return;
            }
        }
        if !pending {
            self.model.queue.push(pe);
        }
    }

    fn take(&mut self) {
        if self.dice.roll(3) == 0 {
            let root = self.dice.roll(self.model.pes.len());
            if self.model.pes[root].live {
                let before = self.model.queue.len();
                let model = &mut self.model;
                let mut queue = core::mem::take(&mut model.queue);
                queue.retain(|&pe| pe == root || !model.is_within(root, pe));
                model.queue = queue;
                let absorbed = self.tree.lock().absorb_below(model.pes[root].id);
                assert_eq!(usize::try_from(absorbed).unwrap(), before - model.queue.len());
            }
            return;
        }
        let report = self.tree.take_pending().next().map(|report| report.pe.id());
        assert_eq!(report, self.model.queue.first().map(|&pe| self.model.pes[pe].id));
        if report.is_some() {
            self.model.queue.remove(0);
        }
    }

    fn mark(&mut self) {
        let root = self.dice.roll(self.model.pes.len());
        let marks = [PeFlags::ISOLATED, PeFlags::RECOVERING, PeFlags::INHERITED][self.dice.roll(3)];
        let marked = self.tree.lock().mark_subtree(self.model.pes[root].id, marks);
        let subtree = self.model.subtree(root);
        assert_eq!(marked, subtree.len());
        for pe in subtree {
            self.model.pes[pe].flags |= marks;
        }
    }

    /// Ends all recoveries: successors may sit anywhere, and the PHB's own PE is above all.
    fn unmark(&mut self) {
        self.tree.lock().clear_subtree(self.model.pes[0].id, PeFlags::INHERITED, Passed::Include);
        for pe in &mut self.model.pes {
            pe.flags = PeFlags::empty();
        }
    }

    fn walk(&mut self) {
        let Some((walk, born, left)) = &mut self.walk else {
            let root = self.dice.roll(self.model.pes.len());
            if let Some(hold) = self.registry.get(self.model.pes[root].id) {
                let born = self.model.pes.len();
                self.walk = Some((Walk::new(hold), born, self.model.subtree(root)));
            }
            return;
        };
        // Those that went are passed over; those that came are not visited.
        let next = left.iter().position(|&pe| self.model.pes[pe].live);
        let visited = walk.next().map(|pe| pe.id());
        assert_eq!(visited, next.map(|at| self.model.pes[left[at]].id), "of {born} PEs");
        match next {
            Some(at) => drop(left.drain(..=at)),
            None => self.walk = None,
        }
    }

    fn check(&self) {
        for (index, pe) in self.model.pes.iter().enumerate() {
            let view = self.registry.peek(pe.id);
            assert_eq!(view.is_some(), pe.live);
            let Some(view) = view else { continue };
            assert_eq!(view.number, PeNumber(pe.number));
            assert_eq!(view.parent, pe.parent.map(|parent| self.model.pes[parent].id));
            let pending = self.model.queue.contains(&index);
            let pending = if pending { PeFlags::PENDING } else { PeFlags::empty() };
            assert_eq!(view.flags, pe.flags | pending);
        }
        for device in &self.model.devices {
            let view = self.registry.peek_device(device.id);
            assert_eq!(view.is_some(), device.live);
            assert!(view.is_none_or(|v| v.bdf.0 == device.bdf && v.pe == self.model.pes[device.pe].id));
        }
        let guard = self.tree.lock();
        let tree: Vec<_> = guard.root().unwrap().subtree().map(|pe| pe.id()).collect();
        let model: Vec<_> = self.model.subtree(0).into_iter().map(|pe| self.model.pes[pe].id).collect();
        assert_eq!(tree, model);
    }
}

fn play(seed: u64, steps: usize) -> usize {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let root =
        Pe { id: tree.phb_pe().unwrap(), number: 0, parent: None, live: true, flags: PeFlags::empty() };
    let model = Model { pes: vec![root], ..Model::default() };
    let (registry, tree) = (&registry, &tree);
    let mut play = Play {
        registry,
        tree,
        dice: Dice(seed),
        model,
        holds: Vec::new(),
        device_holds: Vec::new(),
        walk: None,
    };
    for _ in 0..steps {
        match play.dice.roll(16) {
            0..=3 => play.insert(),
            4..=5 => play.remove(),
            6 => play.hold(),
            7..=8 => play.put(),
            9..=10 => play.report(),
            11 => play.take(),
            12 => play.mark(),
            13 => play.unmark(),
            _ => play.walk(),
        }
        play.check();
    }
    play.unmark();
    let born = play.model.pes.len();
    for device in 0..play.model.devices.len() {
        drop(tree.remove_device(play.model.devices[device].id, seconds(2)));
    }
    drop((play.holds, play.device_holds, play.walk));
    tree.take_pending().for_each(drop);
    assert_eq!(registry.orphans(seconds(3)).count(), 0, "everything removed is freed");
    assert_eq!(tree.lock().root().unwrap().references(), 1, "no reference is left over");
    born
}

#[test]
fn random_histories_agree_with_a_naive_model() {
    let mut born = 0;
    for seed in 0..300 {
        let result = std::panic::catch_unwind(|| play(seed, 150));
        born += result.unwrap_or_else(|_| panic!("EEH_SEED={seed}"));
    }
    assert!(born > 3_000, "only {born} PEs in all: the histories do too little");
}
