// SPDX-License-Identifier: GPL-2.0-or-later
//! Hazard 5.2: a slot that failed for good is healthy for the card that is put into it.
// mutants: hazard_5_2_marks_stay => "the card that replaces a failed one is not recovered"

mod common;

use common::*;
use eeh_recovery::*;

#[test]
fn hazard_5_2_the_card_that_replaces_a_failed_one_is_recovered() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().refuse = 3;
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
    rig.plug(&function(0x0100, 0x1fd, aware("nvme")));
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(
        rig.outcomes(),
        [Outcome::Failed, Outcome::Recovered],
        "the card that replaces a failed one is not recovered"
    );
    rig.assert_healthy();
}
