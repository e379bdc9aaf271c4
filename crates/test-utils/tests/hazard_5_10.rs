// SPDX-License-Identifier: GPL-2.0-or-later
//! Hazard 5.10: virtual functions come and go in the middle of a recovery, by their driver and by an
//! administrator, and it goes on with a list of those that were there.
// mutants: hazard_5_10_vf_from_a_list => "a virtual function that was switched off is back"

mod common;

use common::{Scenario, address, both, breaks, ms};
use test_utils::engine::{Fate, Fault};

const PF: &str = "0003:01:00.0";
const VFS: [&str; 2] = ["0003:01:10.0", "0003:01:10.2"];

fn numvfs() -> Fault {
    let at = address(PF);
    Fault::WriteNumVfs(at.phb, at.bdf)
}

#[test]
fn hazard_5_10_a_driver_switches_its_virtual_functions_on_and_off_in_its_callbacks() {
    // Off in one callback; off and on again; on, where there were none.
    let ways = [
        ("vfs=slot_reset", true, false),
        ("vfs=error_detected", true, false),
        ("vfs=error_detected,vfs=slot_reset", true, true),
        ("vfs=slot_reset", false, true),
        ("vfs=resume", false, true),
    ];
    for (temperament, before, after) in ways {
        let drivers = ["unaware", "aware"].into_iter().flat_map(|drivers| both().map(|f| (drivers, f)));
        for (drivers, firmware) in drivers {
            let mut scenario =
                Scenario::on("powernv10").firmware(firmware).driver(PF, temperament).driver(VFS[0], drivers);
            if before {
                scenario = scenario.at(ms(10), numvfs());
            }
            let done = scenario.at(ms(2000), breaks(PF)).run();
            let what = format!("{temperament}, {drivers}, {firmware:?}\n{}", done.log());
            assert_eq!(done.fate(PF), Fate::WorksAgain, "{what}");
            for vf in VFS.map(address) {
                let there = done.linux.device(vf.phb, vf.bdf).is_ok();
                assert!(after || !there, "a virtual function that was switched off is back: {what}");
                assert!(!after || done.linux.works(vf.phb, vf.bdf).is_ok(), "{what}");
            }
            assert_eq!(done.run.stuck, 0, "{what}");
            done.assert_clean();
        }
    }
}

#[test]
fn hazard_5_10_an_administrator_switches_them_on_or_off_at_any_moment() {
    for (before, firmware) in [false, true].into_iter().flat_map(|before| both().map(|f| (before, f))) {
        for moment in (0..700).step_by(35) {
            let mut scenario = Scenario::on("powernv10").firmware(firmware).driver(VFS[0], "unaware");
            if before {
                scenario = scenario.at(ms(10), numvfs());
            }
            let done = scenario.at(ms(2000), breaks(PF)).at(ms(1900 + moment), numvfs());
            // A driver's probe finds no device behind a stopped PE: it is bound again later.
            let done =
                VFS.map(address).into_iter().fold(done, |s, vf| s.at(ms(9000), Fault::Bind(vf.phb, vf.bdf)));
            let done = done.run();
            let what = format!("at {moment}, {firmware:?}\n{}", done.log());
            // Hazard 5.6: neither waits for the other's lock for ever.
            assert_eq!(done.run.stuck, 0, "a task never comes back: {what}");
            assert_eq!(done.fate(PF), Fate::WorksAgain, "{what}");
            let pf = done.linux.device(3, address(PF).bdf).expect("it is there");
            for vf in VFS.map(address) {
                let there = done.linux.device(vf.phb, vf.bdf).is_ok();
                assert_eq!(there, pf.vfs() > 0, "{what}");
                assert!(!there || done.linux.works(vf.phb, vf.bdf).is_ok(), "{what}");
            }
            done.assert_clean();
        }
    }
}
