// SPDX-License-Identifier: GPL-2.0-or-later
//! Two PEs with one hardware number: one that was removed in the middle of a recovery, which holds it, and the
//! one that came to its place.

mod common;

use core::cell::RefCell;
use core::time::Duration;

use common::{Done, Scenario, address, both, breaks, ms};
use eeh_pe::{Bdf, OrphanKind, PeFlags, PeNumber};
use eeh_recovery::{Handler, Outcome, Phase, Progress, What};
use test_utils::engine::{Engine, Fault, Planned};
use test_utils::linux::SimLinux;

/// The numbers that a removed PE and a live one have, with the marks of the live one.
fn twice(linux: &SimLinux, phb: u32) -> Vec<(PeNumber, PeFlags)> {
    let phb = linux.phb(phb).expect("it is there");
    let tree = || linux.registry().tree(phb.tree()).expect("it is there");
    let removed: Vec<_> = tree()
        .orphans(linux.now())
        .filter_map(|orphan| match orphan.kind {
            OrphanKind::Pe(number) => Some(number),
            OrphanKind::Device(_) => None,
        })
        .collect();
    let tree = tree();
    let guard = tree.lock();
    removed.into_iter().filter_map(|number| guard.find(number).map(|pe| (number, pe.flags()))).collect()
}

/// Runs while somebody holds the PE that `device` has `since`, with a look at its PHB as soon as the last
/// phase in which drivers are called begins.
fn run(
    scenario: &Scenario,
    (device, since): (&str, Duration),
    plan: &[(Option<Phase>, Duration, Fault)],
) -> (Done, Vec<(PeNumber, PeFlags)>) {
    let (linux, at) = (scenario.boot(), address(device));
    let start = linux.now();
    let seen = RefCell::new(Vec::new());
    let run = {
        let (held, registry) = (RefCell::new(None), linux.registry());
        let mut engine = Engine::new(&linux).expect("virtual time");
        for &(phase, after, fault) in plan {
            match phase {
                Some(phase) => engine.plan_in(phase, after, fault),
                None => engine.plan(Planned { at: start.after(after), fault }),
            }
        }
        let hold = |linux: &SimLinux| {
            let id = linux.device(at.phb, at.bdf).expect("it is there").eeh().expect("EEH knows it");
            let pe = linux.registry().peek_device(id).expect("live").pe;
            *held.borrow_mut() = registry.get(pe);
        };
        engine.plan_call(None, since, Box::new(hold));
        let look = |linux: &SimLinux| *seen.borrow_mut() = twice(linux, at.phb);
        engine.plan_call(Some(Phase::ReportResume.into()), Duration::ZERO, Box::new(look));
        let run = engine.run(start.after(Duration::from_secs(10_000))).expect("it gets on");
        let removed = held.into_inner().is_some_and(|pe| !pe.is_live());
        assert!(removed, "it is never removed\n{}", common::text(&run));
        run
    };
    (Done { linux, run, start }, seen.into_inner())
}

/// Whether a driver of the device was called in the first recovery, but to be told of the freeze.
fn called(done: &Done, bdf: Bdf) -> bool {
    let over = |what: &What| matches!(what, What::Progress(Progress::Ended(_)));
    let first = done.run.events.iter().take_while(|(_, event)| !over(&event.what));
    let mut calls = first.filter_map(|(_, event)| match (event.subject, event.what) {
        (
            eeh_recovery::Subject::Device(at, _),
            What::Device(eeh_recovery::DeviceEvent::Invoking(_, handler)),
        ) => (at == bdf).then_some(handler),
        _ => None,
    });
    calls.any(|handler| !matches!(handler, Handler::ErrorDetected(_)))
}

fn assert_successor(done: &Done, seen: &[(PeNumber, PeFlags)], device: &str) {
    let at = address(device);
    assert!(!seen.is_empty(), "this is what the test is about\n{}", done.log());
    for (number, flags) in seen {
        assert!(flags.contains(PeFlags::RECOVERING), "{number} was born without the marks: {flags:?}");
    }
    assert!(
        !called(done, at.bdf),
        "it is called by a recovery that began before it was there\n{}",
        done.log()
    );
    let ends: Vec<_> = done.run.recoveries.iter().filter_map(|r| r.ended.map(|(_, end)| end)).collect();
    assert_eq!(ends, [Outcome::Recovered, Outcome::Recovered], "{}", done.log());
    assert_eq!(done.linux.works(at.phb, at.bdf), Ok(()), "{}", done.log());
    done.assert_healthy();
}

#[test]
fn a_device_that_is_found_again_during_its_phbs_recovery_has_the_number_of_a_removed_one() {
    const NVME: &str = "0002:03:00.0";
    let at = address(NVME);
    let scenario = Scenario::on("powernv10").driver("0002:04:00.0", "slow=5s");
    let (done, seen) = run(
        &scenario,
        (NVME, ms(1)),
        &[
            (None, ms(10), Fault::Fence(2)),
            (Some(Phase::ReportFrozen), ms(1000), Fault::Remove(at.phb, at.bdf)),
            (Some(Phase::ReportReset), ms(1000), Fault::Rescan(at.phb)),
            (None, ms(60_000), breaks(NVME)),
        ],
    );
    assert_eq!(seen.len(), 1);
    assert_successor(&done, &seen, NVME);
}

#[test]
fn virtual_functions_that_come_again_in_a_callback_have_the_numbers_of_removed_ones() {
    const PF: &str = "0003:01:00.0";
    const VF: &str = "0003:01:10.0";
    let pf = address(PF);
    for firmware in both() {
        let scenario =
            Scenario::on("powernv10").firmware(firmware).driver(PF, "vfs=error_detected,vfs=slot_reset");
        let vf = address(VF);
        let (done, seen) = run(
            &scenario,
            (VF, ms(1500)),
            &[
                (None, ms(10), Fault::WriteNumVfs(pf.phb, pf.bdf)),
                (None, ms(2000), breaks(PF)),
                (None, ms(60_000), Fault::Freeze(vf.phb, vf.bdf)),
            ],
        );
        assert_eq!(seen.len(), 1, "{firmware:?}: {seen:?}");
        assert_successor(&done, &seen, VF);
    }
}
