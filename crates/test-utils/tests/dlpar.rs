// SPDX-License-Identifier: GPL-2.0-or-later
//! Slots and whole PHBs leave a partition and join it, also in the middle of a recovery.

mod common;

use common::{Scenario, address, breaks, ms};
use eeh_pe::Bdf;
use eeh_recovery::{Outcome, Phase};
use test_utils::engine::{Engine, Fate, Fault, Planned, Run};
use test_utils::linux::{FirmwareKind, HotplugError, SimLinux, Wish};
use test_utils::rtas::Sense;

const NVME: &str = "0002:03:00.0";
/// The switch that the disk is behind.
const SWITCH: &str = "0002:01:00.0";

fn at(device: &str) -> (u32, Bdf) {
    let at = address(device);
    (at.phb, at.bdf)
}

fn pseries() -> Scenario {
    Scenario::on("powernv10").firmware(FirmwareKind::pseries())
}

fn removes_slot(device: &str) -> Fault {
    let (phb, bdf) = at(device);
    Fault::RemoveSlot(phb, bdf)
}

fn adds_slot(device: &str) -> Fault {
    let (phb, bdf) = at(device);
    Fault::AddSlot(phb, bdf)
}

fn sense(linux: &SimLinux, device: &str) -> Option<Sense> {
    let (phb, bdf) = at(device);
    linux.rtas().expect("pSeries").honest().sense_slot(phb, bdf)
}

#[test]
fn a_slot_that_left_takes_its_devices_along_and_brings_them_back() {
    for slot in [NVME, SWITCH] {
        let gone = pseries().at(ms(10), removes_slot(slot)).run();
        let (phb, bdf) = at(NVME);
        assert_eq!(sense(&gone.linux, NVME), Some(Sense::Unusable), "{slot}");
        assert_eq!(gone.linux.device(phb, bdf).err(), Some(HotplugError::NoDevice(phb, bdf)));
        assert_eq!(gone.fate(NVME), Fate::Removed);
        assert!(gone.run.recoveries.is_empty(), "{}", gone.log());
        gone.assert_clean();
        let back = pseries().at(ms(10), adds_slot(slot)).at(ms(5000), breaks(NVME)).run_on(gone.linux);
        assert_eq!(sense(&back.linux, NVME), Some(Sense::Present), "{slot}");
        assert_eq!(back.linux.works(phb, bdf), Ok(()), "{slot}\n{}", back.log());
        assert_eq!(back.count("EEH: Recovery successful."), 1, "{slot}\n{}", back.log());
        back.assert_clean();
    }
}

#[test]
fn a_slot_can_leave_and_join_again_in_any_phase_of_its_recovery() {
    for phase in Phase::ALL {
        for slot in [NVME, SWITCH] {
            let linux = pseries().boot();
            let start = linux.now();
            let run = {
                let mut engine = Engine::new(&linux).expect("virtual time");
                engine.plan(Planned { at: start.after(ms(10)), fault: breaks(NVME) });
                engine.plan_in(phase, core::time::Duration::ZERO, removes_slot(slot));
                engine.plan(Planned { at: start.after(ms(60_000)), fault: adds_slot(slot) });
                engine.plan(Planned { at: start.after(ms(70_000)), fault: breaks(NVME) });
                engine.run(start.after(ms(10_000_000))).expect("it gets on")
            };
            let (number, bdf) = at(NVME);
            let log = common::text(&run);
            assert_eq!(linux.works(number, bdf), Ok(()), "{phase:?} {slot}\n{log}");
            assert_eq!(last(&run), Some(Outcome::Recovered), "{phase:?} {slot}\n{log}");
            common::Done { linux, run, start }.assert_clean();
        }
    }
}

fn last(run: &Run) -> Option<Outcome> {
    run.recoveries.last().and_then(|recovery| recovery.ended).map(|(_, outcome)| outcome)
}

#[test]
fn a_slot_that_leaves_while_its_owner_has_it_comes_back_as_the_hosts() {
    let (phb, bdf) = at(NVME);
    let done = pseries()
        .driver(NVME, "none")
        .at(ms(10), Fault::Wish(phb, bdf, Wish::Open))
        .at(ms(1000), Fault::Freeze(phb, bdf))
        .at(ms(2000), removes_slot(NVME))
        .at(ms(5000), adds_slot(NVME))
        .run();
    assert_eq!(done.linux.works(phb, bdf), Ok(()), "{}", done.log());
    done.assert_clean();
}

#[test]
fn whole_phbs_leave_and_join_in_the_middle_of_a_recovery() {
    for at_ms in [10, 40, 200, 1000, 1500, 1800] {
        let (phb, bdf) = at(NVME);
        let done = pseries()
            .at(ms(10), breaks(NVME))
            .at(ms(10 + at_ms), Fault::RemovePhb(phb))
            .at(ms(20_000), Fault::AddPhb(phb))
            .at(ms(30_000), breaks(NVME))
            .run();
        assert_eq!(done.linux.works(phb, bdf), Ok(()), "{at_ms}\n{}", done.log());
        assert_eq!(last(&done.run), Some(Outcome::Recovered), "{at_ms}\n{}", done.log());
        done.assert_clean();
    }
}

#[test]
fn what_cannot_be_had_or_given_back_is_refused() {
    let (phb, bdf) = at(NVME);
    // Once more than there is something to be removed or added; and without a partition.
    let twice = pseries().at(ms(10), adds_slot(NVME)).at(ms(20), removes_slot("0002:1f:00.0")).run();
    assert_eq!(twice.linux.works(phb, bdf), Ok(()));
    assert!(twice.run.devices.iter().all(|device| device.fate == Fate::Untouched));
    let powernv = Scenario::on("powernv10").at(ms(10), adds_slot(NVME)).run();
    assert!(powernv.run.devices.iter().all(|device| device.fate == Fate::Untouched));
}
