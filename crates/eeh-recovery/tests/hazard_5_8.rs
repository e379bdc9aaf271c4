// SPDX-License-Identifier: GPL-2.0-or-later
//! Hazard 5.8: PEs whose devices never came back are not collected after the recovery.
// mutants: hazard_5_8_cleanup_while_kept => "an empty PE is left behind"

mod common;

use common::*;
use eeh_recovery::*;

#[test]
fn hazard_5_8_a_pe_whose_device_does_not_come_back_is_collected() {
    let mut rig = Rig::new(single(unaware("ahci")));
    rig.freeze(0x1fd);
    while rig.device(0x0100).is_some() {
        rig.step();
    }
    // Removed for the reset, and pulled before it is added back.
    rig.absent.lock().unwrap().insert(0x0100);
    rig.run();
    assert!(rig.pe(0x1fd).is_none(), "an empty PE is left behind");
    assert_eq!(rig.outcomes().len(), 1);
    rig.assert_healthy();
}

#[test]
fn hazard_5_8_the_collected_pe_leaves_nothing_to_the_next_card() {
    let mut rig = Rig::new(switch());
    rig.freeze(0xfd);
    while rig.device(0x0500).is_some() {
        rig.step();
    }
    rig.absent.lock().unwrap().insert(0x0500);
    rig.run();
    assert!(rig.pe(0xf9).is_none(), "an empty PE is left behind");
    rig.absent.lock().unwrap().clear();
    rig.plug(&function(0x0500, 0xf9, aware("nvme")));
    assert!(rig.flags(0xf9).is_empty());
    rig.freeze(0xf9);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered; 2]);
    rig.assert_healthy();
}
