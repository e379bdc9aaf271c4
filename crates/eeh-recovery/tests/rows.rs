// SPDX-License-Identifier: GPL-2.0-or-later
//! Every row of the table is taken by some recovery, and nothing else ever happens (the machine
//! asserts that each cue it makes can meet its phase).

mod common;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use core::time::Duration;

use common::*;
use eeh_pe::{Bdf, DeviceFlags, DeviceId, PeFlags, Time};
use eeh_recovery::*;

/// A small generator: the same seed, the same answers.
struct Dice(u64, Dead, bool);

/// What never comes up in one game.
#[derive(Clone, Copy, PartialEq)]
enum Dead {
    Nothing,
    Link,
    Device,
    /// Once removed, it is not found again.
    Card,
}

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len() as u64) as usize]
    }
}

fn job(dice: &mut Dice, device: DeviceId, usual: JobAnswer) -> Input {
    match dice.roll(if dice.2 { 200 } else { 12 }) {
        0 => Input::Job(device, JobAnswer::Gone),
        1 => Input::Job(device, JobAnswer::Died),
        2 => Input::Late(device),
        3 => Input::Job(device, JobAnswer::NoDriver),
        _ => Input::Job(device, usual),
    }
}

fn state(dice: &mut Dice) -> Input {
    let wait = Duration::from_secs(dice.roll(3) * 90);
    let state = dice.pick(&[
        FreezeState::Active,
        FreezeState::Active,
        FreezeState::Active,
        FreezeState::Frozen,
        FreezeState::MmioFrozen,
        FreezeState::DmaFrozen,
        FreezeState::InReset,
        FreezeState::Unavailable { wait },
        FreezeState::NotSupported,
        FreezeState::PhbFenced,
    ]);
    if dice.2 {
        return Input::State(Some(FreezeState::Active));
    }
    match dice.roll(10) {
        0 => Input::State(None),
        1 => Input::Fenced,
        _ => Input::State(Some(state)),
    }
}

fn reset(dice: &mut Dice, now: Time) -> Input {
    match if dice.2 { 7 } else { dice.roll(8) } {
        0 => Input::Fenced,
        1..=3 => Input::Reset(ResetPoll::Failed(FirmwareError::Failed { call: "reset", code: -6 })),
        4 | 5 => {
            let until = now.after(Duration::from_millis(5));
            Input::Reset(ResetPoll::Wait { until, why: Wait::OpalPoll })
        }
        _ => Input::Reset(ResetPoll::Done),
    }
}

fn answer(
    rig: &Rig,
    machine: &Recovery<'static, TestEnv>,
    action: Action,
    dice: &mut Dice,
    now: Time,
) -> Input {
    match action {
        Action::Open => Input::Counted { count: 1 + u32::from(dice.roll(6) == 0) * 5, max: 5 },
        Action::Log { .. } | Action::Configure if !dice.2 && dice.roll(4) == 0 => {
            Input::Later { until: now.after(Duration::from_millis(100)), why: Wait::RtasBusy }
        }
        Action::Channel { .. } | Action::Log { .. } | Action::Configure | Action::Release => Input::Done,
        Action::Mark(Mark::Keep) => {
            rig.tree().lock().mark_subtree(machine.root().id(), PeFlags::KEEP);
            Input::Done
        }
        Action::Mark(_) => Input::Done,
        Action::Query | Action::Thaw(_) | Action::Unfreeze => state(dice),
        Action::Look => dice.pick(&[Input::Done, Input::Fenced, Input::State(Some(FreezeState::Frozen))]),
        Action::BeginReset { .. } | Action::PollReset => reset(dice, now),
        Action::Link { .. } if dice.1 == Dead::Link => Input::Link(Link::Down),
        Action::Ready(device) if dice.1 == Dead::Device => Input::Vendor(device, 0xffff),
        Action::Link { .. } => Input::Link(dice.pick(&[Link::Up, Link::Down, Link::Unknown])),
        Action::Ready(device) => match dice.roll(10) {
            0 => Input::Gone(device),
            roll => Input::Vendor(device, dice.pick(&[0xffff, 0x0001, 0x8086, 0x8086 + roll as u16])),
        },
        Action::Restore(device) => dice.pick(&[Input::Restored(device), Input::Gone(device)]),
        Action::Attention(device) => job(dice, device, JobAnswer::Done),
        Action::Presence(device) => {
            let usual = dice.pick(&[JobAnswer::Present, JobAnswer::Present, JobAnswer::Absent]);
            job(dice, device, usual)
        }
        Action::Call(device, _) => {
            // Of two drivers that choose freely, few agree on this.
            let agree = dice.roll(3) == 0;
            let result = if agree { ErsResult::CanRecover } else { dice.pick(&ErsResult::ALL) };
            job(dice, device, JobAnswer::Reported(result))
        }
        Action::Remove { device, .. } => {
            let usual = dice.pick(&[JobAnswer::Done, JobAnswer::Absent]);
            if usual == JobAnswer::Done && rig.device(VF) == Some(device) {
                rig.unplug(VF);
            }
            job(dice, device, usual)
        }
        Action::SaveState => Input::Done,
        Action::RestoreState => Input::State(dice.pick(&[Some(FreezeState::Active), None])),
        Action::AddVf(vf) => match dice.roll(8) {
            0 => Input::VfLate(vf),
            1 => Input::VfJob(vf, JobAnswer::Died),
            2 => Input::VfJob(vf, JobAnswer::Gone),
            _ => Input::VfJob(vf, JobAnswer::Done),
        },
        Action::RemoveBus | Action::AddBus => match if dice.1 == Dead::Card { 7 } else { dice.roll(8) } {
            0 => Input::BusLate,
            1 => Input::BusJob(JobAnswer::Died),
            2 => Input::BusJob(JobAnswer::Gone),
            _ => {
                if action == Action::RemoveBus {
                    rig.unplug(VF);
                    rig.unplug(0x0100);
                } else if rig.device(0x0100).is_none() && dice.1 != Dead::Card && dice.roll(3) != 0 {
                    rig.plug(&function(0x0100, 0x1fd, aware("nvme")));
                }
                Input::BusJob(JobAnswer::Done)
            }
        },
    }
}

/// A virtual function of the device.
const VF: u16 = 0x0101;

/// Something that is asked for.
fn ask(dice: &mut Dice) -> Ask {
    let by = dice.pick(&[By::Owner, By::Driver(Bdf(0x0100))]);
    dice.pick(&[
        Ask::Thaw(Thaw::Mmio),
        Ask::Thaw(Thaw::All),
        Ask::Configure,
        Ask::Reset(ResetKind::Hot, by),
        Ask::Deassert(by),
        Ask::ResetAndRecover,
    ])
}

/// Hotplug takes the PE away, though it is kept.
fn remove(rig: &Rig, machine: &Recovery<'static, TestEnv>) {
    rig.tree().lock().clear_subtree(machine.root().id(), PeFlags::KEEP, eeh_pe::Passed::Include);
    rig.unplug(VF);
    rig.unplug(0x0100);
    // That of the virtual function was empty, and nobody looked.
    rig.tree().lock().remove_empty(machine.root().id(), rig.now());
}

/// A driver is bound when the others have heard of the error.
fn bind_late(rig: &Rig) {
    if let Some(device) = rig.device(0x0100) {
        let _ = rig.tree().lock().change_device(device, DeviceFlags::NO_HANDLER, DeviceFlags::empty());
    }
}

/// One recovery with answers by the dice; the rows it took.
fn play(seed: u64, rows: &mut BTreeSet<(Phase, Cue)>) {
    let mut dice = Dice(seed, Dead::Nothing, false);
    // Half of the games go well but for what is dead.
    dice.2 = dice.roll(2) == 0;
    dice.1 = dice.pick(&[Dead::Nothing, Dead::Nothing, Dead::Link, Dead::Device, Dead::Card]);
    let mut functions = single(aware("nvme"));
    functions.push(virtual_function(VF, 0x1fc, 0x0100, unaware("nvme")));
    let rig = Rig::new(functions);
    let root = if dice.roll(4) == 0 { rig.tree().phb_pe().unwrap() } else { rig.pe(0x1fd).unwrap() };
    let root = rig.registry.get(root).unwrap();
    let mut machine = match dice.roll(10) {
        0 => Recovery::dead(root, 1),
        1..3 => Recovery::requested(root, 1, ask(&mut dice)),
        _ => Recovery::new(root, 1, Duration::from_secs(dice.roll(3)), dice.roll(4) == 0),
    };
    let mut now = Time::ZERO;
    for _ in 0..3000 {
        let poll = machine.poll(now);
        rows.extend(machine.moved());
        match poll {
            Poll::Over => return,
            Poll::Say(_) => {
                // Few games get as far as adding back, and that begins with one note.
                let few = matches!(machine.phase(), Phase::AddBack | Phase::AddVfs);
                let sides = if few { 10 } else { 300 };
                if dice.roll(sides) == 0 {
                    remove(&rig, &machine);
                }
            }
            Poll::Wait { until, .. } => {
                now = until;
                // Links and devices are waited for a hundred times, the pause once.
                let sides = if machine.phase() == Phase::Pause { 10 } else { 500 };
                if dice.roll(sides) == 0 {
                    assert!(machine.handle(Input::Cancel, now));
                } else if machine.phase() == Phase::Pause && dice.roll(10) == 0 {
                    remove(&rig, &machine);
                }
            }
            Poll::Answer => panic!("seed {seed}: an answer was refused"),
            Poll::Act(action) => {
                if matches!(action, Action::BeginReset { .. }) && dice.roll(3) == 0 {
                    bind_late(&rig);
                }
                let sides = if machine.phase() == Phase::AddVfs { 15 } else { 150 };
                let input = match dice.roll(sides) {
                    0 => Input::Cancel,
                    1 => {
                        remove(&rig, &machine);
                        answer(&rig, &machine, action, &mut dice, now)
                    }
                    _ => answer(&rig, &machine, action, &mut dice, now),
                };
                assert!(machine.handle(input, now), "seed {seed}: {action:?} answered by {input:?}");
            }
        }
        rows.extend(machine.moved());
    }
    panic!("seed {seed}: it never ends, in {:?}", machine.phase());
}

/// What 20,000 recoveries took.
fn rows() -> &'static BTreeSet<(Phase, Cue)> {
    static ROWS: OnceLock<BTreeSet<(Phase, Cue)>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let mut rows = BTreeSet::new();
        for seed in 0..20_000 {
            play(seed, &mut rows);
        }
        rows
    })
}

#[test]
fn every_row_of_the_table_is_taken() {
    let rows = rows();
    let table: BTreeSet<(Phase, Cue)> = Phase::ALL
        .into_iter()
        .flat_map(|phase| Cue::ALL.into_iter().map(move |cue| (phase, cue)))
        .filter(|&(phase, cue)| next(phase, cue).is_some())
        .collect();
    let never: Vec<_> = table.difference(rows).collect();
    assert!(never.is_empty(), "rows that nothing takes: {never:?}");
}

/// Hotplug does not take a PE that is marked KEEP; should it go after all, nothing is done to what may be
/// somebody else's by then.
#[test]
fn a_kept_pe_that_goes_all_the_same_is_released() {
    let rows = rows();
    for phase in [Phase::RemoveLate, Phase::Pause, Phase::ReportReset, Phase::AddVfs] {
        assert_eq!(next(phase, Cue::PeGone), Some(Phase::Release));
        assert!(rows.contains(&(phase, Cue::PeGone)), "{phase:?}");
    }
}
