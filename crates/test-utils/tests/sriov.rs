// SPDX-License-Identifier: GPL-2.0-or-later
//! Virtual functions: their recovery, and that of their physical function while they come and go.

mod common;

use common::{Done, Scenario, address, breaks, ms};
use eeh_recovery::{DeviceEvent, Outcome, Phase, What};
use test_utils::engine::{Fate, Fault};

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
