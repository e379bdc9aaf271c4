// SPDX-License-Identifier: GPL-2.0-or-later
//! Between any action and its answer, a device disappears, is replaced, or gains a sibling.

mod common;

use std::collections::BTreeMap;

use common::*;
use eeh_pe::{DeviceId, PeFlags, Time};
use eeh_recovery::*;

/// What happens to the device 01:00.0 in between.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Disappears,
    Replaced,
    Sibling,
}

const CHANGES: [Change; 3] = [Change::Disappears, Change::Replaced, Change::Sibling];

fn apply(rig: &Rig, change: Change) {
    match change {
        Change::Disappears => {
            rig.unplug(0x0100);
        }
        Change::Replaced => {
            if rig.unplug(0x0100) {
                rig.plug(&function(0x0100, 0x1fd, aware("other")));
            }
        }
        Change::Sibling => {
            if rig.device(0x0101).is_none() {
                rig.functions.lock().unwrap().push(function(0x0101, 0x1fd, aware("sibling")));
                rig.plug(&function(0x0101, 0x1fd, aware("sibling")));
            }
        }
    }
}

/// The machine alone, answered as a worker would.
struct Bench<'a> {
    rig: &'a Rig,
    answer: ErsResult,
    now: Time,
    asked: Vec<Action>,
    /// Of each round of calls, the devices that there were when it began.
    round: Vec<DeviceId>,
}

impl Bench<'_> {
    fn run(
        &mut self,
        machine: &mut Recovery<'static, TestEnv>,
        at: usize,
        change: Option<Change>,
    ) -> Outcome {
        loop {
            match machine.poll(self.now) {
                Poll::Say(Note::Entered(_) | Note::Step(Step::Beginning(_))) => self.round = self.devices(),
                Poll::Say(_) => {}
                Poll::Wait { until, .. } => self.now = until,
                Poll::Answer => panic!("an answer was refused: {:?}", self.asked.last()),
                Poll::Over => return machine.outcome().expect("it is over"),
                Poll::Act(action) => {
                    if let Action::Call(device, _) | Action::Presence(device) = action {
                        assert!(self.round.contains(&device), "it was born after the walk began");
                        assert!(!self.asked_of(device, action), "it is asked twice");
                    }
                    if self.asked.len() == at
                        && let Some(change) = change
                    {
                        apply(self.rig, change);
                    }
                    self.asked.push(action);
                    let input = self.answer(machine, action);
                    assert!(machine.handle(input, self.now), "{action:?} answered by {input:?}");
                }
            }
            assert!(self.asked.len() < 200, "it never ends: {:?}", self.asked);
        }
    }

    fn asked_of(&self, device: DeviceId, action: Action) -> bool {
        self.asked.iter().any(|&a| a == action && a.device() == Some(device))
    }

    fn devices(&self) -> Vec<DeviceId> {
        [0x0100, 0x0101].into_iter().filter_map(|bdf| self.rig.device(bdf)).collect()
    }

    fn answer(&self, machine: &Recovery<'static, TestEnv>, action: Action) -> Input {
        let live = |device| self.rig.registry.peek_device(device).is_some();
        let root = machine.root().id();
        match action {
            Action::Open => Input::Counted { count: 1, max: 5 },
            Action::Mark(mark) => {
                let mut guard = self.rig.tree().lock();
                let keep = PeFlags::KEEP;
                match mark {
                    Mark::Keep => drop(guard.mark_subtree(root, keep)),
                    Mark::Failed => guard.clear_subtree(root, keep, eeh_pe::Passed::Include),
                    Mark::Block | Mark::Unblock | Mark::Healed | Mark::Settled => {}
                }
                Input::Done
            }
            Action::Query => Input::State(Some(FreezeState::Frozen)),
            Action::Look => Input::Done,
            Action::Thaw(_) | Action::Unfreeze => Input::State(Some(FreezeState::Active)),
            Action::BeginReset { .. } | Action::PollReset => Input::Reset(ResetPoll::Done),
            Action::Link { .. } => Input::Link(Link::Unknown),
            Action::Channel { .. }
            | Action::Log { .. }
            | Action::Configure
            | Action::SaveState
            | Action::Release => Input::Done,
            Action::RestoreState => Input::State(Some(FreezeState::Active)),
            Action::AddVf(vf) => Input::VfJob(vf, JobAnswer::Done),
            Action::Ready(device) if live(device) => Input::Vendor(device, 0x1b36),
            Action::Restore(device) if live(device) => Input::Restored(device),
            Action::Ready(device) | Action::Restore(device) => Input::Gone(device),
            Action::Presence(device)
            | Action::Attention(device)
            | Action::Call(device, _)
            | Action::Remove { device, .. }
                if !live(device) =>
            {
                Input::Job(device, JobAnswer::Gone)
            }
            Action::Presence(device) => Input::Job(device, JobAnswer::Present),
            Action::Attention(device) => Input::Job(device, JobAnswer::Done),
            Action::Call(device, Handler::SlotReset) => {
                Input::Job(device, JobAnswer::Reported(ErsResult::Recovered))
            }
            Action::Call(device, _) => Input::Job(device, JobAnswer::Reported(self.answer)),
            Action::Remove { device, .. } => Input::Job(device, JobAnswer::Absent),
            Action::RemoveBus => {
                self.rig.unplug(0x0101);
                self.rig.unplug(0x0100);
                Input::BusJob(JobAnswer::Done)
            }
            Action::AddBus => {
                if self.rig.device(0x0100).is_none() {
                    self.rig.plug(&function(0x0100, 0x1fd, unaware("ahci")));
                }
                Input::BusJob(JobAnswer::Done)
            }
        }
    }
}

fn machine(rig: &Rig) -> Recovery<'static, TestEnv> {
    let root = rig.registry.get(rig.pe(0x1fd).unwrap()).unwrap();
    Recovery::new(root, 1, core::time::Duration::ZERO, false)
}

/// The answers that lead along each of the four ways.
const WAYS: [ErsResult; 4] =
    [ErsResult::None, ErsResult::CanRecover, ErsResult::NeedReset, ErsResult::Disconnect];

fn undisturbed(answer: ErsResult) -> (Vec<Action>, Outcome) {
    let rig = Rig::new(single(aware("nvme")));
    let mut bench = Bench { rig: &rig, answer, now: Time::ZERO, asked: vec![], round: vec![] };
    let outcome = bench.run(&mut machine(&rig), usize::MAX, None);
    (bench.asked, outcome)
}

#[test]
fn undisturbed_recoveries_take_their_way() {
    let outcomes = WAYS.map(|answer| undisturbed(answer).1);
    assert_eq!(outcomes, [Outcome::Recovered, Outcome::Recovered, Outcome::Recovered, Outcome::Failed]);
    let acts = |answer, action: fn(&Action) -> bool| undisturbed(answer).0.iter().any(action);
    assert!(acts(ErsResult::None, |a| *a == Action::RemoveBus));
    assert!(acts(ErsResult::CanRecover, |a| *a == Action::Thaw(Thaw::Dma)));
    assert!(acts(ErsResult::NeedReset, |a| matches!(a, Action::BeginReset { .. })));
    assert!(acts(ErsResult::Disconnect, |a| *a == Action::Log { permanent: true }));
}

#[test]
fn whatever_happens_between_an_action_and_its_answer_the_machine_comes_to_an_end() {
    let mut tried: BTreeMap<String, u32> = BTreeMap::new();
    for answer in WAYS {
        let (actions, undisturbed) = undisturbed(answer);
        for (at, action) in actions.iter().enumerate() {
            for change in CHANGES {
                let rig = Rig::new(single(aware("nvme")));
                let mut bench = Bench { rig: &rig, answer, now: Time::ZERO, asked: vec![], round: vec![] };
                let outcome = bench.run(&mut machine(&rig), at, Some(change));
                let what = format!("{change:?} at {action:?}");
                let allowed: &[Outcome] = match change {
                    Change::Sibling => &[undisturbed],
                    Change::Disappears | Change::Replaced => &[undisturbed, Outcome::Gone, Outcome::Failed],
                };
                assert!(allowed.contains(&outcome), "{what}: {outcome:?}");
                let name = format!("{action:?}");
                *tried.entry(name.split(['(', ' ']).next().unwrap().to_owned()).or_default() += 1;
            }
        }
    }
    // Each kind of action was disturbed.
    assert_eq!(tried.len(), 19, "{tried:?}");
}

#[test]
fn an_answer_for_another_device_changes_nothing() {
    let rig = Rig::new(single(aware("nvme")));
    let mut machine = machine(&rig);
    let wrong = rig.device(0x0000).unwrap();
    while !matches!(machine.poll(Time::ZERO), Poll::Act(Action::Presence(_))) {}
    let (phase, outstanding) = (machine.phase(), machine.outstanding());
    for input in [
        Input::Job(wrong, JobAnswer::Absent),
        Input::Gone(wrong),
        Input::Late(wrong),
        Input::Done,
        Input::BusJob(JobAnswer::Done),
        Input::State(None),
    ] {
        assert!(!machine.handle(input, Time::ZERO), "{input:?}");
        assert_eq!((machine.phase(), machine.outstanding()), (phase, outstanding));
    }
    assert_eq!(machine.poll(Time::ZERO), Poll::Answer);
}

#[test]
fn an_answer_that_nobody_waits_for_changes_nothing() {
    let rig = Rig::new(single(aware("nvme")));
    let mut machine = machine(&rig);
    let device = rig.device(0x0100).unwrap();
    assert!(!machine.handle(Input::Job(device, JobAnswer::Present), Time::ZERO));
    assert_eq!(machine.phase(), Phase::Presence);
}

/// The whole worker, disturbed between any two of its steps.
#[test]
fn whatever_happens_between_two_steps_slot_and_pe_are_left_usable() {
    for driver in [aware("nvme"), unaware("ahci")] {
        for change in CHANGES {
            let mut at = 0;
            loop {
                let mut rig = Rig::new(single(driver));
                rig.freeze(0x1fd);
                let mut steps = 0;
                while steps < at && rig.step() != Next::Idle {
                    steps += 1;
                }
                if steps < at {
                    break;
                }
                apply(&rig, change);
                assert_eq!(rig.run(), Next::Idle);
                let outcomes = rig.outcomes();
                assert!(outcomes.len() <= 2, "{change:?} at step {at}: {outcomes:?}");
                rig.assert_healthy();
                if change != Change::Disappears && rig.device(0x0100).is_some() {
                    rig.freeze(0x1fd);
                    rig.run();
                    assert!(rig.outcomes().len() > outcomes.len(), "{change:?} at step {at}: it is deaf");
                    rig.assert_healthy();
                }
                at += 1;
            }
            assert!(at > 20);
        }
    }
}

#[test]
fn a_phb_can_be_removed_between_any_two_steps() {
    let mut at = 0;
    loop {
        let mut rig = Rig::new(switch());
        rig.freeze(0xfd);
        let mut steps = 0;
        while steps < at && rig.step() != Next::Idle {
            steps += 1;
        }
        if steps < at {
            break;
        }
        let now = rig.now();
        drop(rig.registry.remove_phb(rig.tree, now));
        assert_eq!(rig.run(), Next::Exit);
        assert_eq!(rig.world.get().asserted, 0, "at step {at}");
        rig.worker = None;
        rig.world.get().jobs.clear();
        rig.registry.reap();
        assert!(rig.registry.tree(rig.tree).is_none(), "at step {at} the tree is still held");
        at += 1;
    }
    assert!(at > 60);
}

#[test]
fn a_whole_switch_can_be_removed_between_any_two_steps() {
    let mut at = 0;
    loop {
        let mut rig = Rig::new(switch());
        rig.freeze(0xfb);
        let mut steps = 0;
        while steps < at && rig.step() != Next::Idle {
            steps += 1;
        }
        if steps < at {
            break;
        }
        for bdf in [0x0500, 0x0400, 0x0300, 0x0210, 0x0208, 0x0200, 0x0100] {
            rig.unplug(bdf);
        }
        rig.run();
        rig.assert_healthy();
        rig.registry.reap();
        let now = rig.now();
        assert_eq!(rig.registry.orphans(now).count(), 0, "at step {at}");
        at += 1;
    }
    assert!(at > 20);
}
