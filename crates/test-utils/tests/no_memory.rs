// SPDX-License-Identifier: GPL-2.0-or-later
//! Storage that cannot be had, every reservation, one at a time: what it was for works without EEH, one line
//! says so, and all else is as ever.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::both;
use eeh_pe::Bdf;
use test_utils::drivers::NotWorking;
use test_utils::engine::{Engine, Fault, Planned};
use test_utils::linux::{FirmwareKind, Options, SimDevice, SimEnv, SimLinux};
use test_utils::topology::{MachineSpec, Synthetic, synthetic};

fn machine(phbs: u32, functions: u32) -> MachineSpec {
    synthetic(&Synthetic { phbs, functions, seed: 0 }).expect("a machine")
}

fn boot(machine: &MachineSpec, firmware: FirmwareKind) -> SimLinux {
    SimLinux::boot(machine, &Options { firmware, ..Options::default() })
        .expect("it boots whatever is missing")
}

/// How many reservations `f` makes.
fn counted(f: impl FnOnce()) -> u32 {
    let before = SimEnv::reservations();
    f();
    SimEnv::reservations() - before
}

/// The lines that tell of something without EEH.
fn lines(linux: &SimLinux) -> Vec<String> {
    let all = linux.console().take().into_iter().map(|line| line.text);
    all.filter(|text| text.contains("without EEH") || text.contains("EEH: initialization failure")).collect()
}

/// The devices that EEH knows; others have no PE.
fn known(linux: &SimLinux) -> BTreeSet<(u32, Bdf)> {
    let all = linux.phbs().into_iter().flat_map(|phb| phb.devices());
    all.filter(|device| device.eeh().is_some()).map(|device| (device.phb_number(), device.bdf())).collect()
}

/// What the one line is about, and whether as many devices are without EEH as it says; `all` could have it.
fn what_is_lost(linux: &SimLinux, all: &BTreeSet<(u32, Bdf)>, nth: u32) -> &'static str {
    let lines = lines(linux);
    let [line] = lines.as_slice() else { panic!("reservation {nth}: {lines:?}") };
    for device in linux.phbs().into_iter().flat_map(|phb| phb.devices()) {
        assert_eq!(linux.works(device.phb_number(), device.bdf()), Ok(()), "reservation {nth}: {device}");
    }
    let lost: BTreeSet<_> = all.difference(&known(linux)).copied().collect();
    if line.contains("initialization failure") {
        assert_eq!(lost, *all, "reservation {nth}: {line}");
        return "everything";
    }
    let (phb, _) = *lost.first().expect("something is lost");
    if line.contains("PHB#") {
        let of_phb: BTreeSet<_> = all.iter().filter(|(of, _)| *of == phb).copied().collect();
        assert_eq!(lost, of_phb, "reservation {nth}: {line}");
        return "a PHB";
    }
    assert_eq!(lost.len(), 1, "reservation {nth}: {line}");
    "a device"
}

#[test]
fn every_reservation_of_a_boot_may_fail_and_the_machine_works() {
    // Enough functions for more than one piece of a tree's memory.
    let machine = machine(2, 150);
    for firmware in both() {
        let mut all = BTreeSet::new();
        let reservations = counted(|| all = known(&boot(&machine, firmware)));
        let mut found = BTreeMap::new();
        for nth in 1..=reservations {
            SimEnv::refuse_nth(Some(nth));
            let linux = boot(&machine, firmware);
            assert!(!SimEnv::refuse_nth(None), "reservation {nth} of {reservations} was never made");
            *found.entry(what_is_lost(&linux, &all, nth)).or_insert(0) += 1;
        }
        // Each kind of loss was met, and nothing else.
        assert!(["a PHB", "a device", "everything"].iter().all(|what| found.contains_key(what)), "{found:?}");
        assert_eq!(found.values().sum::<u32>(), reservations, "{found:?}");
    }
}

/// The first two devices that can be broken, of one PHB each.
fn one_of_each(linux: &SimLinux) -> [std::sync::Arc<SimDevice>; 2] {
    [0, 1].map(|phb| {
        let devices = linux.phb(phb).expect("it is there").devices();
        let mut able = devices.into_iter().filter(|d| linux.can_break(phb, d.bdf()).is_ok());
        able.find(|device| device.driver().is_some()).expect("a device that can break")
    })
}

#[test]
fn errors_of_what_is_without_eeh_are_nobodys_and_the_others_recover() {
    let machine = machine(2, 12);
    for firmware in both() {
        let reservations = counted(|| drop(boot(&machine, firmware)));
        for nth in 1..=reservations {
            SimEnv::refuse_nth(Some(nth));
            let linux = boot(&machine, firmware);
            SimEnv::refuse_nth(None);
            let broken = one_of_each(&linux).map(|device| (device.eeh().is_some(), device));
            let start = linux.now();
            let mut engine = Engine::new(&linux).expect("virtual time");
            for (_, device) in &broken {
                engine.plan(Planned { at: start, fault: Fault::Break(device.phb_number(), device.bdf()) });
            }
            let run = engine.run(start.after(core::time::Duration::from_secs(1000))).expect("it gets on");
            for (known, device) in broken {
                let works = linux.works(device.phb_number(), device.bdf());
                let expected = if known { Ok(()) } else { Err(NotWorking::AllOnes) };
                let log = common::text(&run);
                assert_eq!(works, expected, "reservation {nth}: {device}\n{log}");
            }
        }
    }
}

#[test]
fn a_phb_and_a_device_that_come_later_work_without_eeh_too() {
    let machine = machine(1, 150);
    for firmware in both() {
        let all = known(&boot(&machine, firmware));
        let again = |nth: Option<u32>| {
            let linux = boot(&machine, firmware);
            let spec = std::sync::Arc::new(linux.phb(0).expect("it is there").spec().clone());
            let start = linux.now();
            let mut engine = Engine::new(&linux).expect("virtual time");
            engine.plan(Planned { at: start, fault: Fault::RemovePhb(0) });
            engine.run(start.after(core::time::Duration::from_secs(100))).expect("it gets on");
            let _ = linux.console().take();
            let mut made = 0;
            made += counted(|| {
                SimEnv::refuse_nth(nth);
                now(&linux, linux.add_phb(&spec)).expect("it is added whatever is missing");
                let left = SimEnv::refuse_nth(None);
                assert!(!left, "reservation {nth:?} was never made");
            });
            (linux, made)
        };
        let (_, reservations) = again(None);
        assert!(reservations > 3, "{reservations}");
        for nth in 1..=reservations {
            let (linux, _) = again(Some(nth));
            let lost = what_is_lost(&linux, &all, nth);
            assert_ne!(lost, "everything");
        }
    }
}

/// Runs what no lock stands against, in virtual time.
fn now<F: core::future::Future>(linux: &SimLinux, future: F) -> F::Output {
    linux.virtual_time().expect("virtual").run(future)
}
