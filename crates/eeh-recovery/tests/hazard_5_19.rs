// SPDX-License-Identifier: GPL-2.0-or-later
//! Hazard 5.19: a dead I/O hub names no PE, and each of its PHBs finds its own.
// mutants: hazard_5_19_no_pe_is_named => "the PHB that told of its dead hub lives on"

mod common;

use common::*;
use eeh_recovery::*;

#[test]
fn hazard_5_19_a_dead_hub_is_the_end_of_the_phb_that_tells() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().errors.push_back(NextError::DeadIoc);
    rig.world.request_check(rig.tree);
    // A worker that forgets the PHB would ask for ever.
    for _ in 0..1000 {
        let _ = rig.step();
    }
    assert!(rig.said("EEH: dead IOC detected"));
    assert_eq!(rig.outcomes(), [Outcome::Failed], "the PHB that told of its dead hub lives on");
    assert!(rig.device(0x0100).is_none());
}
