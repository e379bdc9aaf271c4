// SPDX-License-Identifier: GPL-2.0-or-later
//! Firmware that answers what PAPR does not define, in each call and of each class: the PE stays safe,
//! the log has the raw value, recoveries end, nobody else is concerned, and a firmware that comes to its
//! senses finds everything as it should be.

mod common;

use common::{Done, Scenario, address, breaks, ms, removes};
use eeh_recovery::{FirmwareError, FirmwareEvent, What};
use test_utils::drivers::NotWorking;
use test_utils::engine::{Fate, Fault};
use test_utils::linux::FirmwareKind;
use test_utils::rtas::{Lie, Named};

const NVME: &str = "0002:03:00.0";
const NIC: &str = "0002:04:00.0";
const OTHER: &str = "0003:01:00.0";

/// Status words that no call of these defines: beyond every range, between them, and of other calls.
const NONSENSE: [i32; 12] =
    [2, 9000, 9899, 9906, 1 << 30, i32::MAX, -6, -9001, -9003, -10_000, i32::MIN, i32::MIN + 1];
/// Busy for ever.
const STORMS: [i32; 7] = [-2, 9900, 9901, 9902, 9903, 9904, 9905];

fn pseries() -> Scenario {
    Scenario::on("powernv10").firmware(FirmwareKind::pseries())
}

/// A device breaks while firmware tells `lie`.
fn with(lie: &Lie) -> Done {
    let scenario = pseries().at(ms(10), breaks(NVME));
    let linux = scenario.boot();
    linux.rtas().expect("pSeries").tell(lie.clone());
    scenario.run_on(linux)
}

/// Nobody but the device was concerned, and when firmware is itself again so is everything: the card is
/// replaced, breaks, and is recovered.
fn assert_safe(lie: &Lie, done: Done) {
    let log = done.log();
    assert_eq!(done.run.stuck, 0, "{lie:?}\n{log}");
    assert!(done.run.log.len() < 2000, "{lie:?}: {} lines", done.run.log.len());
    for device in done.run.devices.iter().filter(|d| (d.phb, d.bdf) != at(NVME)) {
        assert_eq!(device.fate, Fate::Untouched, "{lie:?} {device:?}\n{log}");
    }
    let gone = matches!(done.fate(NVME), Fate::WorksAgain | Fate::Failed(NotWorking::Gone));
    let isolated = matches!(done.fate(NVME), Fate::Failed(_));
    assert!(gone || isolated, "{lie:?}\n{log}");
    done.linux.rtas().expect("pSeries").repent();
    let (phb, bdf) = at(NVME);
    let again = pseries()
        .at(ms(10), Fault::Pull(phb, bdf))
        .at(ms(1000), Fault::Push(phb, bdf))
        .at(ms(5000), breaks(NVME))
        .at(ms(20_000), breaks(NIC))
        .run_on(done.linux);
    for device in [NVME, NIC] {
        let (phb, bdf) = at(device);
        assert_eq!(again.linux.works(phb, bdf), Ok(()), "{lie:?} {device}\n{log}\nthen\n{}", again.log());
    }
    assert_eq!(again.count("EEH: Recovery successful."), 2, "{lie:?}\n{log}\nthen\n{}", again.log());
    again.assert_clean();
}

fn at(device: &str) -> (u32, eeh_pe::Bdf) {
    let at = address(device);
    (at.phb, at.bdf)
}

/// How often the raw value is in the log, as the error has it: never twice in one recovery.
fn told(done: &Done, value: i64) -> usize {
    let mut seen = Vec::new();
    for (_, event) in &done.run.events {
        if let What::Firmware(FirmwareEvent::CallFailed(error @ FirmwareError::Garbage { .. })) = event.what {
            let this = (event.phb, event.recovery, error);
            assert!(!seen.contains(&this), "{error} is told twice\n{}", done.log());
            seen.push(this);
        }
    }
    done.count(&format!("answered {value}, which is outside its specification"))
}

/// The calls that a recovery makes.
const RECOVERY: [Named; 7] = [
    Named::SetEehOption,
    Named::SetSlotReset,
    Named::ReadState,
    Named::Configure,
    Named::ErrorDetail,
    Named::ReadConfig,
    Named::WriteConfig,
];

#[test]
fn a_status_outside_the_specification_is_told_and_leaves_everything_safe() {
    for call in RECOVERY {
        for status in NONSENSE {
            let lie = Lie::status(call, status);
            let done = with(&lie);
            let times = told(&done, status.into());
            assert!((1..=8).contains(&times), "{call:?} {status}: {times}\n{}", done.log());
            assert_safe(&lie, done);
        }
    }
}

#[test]
fn a_status_that_is_nonsense_once_is_survived() {
    for call in RECOVERY {
        for after in 0..4 {
            let lie = Lie::status(call, 4711).only(1).after(after);
            let done = with(&lie);
            assert!(told(&done, 4711) <= 1, "{call:?} {after}\n{}", done.log());
            assert_safe(&lie, done);
        }
    }
}

#[test]
fn a_storm_of_busy_answers_ends() {
    for call in RECOVERY {
        for status in STORMS {
            let lie = Lie::status(call, status);
            let done = with(&lie);
            let rtas = done.linux.rtas().expect("pSeries");
            let calls = rtas.calls(call);
            assert!(calls < 100_000, "{call:?} {status}: called {calls} times");
            assert_safe(&lie, done);
        }
    }
}

#[test]
fn states_that_papr_does_not_know_leave_the_pe_safe() {
    for (words, raw) in [
        ([3, 1, 0], Some(3)),
        ([6, 1, 0], Some(6)),
        ([u32::MAX, 1, 0], Some(i64::from(u32::MAX))),
        ([0, 2, 0], Some(2)),
        ([2, 1 << 31, 0], Some(1 << 31)),
        ([5, 1, 1 << 31], None),
        ([5, 1, u32::MAX], None),
        ([5, 7, 1], None),
        ([1, 1, 0], None),
        ([2, 0, 0], None),
    ] {
        let lie = Lie::words(Named::ReadState, words);
        let done = with(&lie);
        if let Some(raw) = raw {
            assert!((1..=8).contains(&told(&done, raw)), "{words:?}\n{}", done.log());
        }
        assert!(matches!(done.fate(NVME), Fate::Failed(_)), "{words:?}\n{}", done.log());
        assert_safe(&lie, done);
    }
}

#[test]
fn a_wait_of_weeks_is_not_waited_for() {
    // 2^31 ms are 24 days.
    let done = with(&Lie::words(Named::ReadState, [5, 1, 1 << 31]));
    let took = done.run.recoveries.iter().filter_map(|r| r.duration()).max().expect("one");
    assert!(took < core::time::Duration::from_secs(3600), "{took:?}\n{}", done.log());
}

#[test]
fn logs_that_are_none_are_told_and_change_nothing() {
    let huge = [6, 0x94, 0, 0xe0, 0x80, 0, 0, 0];
    for log in [vec![], vec![0xff; 7], huge.to_vec(), vec![0xff; 4096]] {
        let lie = Lie { log, ..Lie::status(Named::ErrorDetail, 0) };
        let done = with(&lie);
        assert_eq!(done.fate(NVME), Fate::WorksAgain, "{lie:?}\n{}", done.log());
        assert!(done.count("RTAS: ") <= 2, "{}", done.log());
        assert_safe(&lie, done);
    }
}

#[test]
fn a_device_whose_pe_cannot_be_told_works_without_eeh_and_one_line_says_so() {
    let lies = [
        Lie::status(Named::GetMode, 4711),
        Lie::status(Named::GetAddress, 4711),
        Lie::status(Named::GetMode, 9902),
        Lie::words(Named::GetMode, [3, 0, 0]),
        Lie::words(Named::GetAddress, [0xff00_0000, 0, 0]),
        Lie::words(Named::GetAddress, [u32::MAX, 0, 0]),
        Lie::status(Named::SetEehOption, 4711),
    ];
    for lie in lies {
        let scenario =
            pseries().at(ms(10), removes(OTHER)).at(ms(1000), Fault::Rescan(3)).at(ms(5000), breaks(NIC));
        let linux = scenario.boot();
        linux.rtas().expect("pSeries").tell(lie.clone());
        let done = scenario.run_on(linux);
        let (phb, bdf) = at(OTHER);
        assert_eq!(done.linux.works(phb, bdf), Ok(()), "{lie:?}\n{}", done.log());
        assert_eq!(done.linux.device(phb, bdf).expect("there").eeh(), None, "{lie:?}");
        let line = format!("EEH: {OTHER} works without EEH");
        assert_eq!(done.count(&line), 1, "{lie:?}\n{}", done.log());
    }
}

#[test]
fn a_pe_number_that_is_nobodys_harms_nobody() {
    // It fits a configuration address, but no function is there.
    let scenario = pseries().at(ms(10), removes(OTHER)).at(ms(1000), Fault::Rescan(3));
    let linux = scenario.boot();
    linux.rtas().expect("pSeries").tell(Lie::words(Named::GetAddress, [0x00ee_0000, 0, 0]));
    let done = scenario.run_on(linux);
    done.linux.rtas().expect("pSeries").repent();
    let again = pseries().at(ms(10), breaks(OTHER)).at(ms(9000), breaks(NIC)).run_on(done.linux);
    let (phb, bdf) = at(NIC);
    assert_eq!(again.linux.works(phb, bdf), Ok(()), "{}", again.log());
    assert_eq!(again.run.stuck, 0, "{}", again.log());
}

#[test]
fn two_calls_that_talk_nonsense_by_turns_are_told_once_each() {
    let scenario = pseries().at(ms(10), breaks(NVME));
    let linux = scenario.boot();
    for (call, status) in [(Named::SetSlotReset, 4711), (Named::SetEehOption, 4712), (Named::Configure, 4713)]
    {
        linux.rtas().expect("pSeries").tell(Lie::status(call, status));
    }
    let done = scenario.run_on(linux);
    for status in [4711, 4712, 4713] {
        assert!((1..=2).contains(&told(&done, status)), "{status}\n{}", done.log());
    }
}
