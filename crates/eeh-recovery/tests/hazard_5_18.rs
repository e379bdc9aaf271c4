// SPDX-License-Identifier: GPL-2.0-or-later
//! Hazard 5.18: a write to `eeh_pe_state` in the middle of a recovery thaws the slot behind its back.
// mutants: hazard_5_18_state_write_thaws_at_once => "thawed behind the recovery's back"

mod common;

use common::*;
use eeh_pe::PeFlags;
use eeh_recovery::*;

fn write(rig: &mut Rig, bdf: u16, text: &[u8]) -> Result<(), OwnerError> {
    let (world, registry, device) = (rig.world, rig.registry, rig.device(bdf).unwrap());
    rig.wait_for(&mut Request::write_state(world, registry, device, text))
}

/// Hardware, how often firmware was called, and marks.
fn look(rig: &Rig) -> (Option<FreezeState>, usize, PeFlags) {
    let state = rig.world.get().frozen.get(&0x1fd).copied();
    (state, rig.calls().len(), rig.flags(0x1fd))
}

#[test]
fn hazard_5_18_a_state_write_during_a_recovery_changes_nothing() {
    let mut steps = 0;
    loop {
        let mut rig = Rig::new(single(aware("nvme")));
        rig.freeze(0x1fd);
        for _ in 0..steps {
            rig.step();
        }
        steps += 1;
        if !rig.flags(0x1fd).contains(PeFlags::ISOLATED) {
            return;
        }
        let before = look(&rig);
        let device = rig.device(0x0100).unwrap();
        let mut request = Request::write_state(rig.world, rig.registry, device, b"1\n");
        let answer = request.poll(rig.now());
        assert_eq!(before, look(&rig), "thawed behind the recovery's back, after {steps} steps");
        assert_eq!(answer, RequestPoll::Done(Err(OwnerError::Busy)));
        drop(request);
        assert_eq!(rig.run(), Next::Idle);
        assert_eq!(rig.outcomes(), [Outcome::Recovered]);
        rig.assert_healthy();
    }
}

#[test]
fn hazard_5_18_what_makes_no_sense_changes_nothing() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().params.recovery = false;
    rig.freeze(0x1fd);
    rig.run();
    for text in [&b""[..], b"yes", b"0x", b"1 2 3", b"-1", &[0xff; 4096]] {
        assert_eq!(write(&mut rig, 0x0100, text), Err(OwnerError::Invalid));
        assert!(rig.flags(0x1fd).contains(PeFlags::ISOLATED));
        assert_eq!(rig.world.get().frozen[&0x1fd], FreezeState::Frozen);
    }
}

#[test]
fn a_state_write_thaws_what_nobody_recovers() {
    let mut rig = Rig::new(single(aware("nvme")));
    assert_eq!(write(&mut rig, 0x0100, b"1\n"), Ok(()));
    assert!(!rig.calls().iter().any(|call| call.starts_with("thaw")), "it is not isolated");
    rig.world.get().params.recovery = false;
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(write(&mut rig, 0x0100, b"0x00000078 0x00000000\n"), Ok(()));
    rig.assert_healthy();
    // And the next freeze is found.
    rig.world.get().params.recovery = true;
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    rig.world.get().params.recovery = false;
    rig.freeze(0x1fd);
    rig.run();
    rig.world.get().stuck.push(0x1fd);
    assert_eq!(write(&mut rig, 0x0100, b"1"), Err(OwnerError::Failed));
    assert!(rig.flags(0x1fd).contains(PeFlags::ISOLATED), "it is still frozen");
}
