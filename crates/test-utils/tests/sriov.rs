// SPDX-License-Identifier: GPL-2.0-or-later
//! Virtual functions: their recovery, and that of their physical function while they come and go.

mod common;

use common::{Done, Scenario, address, breaks, ms};
use eeh_pseries::Services;
use eeh_recovery::{DeviceEvent, Outcome, Phase, What};
use test_utils::engine::{Fate, Fault};
use test_utils::linux::{FirmwareKind, Wish};
use test_utils::rtas::{Behaviour, Lie, Named};

const PF: &str = "0003:01:00.0";
/// First VF Offset 0x80, VF Stride 2.
const VFS: [&str; 2] = ["0003:01:10.0", "0003:01:10.2"];

fn numvfs() -> Fault {
    let at = address(PF);
    Fault::WriteNumVfs(at.phb, at.bdf)
}

fn freeze(text: &str) -> Fault {
    let at = address(text);
    Fault::Freeze(at.phb, at.bdf)
}

fn there(done: &Done, text: &str) -> bool {
    let at = address(text);
    done.linux.device(at.phb, at.bdf).is_ok()
}

fn works(done: &Done, text: &str) -> bool {
    let at = address(text);
    done.linux.works(at.phb, at.bdf).is_ok()
}

fn outcomes(done: &Done) -> Vec<Outcome> {
    done.run.recoveries.iter().filter_map(|r| r.ended.map(|(_, outcome)| outcome)).collect()
}

#[test]
fn virtual_functions_have_pes_below_that_of_their_physical_function() {
    let done = Scenario::on("powernv10").at(ms(10), numvfs()).run();
    let pf = address(PF);
    let registry = done.linux.registry();
    let pe_of = |text: &str| {
        let at = address(text);
        let id = done.linux.device(at.phb, at.bdf).expect("it is there").eeh().expect("EEH knows it");
        registry.peek(registry.peek_device(id).expect("live").pe).expect("live")
    };
    for vf in VFS {
        assert!(works(&done, vf), "{vf}\n{}", done.log());
        assert_eq!(pe_of(vf).parent, Some(pe_of(PF).id));
        assert_ne!(pe_of(vf).number, pe_of(PF).number);
    }
    assert_ne!(pe_of(VFS[0]).number, pe_of(VFS[1]).number);
    assert_eq!(done.linux.device(pf.phb, pf.bdf).expect("it is there").vfs(), 2);
    done.assert_healthy();
}

#[test]
fn a_frozen_virtual_function_is_reset_alone() {
    let done = Scenario::on("powernv10").at(ms(10), numvfs()).at(ms(2000), freeze(VFS[1])).run();
    assert_eq!(outcomes(&done), [Outcome::Recovered], "{}", done.log());
    let hardware = done.linux.hardware(3).expect("it is there");
    let wire = hardware.wire();
    assert_eq!((wire.function, wire.secondary, wire.fundamental), (1, (0, 0), (0, 0)), "{}", done.log());
    assert!(VFS.iter().all(|vf| works(&done, vf)), "{}", done.log());
    assert_eq!(done.fate(PF), Fate::Untouched);
    done.assert_healthy();
}

#[test]
fn an_unaware_virtual_function_is_removed_and_added_as_one() {
    let done = Scenario::on("powernv10")
        .driver(VFS[0], "unaware")
        .at(ms(10), numvfs())
        .at(ms(2000), freeze(VFS[0]))
        .run();
    assert_eq!(outcomes(&done), [Outcome::Recovered], "{}", done.log());
    assert!(VFS.iter().all(|vf| works(&done, vf)), "{}", done.log());
    assert_eq!(done.fate(PF), Fate::Untouched);
    done.assert_healthy();
}

#[test]
fn virtual_functions_are_removed_before_and_added_after_the_recovery_of_their_physical_function() {
    let done = Scenario::on("powernv10")
        .driver(VFS[0], "unaware")
        .at(ms(10), numvfs())
        .at(ms(2000), breaks(PF))
        .run();
    assert_eq!(outcomes(&done), [Outcome::Recovered], "{}", done.log());
    assert_eq!(done.fate(PF), Fate::WorksAgain);
    let at = |wanted: Phase| {
        let phases = &done.run.recoveries[0].phases;
        phases.iter().position(|(phase, _)| *phase == wanted).expect("it came there")
    };
    assert!(at(Phase::RemoveUnaware) < at(Phase::ReportReset) && at(Phase::ReportReset) < at(Phase::AddVfs));
    assert!(at(Phase::AddVfs) < at(Phase::ReportResume));
    assert!(VFS.iter().all(|vf| works(&done, vf)), "{}", done.log());
    let removed = |event: &What| matches!(event, What::Device(DeviceEvent::Removing));
    assert_eq!(done.run.events.iter().filter(|(_, e)| removed(&e.what)).count(), 1);
    done.assert_healthy();
}

#[test]
fn aware_virtual_functions_stay_through_the_recovery_of_their_physical_function() {
    let done = Scenario::on("powernv10").at(ms(10), numvfs()).at(ms(2000), breaks(PF)).run();
    assert_eq!(outcomes(&done), [Outcome::Recovered], "{}", done.log());
    assert!(VFS.iter().all(|vf| works(&done, vf)), "{}", done.log());
    assert!(!done.says("without EEH sensitive driver"), "{}", done.log());
    done.assert_healthy();
}

#[test]
fn hazard_5_11_a_virtual_function_that_gives_up_is_removed_and_nobody_else() {
    let done = Scenario::on("powernv10")
        .driver(VFS[0], "disconnect")
        .at(ms(10), numvfs())
        .at(ms(2000), freeze(VFS[0]))
        .run();
    assert_eq!(outcomes(&done), [Outcome::Failed], "{}", done.log());
    assert!(!there(&done, VFS[0]), "the virtual function stays\n{}", done.log());
    assert!(works(&done, VFS[1]));
    assert_eq!(done.fate(PF), Fate::Untouched);
}

#[test]
fn virtual_functions_with_an_unaware_parent_go_with_it() {
    let done =
        Scenario::on("powernv10").driver(PF, "unaware").at(ms(10), numvfs()).at(ms(2000), breaks(PF)).run();
    assert_eq!(outcomes(&done), [Outcome::Recovered], "{}", done.log());
    assert_eq!(done.fate(PF), Fate::WorksAgain);
    assert!(!VFS.iter().any(|vf| there(&done, vf)), "nobody has switched them on again");
    done.assert_healthy();
}

/// What RTAS was allowed to unfreeze: numbers of virtual functions of PF.
fn allowed(done: &Done) -> Vec<Vec<u16>> {
    let pf = address(PF);
    let all = done.linux.rtas().expect("pSeries").honest().allowed(pf.phb);
    assert!(all.iter().all(|(bdf, _)| *bdf == pf.bdf), "{all:?}");
    all.into_iter().map(|(_, pes)| pes).collect()
}

/// The number that the partition's platform knows a virtual function by.
fn number(done: &Done, vf: &str) -> u16 {
    let at = address(vf);
    let pe = done.linux.hardware(at.phb).and_then(|hw| hw.pe_of(at.bdf)).expect("it is there");
    u16::try_from(pe).expect("a PE number")
}

fn pseries() -> Scenario {
    Scenario::on("powernv10").firmware(FirmwareKind::pseries())
}

#[test]
fn a_partitions_firmware_may_unfreeze_all_functions_of_a_driver_that_goes_on() {
    let done = pseries().at(ms(10), numvfs()).at(ms(2000), breaks(PF)).run();
    assert_eq!(outcomes(&done), [Outcome::Recovered], "{}", done.log());
    let both: Vec<u16> = VFS.iter().map(|vf| number(&done, vf)).collect();
    let told = allowed(&done);
    // By the physical function's driver all of them, by their own drivers each.
    assert_eq!(told.first(), Some(&both), "{told:?}\n{}", done.log());
    assert_eq!(told[1..], [vec![both[0]], vec![both[1]]], "{told:?}\n{}", done.log());
    done.assert_healthy();
}

#[test]
fn a_partitions_firmware_may_unfreeze_one_function_that_recovers_alone() {
    let done = pseries().at(ms(10), numvfs()).at(ms(2000), freeze(VFS[1])).run();
    assert_eq!(outcomes(&done), [Outcome::Recovered], "{}", done.log());
    assert_eq!(allowed(&done), [vec![number(&done, VFS[1])]], "{}", done.log());
    done.assert_healthy();
}

#[test]
fn nothing_is_unfrozen_for_drivers_that_know_nothing_and_devices_without_functions() {
    let done = pseries().driver(VFS[0], "unaware").at(ms(10), numvfs()).at(ms(2000), freeze(VFS[0])).run();
    assert_eq!(outcomes(&done), [Outcome::Recovered], "{}", done.log());
    assert_eq!(allowed(&done), [[0_u16; 0]; 0], "{}", done.log());
    let done = pseries().at(ms(10), breaks(PF)).run();
    assert_eq!(allowed(&done), [[0_u16; 0]; 0], "{}", done.log());
}

#[test]
fn firmware_that_will_not_hear_of_functions_is_told_of_and_recovery_goes_on() {
    for (status, raw) in [(-3, "-3"), (4711, "4711"), (i32::MIN, "-2147483648")] {
        let scenario = pseries().at(ms(10), numvfs()).at(ms(2000), breaks(PF));
        let linux = scenario.boot();
        linux.rtas().expect("pSeries").tell(Lie::status(Named::AllowUnfreeze, status));
        let done = scenario.run_on(linux);
        assert_eq!(outcomes(&done), [Outcome::Recovered], "{}", done.log());
        assert!(done.says(raw), "{status}\n{}", done.log());
        done.assert_healthy();
    }
    let services = Behaviour::default().services.difference(Services::ALLOW_UNFREEZE);
    let without = Scenario::on("powernv10").firmware(Behaviour { services, ..Behaviour::default() });
    let done = without.at(ms(10), numvfs()).at(ms(2000), breaks(PF)).run();
    assert_eq!(outcomes(&done), [Outcome::Recovered], "{}", done.log());
    assert!(done.says("firmware has no ibm,open-sriov-allow-unfreeze"), "{}", done.log());
    done.assert_healthy();
}

/// The machine, whose virtual functions have Function Level Reset by Advanced Features only.
fn advanced() -> Scenario {
    let (mut spec, pf) = (common::fixture("powernv10"), address(PF));
    let phb = spec.phbs.iter_mut().find(|phb| phb.number == pf.phb).expect("it is there");
    let function = phb.functions.iter_mut().find(|function| function.bdf == pf.bdf).expect("it is there");
    assert!(function.add_advanced_features());
    Scenario::of(spec)
}

#[test]
fn a_virtual_function_is_reset_by_whichever_register_it_has() {
    const EXPRESS: u16 = 0x40;
    for (scenario, flr, capability) in [(Scenario::on("powernv10"), true, EXPRESS), (advanced(), false, 0x7c)]
    {
        let done = scenario.at(ms(10), numvfs()).at(ms(2000), freeze(VFS[1])).run();
        let (hardware, at) = (done.linux.hardware(3).expect("it is there"), address(VFS[1]));
        let read = |offset| hardware.config_read(at.bdf, offset, 4).expect("it answers");
        assert_eq!(read(EXPRESS + 4) & 1 << 28 != 0, flr, "Device Capabilities");
        let ids: Vec<u32> = [EXPRESS, capability].iter().map(|at| read(*at) & 0xff).collect();
        assert_eq!(ids, if flr { [0x10, 0x10] } else { [0x10, 0x13] });
        assert_eq!(outcomes(&done), [Outcome::Recovered], "{}", done.log());
        let wire = hardware.wire();
        assert_eq!((wire.function, wire.secondary, wire.fundamental), (1, (0, 0), (0, 0)), "{}", done.log());
        assert!(VFS.iter().all(|vf| works(&done, vf)), "{}", done.log());
        assert_eq!(done.fate(PF), Fate::Untouched);
        done.assert_healthy();
    }
}

#[test]
fn an_owner_resets_its_virtual_function_by_advanced_features_too() {
    let at = address(VFS[1]);
    let done = advanced()
        .driver(VFS[1], "none")
        .at(ms(10), numvfs())
        .at(ms(1000), Fault::Wish(at.phb, at.bdf, Wish::Open))
        .at(ms(2000), freeze(VFS[1]))
        .at(ms(3000), Fault::Wish(at.phb, at.bdf, Wish::Recover))
        .at(ms(9000), Fault::Wish(at.phb, at.bdf, Wish::Release))
        .run();
    assert!(done.says("recovery by its owner: done"), "{}", done.log());
    let wire = done.linux.hardware(3).expect("it is there").wire();
    assert_eq!((wire.function, wire.secondary, wire.fundamental), (1, (0, 0), (0, 0)), "{}", done.log());
    done.assert_healthy();
}
