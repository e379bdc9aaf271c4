// SPDX-License-Identifier: GPL-2.0-or-later
//! Goal: arbitrary histories of one PHB agree, step by step, with a model that is too simple to be
//! wrong: vectors, no slots, no counts, nothing shared. A history that does not is shrunk.

// mutants: child_is_born_healthy => "flags are not those of the model"
// mutants: walk_sees_the_young => "the walk is not that of the model"

#![cfg(not(eeh_loom))]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use core::cell::Cell;

use common::*;
use eeh_pe::{
    DeviceHold, DeviceId, Isolate, Passed, PeFlags, PeHold, PeId, PeNumber, Registry, Report, Tree, Walk,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// A number that chooses among however many there are then.
type Pick = usize;

/// A step of a history.
#[derive(Clone, Debug)]
enum Step {
    Insert { bdf: u16, number: u32, parent: Pick },
    Remove(Pick),
    Hold { pe: Pick, device: Pick },
    Put { pe: Pick, device: Pick },
    Isolate(Pick),
    Report(Pick),
    Take,
    Absorb(Pick),
    Mark { root: Pick, marks: PeFlags },
    Unmark,
    Walk(Pick),
}

fn any_step() -> impl Strategy<Value = Step> {
    let pick = || 0..64_usize;
    let marks = prop::sample::select(vec![PeFlags::ISOLATED, PeFlags::RECOVERING, PeFlags::INHERITED]);
    prop_oneof![
        4 => (0x100..0x10c_u16, 1..9_u32, pick())
            .prop_map(|(bdf, number, parent)| Step::Insert { bdf, number, parent }),
        2 => pick().prop_map(Step::Remove),
        1 => (pick(), pick()).prop_map(|(pe, device)| Step::Hold { pe, device }),
        2 => (pick(), pick()).prop_map(|(pe, device)| Step::Put { pe, device }),
        1 => pick().prop_map(Step::Isolate),
        1 => pick().prop_map(Step::Report),
        2 => Just(Step::Take),
        1 => pick().prop_map(Step::Absorb),
        1 => (pick(), marks).prop_map(|(root, marks)| Step::Mark { root, marks }),
        1 => Just(Step::Unmark),
        2 => pick().prop_map(Step::Walk),
    ]
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

    fn enqueue(&mut self, pe: usize) {
        if !self.queue.contains(&pe) {
            self.queue.push(pe);
        }
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
    model: Model,
    holds: Vec<(usize, PeHold<'r, Host>)>,
    device_holds: Vec<(usize, DeviceHold<'r, Host>)>,
    /// A walk, and the PEs that it may still visit.
    walk: Option<(Walk<'r, Host>, Vec<usize>)>,
}

impl Play<'_> {
    /// A PE of the model, live or not.
    fn pe(&self, pick: Pick) -> usize {
        pick % self.model.pes.len()
    }

    /// A device of the model, if there was one.
    fn device(&self, pick: Pick) -> Option<usize> {
        pick.checked_rem(self.model.devices.len())
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Insert { bdf, number, parent } => self.insert(bdf, number, self.pe(parent)),
            Step::Remove(device) => self.remove(device),
            Step::Hold { pe, device } => self.hold(pe, device),
            Step::Put { pe, device } => self.put(pe, device),
            Step::Isolate(pe) => self.isolate(self.pe(pe)),
            Step::Report(pe) => self.report(self.pe(pe)),
            Step::Take => self.take(),
            Step::Absorb(root) => self.absorb(self.pe(root)),
            Step::Mark { root, marks } => self.mark(self.pe(root), marks),
            Step::Unmark => self.unmark(),
            Step::Walk(root) => self.walk(self.pe(root)),
        }
    }

    fn insert(&mut self, bdf: u16, number: u32, parent: usize) {
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

    fn remove(&mut self, device: Pick) {
        let Some(device) = self.device(device) else { return };
        let removed = self.tree.remove_device(self.model.devices[device].id, seconds(1));
        assert_eq!(removed.is_some(), self.model.devices[device].live);
        if let Some(removed) = removed {
            assert_eq!(removed.reported, self.model.remove_device(device));
            assert_eq!(removed.pe_removed, !self.model.pes[self.model.devices[device].pe].live);
        }
    }

    fn hold(&mut self, pe: Pick, device: Pick) {
        let pe = self.pe(pe);
        let hold = self.registry.get(self.model.pes[pe].id);
        assert_eq!(hold.is_some(), self.model.pes[pe].live);
        self.holds.extend(hold.map(|hold| (pe, hold)));
        if let Some(device) = self.device(device) {
            let hold = self.registry.get_device(self.model.devices[device].id);
            assert_eq!(hold.is_some(), self.model.devices[device].live);
            self.device_holds.extend(hold.map(|hold| (device, hold)));
        }
    }

    fn put(&mut self, pe: Pick, device: Pick) {
        if let Some(nth) = pe.checked_rem(self.holds.len()) {
            let (pe, hold) = self.holds.swap_remove(nth);
            assert_eq!(
                (hold.number().0, hold.is_live()),
                (self.model.pes[pe].number, self.model.pes[pe].live)
            );
        }
        if let Some(nth) = device.checked_rem(self.device_holds.len()) {
            let (device, hold) = self.device_holds.swap_remove(nth);
            assert_eq!(hold.bdf().0, self.model.devices[device].bdf);
        }
    }

    fn isolate(&mut self, pe: usize) {
        let Pe { id, live, flags, .. } = self.model.pes[pe];
        let wanted = match (live, flags.contains(PeFlags::ISOLATED)) {
            (false, _) => Isolate::Stale,
            (true, true) => Isolate::AlreadyIsolated,
            (true, false) => Isolate::Won,
        };
        assert_eq!(self.registry.isolate(id), wanted);
        if wanted == Isolate::Won {
            self.model.pes[pe].flags |= PeFlags::ISOLATED;
            self.model.enqueue(pe);
        }
    }

    fn report(&mut self, pe: usize) {
        let Pe { id, live, .. } = self.model.pes[pe];
        let wanted = match (live, self.model.queue.contains(&pe)) {
            (false, _) => Report::Stale,
            (true, true) => Report::AlreadyPending,
            (true, false) => Report::Queued,
        };
        assert_eq!(self.registry.report(id), wanted);
        if wanted == Report::Queued {
            self.model.enqueue(pe);
        }
    }

    fn take(&mut self) {
        let report = self.tree.take_pending().next().map(|report| report.pe.id());
        let wanted = self.model.queue.first().map(|&pe| self.model.pes[pe].id);
        assert_eq!(report, wanted, "the report is not that of the model");
        if report.is_some() {
            self.model.queue.remove(0);
        }
    }

    fn absorb(&mut self, root: usize) {
        if !self.model.pes[root].live {
            return;
        }
        let before = self.model.queue.len();
        let model = &mut self.model;
        let mut queue = core::mem::take(&mut model.queue);
        queue.retain(|&pe| pe == root || !model.is_within(root, pe));
        model.queue = queue;
        let absorbed = self.tree.lock().absorb_below(model.pes[root].id);
        assert_eq!(usize::try_from(absorbed).unwrap(), before - model.queue.len());
    }

    fn mark(&mut self, root: usize, marks: PeFlags) {
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

    fn walk(&mut self, root: usize) {
        let Some((walk, left)) = &mut self.walk else {
            if let Some(hold) = self.registry.get(self.model.pes[root].id) {
                self.walk = Some((Walk::new(hold), self.model.subtree(root)));
            }
            return;
        };
        // Those that went are passed over; those that came are not visited.
        let next = left.iter().position(|&pe| self.model.pes[pe].live);
        let visited = walk.next().map(|pe| pe.id());
        let wanted = next.map(|at| self.model.pes[left[at]].id);
        assert_eq!(visited, wanted, "the walk is not that of the model");
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
            assert_eq!(view.flags, pe.flags | pending, "flags are not those of the model");
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

/// Plays a history, and answers how many PEs there were in it.
fn play(steps: &[Step]) -> usize {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let root =
        Pe { id: tree.phb_pe().unwrap(), number: 0, parent: None, live: true, flags: PeFlags::empty() };
    let model = Model { pes: vec![root], ..Model::default() };
    let (registry, tree) = (&registry, &tree);
    let mut play = Play { registry, tree, model, holds: Vec::new(), device_holds: Vec::new(), walk: None };
    for step in steps {
        play.step(step);
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
fn arbitrary_histories_agree_with_a_naive_model() {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let (cases, born) = (Cell::new(0), Cell::new(0));
    let result = runner.run(&prop::collection::vec(any_step(), 0..200), |steps| {
        born.set(born.get() + play(&steps));
        cases.set(cases.get() + 1);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    let (cases, born) = (cases.get(), born.get());
    assert!(born > 5 * cases, "only {born} PEs in {cases} histories: they do too little");
}
