// SPDX-License-Identifier: GPL-2.0-or-later
//! Goal: generations and counts that run out are refused and never wrap, whatever the history: no handle is given
//! twice, none leads to a later occupant, and every reference is counted.

// mutants: generations_wrap => "a handle was given twice"
// mutants: counts_have_no_end => "a reference that cannot be counted was given"

#![cfg(not(eeh_loom))]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use core::cell::Cell;

use common::*;
use eeh_pe::{DeviceId, Env, InsertError, Memory, PeHold, PeId, Registry, Report, Tree};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// A step; numbers choose among however many there are then, from the youngest.
#[derive(Clone, Debug)]
enum Step {
    Insert { bdf: u16, number: u32 },
    Remove(usize),
    Get(usize),
    Clone(usize),
    Put(usize),
    Report(usize),
    Take,
}

fn any_step() -> impl Strategy<Value = Step> {
    let pick = || prop_oneof![3 => 0..4_usize, 1 => 0..64_usize];
    prop_oneof![
        4 => (0x100..0x106_u16, 1..4_u32).prop_map(|(bdf, number)| Step::Insert { bdf, number }),
        4 => pick().prop_map(Step::Remove),
        4 => pick().prop_map(Step::Get),
        2 => pick().prop_map(Step::Clone),
        2 => pick().prop_map(Step::Put),
        1 => pick().prop_map(Step::Report),
        1 => Just(Step::Take),
    ]
}

/// The place from the front of what `pick` chooses of `count`.
fn nth(pick: usize, count: usize) -> Option<usize> {
    let back = pick.checked_rem(count)?;
    Some(count - 1 - back)
}

/// What was ever born, all PEs right below the PHB's own.
struct Born {
    id: PeId,
    number: u32,
    live: bool,
}

struct Play<'r, E: Env<Device = Platform> + Memory> {
    registry: &'r Registry<E>,
    tree: &'r Tree<'r, E>,
    /// The most that can be counted.
    most: usize,
    pes: Vec<Born>,
    devices: Vec<(DeviceId, u16, usize, bool)>,
    holds: Vec<(usize, PeHold<'r, E>)>,
    queue: Vec<usize>,
    refused: usize,
}

impl<E: Env<Device = Platform> + Memory> Play<'_, E> {
    /// References to a PE: existence, devices, holds, a report.
    fn references(&self, pe: usize) -> usize {
        usize::from(self.pes[pe].live)
            + self.devices.iter().filter(|(_, _, owner, live)| *live && *owner == pe).count()
            + self.holds.iter().filter(|(held, _)| *held == pe).count()
            + usize::from(self.queue.contains(&pe))
    }

    /// References to the PHB's own PE: existence, PEs that are not free.
    fn root(&self) -> usize {
        1 + (0..self.pes.len()).filter(|&pe| self.references(pe) > 0).count()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Insert { bdf, number } => self.insert(bdf, number),
            Step::Remove(pick) => self.remove(pick),
            Step::Get(pick) => self.get(pick),
            Step::Clone(pick) => self.clone(pick),
            Step::Put(pick) => {
                if let Some(nth) = nth(pick, self.holds.len()) {
                    drop(self.holds.swap_remove(nth));
                }
            }
            Step::Report(pick) => self.report(pick),
            Step::Take => self.take(),
        }
    }

    /// Whether a holder is refused one more.
    fn is_full(&mut self, references: usize) -> bool {
        let full = references + 1 >= self.most;
        self.refused += usize::from(full);
        full
    }

    fn insert(&mut self, bdf: u16, number: u32) {
        let existing = self.pes.iter().position(|pe| pe.live && pe.number == number);
        let owner = existing.map_or_else(|| self.root(), |pe| self.references(pe));
        let answer = self.tree.insert_device(info(bdf), Platform::default(), spec(number), None);
        let there = self.devices.iter().find(|(_, other, _, live)| *live && *other == bdf);
        if let Some((device, ..)) = there {
            return assert_eq!(answer.unwrap_err().0, InsertError::Exists(*device));
        }
        if self.is_full(owner) {
            let error = answer.err().map(|(error, _)| error);
            return assert_eq!(
                error,
                Some(InsertError::TooManyReferences),
                "a reference that cannot be counted was given"
            );
        }
        let Ok(inserted) = answer else { return assert_eq!(answer.unwrap_err().0, InsertError::Full) };
        assert!(self.devices.iter().all(|(id, ..)| *id != inserted.device), "a handle was given twice");
        let pe = existing.unwrap_or_else(|| {
            assert!(self.pes.iter().all(|pe| pe.id != inserted.pe), "a handle was given twice");
            self.pes.push(Born { id: inserted.pe, number, live: true });
            self.pes.len() - 1
        });
        self.devices.push((inserted.device, bdf, pe, true));
    }

    fn remove(&mut self, pick: usize) {
        let Some(nth) = nth(pick, self.devices.len()) else { return };
        let (id, _, pe, live) = self.devices[nth];
        assert_eq!(self.tree.remove_device(id, seconds(1)).is_some(), live);
        self.devices[nth].3 = false;
        self.pes[pe].live = self.devices.iter().any(|(_, _, owner, live)| *live && *owner == pe);
    }

    fn get(&mut self, pick: usize) {
        let Some(pe) = nth(pick, self.pes.len()) else { return };
        let hold = self.registry.get(self.pes[pe].id);
        let references = self.references(pe);
        let refused = !self.pes[pe].live || self.is_full(references);
        assert_eq!(hold.is_none(), refused, "a reference that cannot be counted was given");
        self.holds.extend(hold.map(|hold| (pe, hold)));
    }

    fn clone(&mut self, pick: usize) {
        let Some(nth) = nth(pick, self.holds.len()) else { return };
        let (pe, hold) = &self.holds[nth];
        let (pe, hold) = (*pe, hold.try_clone());
        let references = self.references(pe);
        assert_eq!(hold.is_none(), self.is_full(references), "a reference that cannot be counted was given");
        self.holds.extend(hold.map(|hold| (pe, hold)));
    }

    /// Never refused for want of references.
    fn report(&mut self, pick: usize) {
        let Some(pe) = nth(pick, self.pes.len()) else { return };
        let wanted = match (self.pes[pe].live, self.queue.contains(&pe)) {
            (false, _) => Report::Stale,
            (true, true) => Report::AlreadyPending,
            (true, false) => Report::Queued,
        };
        assert_eq!(self.registry.report(self.pes[pe].id), wanted, "a freeze was refused");
        if wanted == Report::Queued {
            self.queue.push(pe);
        }
    }

    /// A report stays while its reference has no room for the next one's.
    fn take(&mut self) {
        let taken = self.tree.take_pending().next().map(|report| report.pe.id());
        let ready = self.queue.first().filter(|&&pe| self.references(pe) < self.most);
        assert_eq!(taken, ready.map(|&pe| self.pes[pe].id));
        if taken.is_some() {
            self.queue.remove(0);
        }
    }

    fn check(&self) {
        let guard = self.tree.lock();
        for (index, pe) in self.pes.iter().enumerate() {
            let number = self.registry.peek(pe.id).map(|view| view.number.0);
            assert_eq!(number, pe.live.then_some(pe.number), "a handle led to a later occupant");
            let references = guard.pe(pe.id).map(|pe| pe.references());
            let wanted = pe.live.then(|| u32::try_from(self.references(index)).unwrap());
            assert_eq!(references, wanted, "a reference was lost or left over");
        }
        assert_eq!(guard.root().unwrap().references(), u32::try_from(self.root()).unwrap());
    }
}

/// Plays a history; answers how often there was no room for a reference, and for a generation.
fn play<E: Env<Device = Platform> + Memory>(steps: &[Step]) -> (usize, usize) {
    let registry = registry::<E>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let (registry, tree) = (&registry, &tree);
    let most = (1 << E::COUNT_BITS) - 1;
    let mut play = Play {
        registry,
        tree,
        most,
        pes: Vec::new(),
        devices: Vec::new(),
        holds: Vec::new(),
        queue: Vec::new(),
        refused: 0,
    };
    for step in steps {
        play.step(step);
        play.check();
    }
    // However short the history was, its end uses up a count and a slot.
    play.holds.clear();
    while !play.queue.is_empty() {
        play.take();
    }
    play.step(&Step::Insert { bdf: 0x106, number: 4 });
    for _ in 0..most {
        play.step(&Step::Get(0));
        play.check();
    }
    play.holds.clear();
    play.step(&Step::Remove(0));
    for _ in 0..=1 << E::GENERATION_BITS {
        for step in [Step::Insert { bdf: 0x106, number: 4 }, Step::Remove(0)] {
            play.step(&step);
            play.check();
        }
    }
    let slots: std::collections::BTreeSet<u16> = play.pes.iter().map(|pe| pe.id.index()).collect();
    let retired = slots.iter().filter(|&&slot| {
        play.pes.iter().filter(|pe| pe.id.index() == slot).count() == 1 << E::GENERATION_BITS
    });
    (play.refused, retired.count())
}

/// Both ends are met, so that they are tested at all.
fn widths_run_out<E: Env<Device = Platform> + Memory>() {
    let cases = ProptestConfig::default().cases.div_ceil(2);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let (played, refused, retired) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let result = runner.run(&prop::collection::vec(any_step(), 0..300), |steps| {
        let (full, used_up) = play::<E>(&steps);
        played.set(played.get() + 1);
        refused.set(refused.get() + full);
        retired.set(retired.get() + used_up);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    let (cases, refused, retired) = (played.get(), refused.get(), retired.get());
    assert!(
        refused >= cases && retired >= cases,
        "{refused} refused, {retired} retired in {cases} histories"
    );
}

#[test]
fn two_bits_of_generation_and_four_of_count() {
    widths_run_out::<Narrow>();
}

#[test]
fn one_bit_of_generation_and_three_of_count() {
    widths_run_out::<Narrower>();
}

#[test]
fn three_bits_of_either() {
    widths_run_out::<Slim>();
}
