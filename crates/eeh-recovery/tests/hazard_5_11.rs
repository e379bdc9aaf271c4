// SPDX-License-Identifier: GPL-2.0-or-later
//! Hazard 5.11: a virtual function that failed for good stays, because it is marked as failed.
// mutants: hazard_5_11_failed_vf_stays => "the virtual function stays"

mod common;

use common::*;
use eeh_recovery::*;

#[test]
fn hazard_5_11_a_virtual_function_that_failed_for_good_is_removed() {
    let mut functions = single(aware("mlx5_core"));
    functions.push(virtual_function(0x0101, 0x1fc, 0x0100, aware("mlx5_core")));
    functions.push(virtual_function(0x0102, 0x1fb, 0x0100, aware("mlx5_core")));
    let mut rig = Rig::new(functions);
    let gives_up = Answers { error_detected: ErsResult::Disconnect, ..Answers::default() };
    rig.answers.lock().unwrap().insert(0x0101, gives_up);
    rig.freeze(0x1fc);
    assert_eq!(rig.run(), Next::Idle);
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
    assert_eq!(rig.device(0x0101), None, "the virtual function stays");
    assert!(rig.device(0x0100).is_some() && rig.device(0x0102).is_some(), "it alone failed");
    assert!(!rig.called().iter().any(|call| !call.starts_with("01:00.1")), "{:?}", rig.called());
    rig.assert_healthy();
}
