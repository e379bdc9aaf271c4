// SPDX-License-Identifier: GPL-2.0-or-later
//! OPAL that answers outside its specification, in each call and of each class, on the simulated machine: the PE
//! stays safe, the log has the raw value once in each recovery, recoveries end, nobody else is concerned.

mod common;

use common::{Done, Scenario, address, breaks, ms};
use eeh_powernv::opal::NextErrorOut;
use eeh_recovery::{FirmwareError, FirmwareEvent, What};
use test_utils::engine::{Fate, Fault};
use test_utils::opal::{Lie, Named};

const NVME: &str = "0002:03:00.0";
const NIC: &str = "0002:04:00.0";

/// Codes that no call answers: beyond every range, between them, a wait of 2^31 ms and of ages.
const NONSENSE: [i64; 8] = [-3, -1000, -9999, i64::MIN, 1 << 31, 1 << 40, i64::MAX, -2_147_483_648];

/// The calls that a recovery of the disk makes; resets of slots are the next device's.
const RECOVERY: [Named; 5] =
    [Named::FreezeStatus, Named::FreezeClear, Named::PhbDiag, Named::ConfigRead, Named::ConfigWrite];

/// The device below a root port, whose reset is firmware's.
const BELOW_ROOT: &str = "0001:01:00.0";

fn at(device: &str) -> (u32, eeh_pe::Bdf) {
    let at = address(device);
    (at.phb, at.bdf)
}

/// A device breaks while firmware tells `lie`.
fn with(device: &str, lie: Lie) -> Done {
    let scenario = Scenario::on("powernv10").at(ms(10), breaks(device));
    let linux = scenario.boot();
    linux.opal().expect("PowerNV").tell(lie);
    scenario.run_on(linux)
}

/// The code that an error tells.
const fn code(error: FirmwareError) -> Option<i64> {
    match error {
        FirmwareError::Garbage { code, .. } | FirmwareError::Failed { code, .. } => Some(code),
        FirmwareError::Missing { .. } | FirmwareError::Unfinished { .. } => None,
    }
}

/// The raw values that were told: nonsense never twice in one recovery.
fn told(done: &Done) -> Vec<i64> {
    let mut seen = Vec::new();
    for (_, event) in &done.run.events {
        let What::Firmware(FirmwareEvent::CallFailed(error)) = event.what else { continue };
        let Some(raw) = code(error) else { continue };
        let twice = seen.contains(&(event.phb, event.recovery, error));
        assert!(!twice || matches!(error, FirmwareError::Failed { .. }), "{error}: twice\n{}", done.log());
        seen.push((event.phb, event.recovery, error));
        assert!(done.says(&raw.to_string()), "{raw} is not in the log\n{}", done.log());
    }
    seen.into_iter().filter_map(|(.., error)| code(error)).collect()
}

/// Nobody else was concerned, and the broken one works or is left alone.
fn assert_alone(device: &str, lie: &Lie, done: &Done) {
    let log = done.log();
    assert_eq!(done.run.stuck, 0, "{lie:?}\n{log}");
    assert!(done.run.log.len() < 2000, "{lie:?}: {} lines", done.run.log.len());
    let (phb, _) = at(device);
    for other in done.run.devices.iter().filter(|d| d.phb != phb) {
        assert_eq!(other.fate, Fate::Untouched, "{lie:?} {other:?}\n{log}");
    }
    let there = matches!(done.fate(device), Fate::WorksAgain | Fate::Failed(_));
    assert!(there, "{lie:?}: {:?}\n{log}", done.fate(device));
}

/// The same, and when firmware is itself again so is everything.
fn assert_safe(device: &str, lie: &Lie, done: Done) {
    assert_alone(device, lie, &done);
    let (log, (phb, bdf)) = (done.log(), at(device));
    done.linux.opal().expect("PowerNV").repent();
    let again = Scenario::on("powernv10")
        .at(ms(10), Fault::Pull(phb, bdf))
        .at(ms(1000), Fault::Push(phb, bdf))
        .at(ms(20_000), breaks(device))
        .run_on(done.linux);
    let works = again.linux.works(phb, bdf);
    assert_eq!(works, Ok(()), "{lie:?}\n{log}\nthen\n{}", again.log());
}

#[test]
fn a_code_outside_the_specification_is_told_once_and_leaves_everything_safe() {
    for call in RECOVERY {
        for code in NONSENSE {
            let lie = Lie::code(call, code);
            let done = with(NVME, lie);
            assert!(told(&done).contains(&code), "{call:?} {code}: {:?}\n{}", told(&done), done.log());
            assert_safe(NVME, &lie, done);
        }
    }
}

#[test]
fn a_reset_that_answers_nonsense_or_waits_for_ever_is_a_failed_one() {
    for call in [Named::Reset, Named::Poll] {
        for code in NONSENSE {
            let lie = Lie::code(call, code);
            let done = with(BELOW_ROOT, lie);
            assert!(told(&done).contains(&code), "{call:?} {code}: {:?}\n{}", told(&done), done.log());
            let took = done.run.recoveries.iter().filter_map(|r| r.duration()).max().expect("one");
            assert!(took < core::time::Duration::from_secs(3600), "{took:?}\n{}", done.log());
            assert!(matches!(done.fate(BELOW_ROOT), Fate::Failed(_)), "{call:?} {code}\n{}", done.log());
            // A line that polls were to release stays as they left it.
            assert_alone(BELOW_ROOT, &lie, &done);
        }
    }
}

#[test]
fn a_code_that_is_nonsense_once_is_survived() {
    for call in RECOVERY {
        for after in 0..4 {
            let lie = Lie::code(call, -4711).only(1).after(after);
            let done = with(NVME, lie);
            assert!(told(&done).iter().filter(|raw| **raw == -4711).count() <= 1, "{}", done.log());
            assert_safe(NVME, &lie, done);
        }
    }
}

#[test]
fn states_that_opal_does_not_know_leave_the_pe_isolated() {
    for (lie, raw) in [
        (Lie::state(7, 0), 7),
        (Lie::state(0xff, 0), 0xff),
        (Lie::state(0, 6), 6),
        (Lie::state(0, 0xffff), 0xffff),
    ] {
        let done = with(NVME, lie);
        assert!(told(&done).contains(&raw), "{lie:?}: {:?}\n{}", told(&done), done.log());
        assert!(matches!(done.fate(NVME), Fate::Failed(_)), "{lie:?}\n{}", done.log());
        assert_safe(NVME, &lie, done);
    }
}

#[test]
fn errors_of_pes_that_cannot_be_are_nobodys() {
    for first_frozen_pe in [512, 1 << 16, 1 << 32, u64::MAX] {
        for pci_error_type in 3..=5 {
            let next = NextErrorOut { first_frozen_pe, pci_error_type, severity: 4 };
            let lie = Lie::error(next, 3);
            // Somebody has to be asked: an interrupt of another device.
            let (phb, bdf) = at(NIC);
            let scenario = Scenario::on("powernv10").at(ms(10), Fault::Freeze(phb, bdf));
            let linux = scenario.boot();
            linux.opal().expect("PowerNV").tell(lie);
            let done = scenario.run_on(linux);
            assert_eq!(done.fate(NVME), Fate::Untouched, "{lie:?}\n{}", done.log());
            assert!(told(&done).len() <= 3, "{lie:?}\n{}", done.log());
            assert!(done.linux.opal().expect("PowerNV").calls(Named::NextError) < 1000);
        }
    }
}

#[test]
fn data_that_are_none_are_printed_without_harm() {
    for fill in [0, 1, 0x7f, 0xff] {
        let lie = Lie { fill, ..Lie::code(Named::PhbDiag, 0) };
        let done = with(NVME, lie);
        assert_eq!(done.fate(NVME), Fate::WorksAgain, "{fill:x}\n{}", done.log());
        assert_safe(NVME, &lie, done);
    }
}
