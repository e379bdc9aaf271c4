// SPDX-License-Identifier: GPL-2.0-or-later
//! Hazard 5.17: pass-through uses a PE that nobody holds, beside the host's recovery, and counts owners
//! that it has not.
// mutants: hazard_5_17_release_without_open => "the owner that is left loses its PE"

mod common;

use common::*;
use eeh_pe::PeFlags;
use eeh_recovery::*;

/// Two functions of one PE.
fn pair() -> Rig {
    let mut functions = single(aware("vfio-pci"));
    functions.push(function(0x0101, 0x1fd, aware("vfio-pci")));
    Rig::new(functions)
}

#[test]
fn hazard_5_17_an_open_that_failed_is_released_and_the_other_stays() {
    let mut rig = pair();
    rig.world.get().frozen.insert(0x1fd, FreezeState::Frozen);
    rig.world.get().stuck.push(0x1fd);
    assert_eq!(rig.open(0x0100), Err(OwnerError::Failed));
    rig.world.get().stuck.clear();
    assert_eq!(rig.open(0x0101), Ok(()));
    // VFIO does not look at the answer, and releases what it never had.
    rig.release(0x0100);
    assert!(rig.flags(0x1fd).contains(PeFlags::PASSED), "the owner that is left loses its PE");
    rig.release(0x0101);
    rig.run();
    rig.assert_healthy();
    assert!(rig.flags(0x1fd).is_empty());
}

#[test]
fn hazard_5_17_owner_and_host_are_never_at_the_slot_together() {
    // The PE above freezes at each step of its owner's reset: the host waits for the reset, and the owner
    // for the host.
    let mut steps = 0;
    loop {
        let mut rig = Rig::new(switch());
        assert_eq!(rig.open(0x0300), Ok(()));
        let pe = rig.pe(0xfb).unwrap();
        let mut request = Request::reset(rig.world, rig.registry, pe, OwnerReset::Hot);
        assert!(matches!(request.poll(rig.now()), RequestPoll::Wait { .. }));
        for _ in 0..steps {
            let now = rig.now();
            if rig.step() == Next::Idle {
                rig.world.get().now = now.after(core::time::Duration::from_millis(10));
            }
        }
        steps += 1;
        let over = matches!(request.poll(rig.now()), RequestPoll::Done(_));
        if over {
            return;
        }
        rig.freeze(0xfd);
        assert_eq!(rig.owner_state(0xfb), Ok(OwnerState::Unavailable));
        while rig.step() != Next::Idle {
            assert!(rig.world.get().asserted <= 1, "two resets at once, after {steps} steps");
        }
        assert_eq!(rig.outcomes(), [Outcome::Recovered], "after {steps} steps");
        assert_eq!(rig.wait_for(&mut request), Ok(()));
        assert_eq!(rig.reset(0xfb, OwnerReset::Deassert), Ok(()));
        drop(request);
        rig.release(0x0300);
        rig.run();
        rig.assert_healthy();
    }
}

#[test]
fn hazard_5_17_a_pe_that_goes_in_the_middle_of_a_reset_ends_it() {
    let mut rig = pair();
    assert_eq!(rig.open(0x0100), Ok(()));
    let pe = rig.pe(0x1fd).unwrap();
    let mut request = Request::reset(rig.world, rig.registry, pe, OwnerReset::Hot);
    let _ = request.poll(rig.now());
    while rig.world.get().asserted == 0 {
        rig.step();
    }
    rig.unplug(0x0100);
    rig.unplug(0x0101);
    assert_eq!(rig.wait_for(&mut request), Err(OwnerError::Gone));
    let functions = rig.functions.lock().unwrap().clone();
    for f in functions.iter().skip(1) {
        rig.plug(f);
    }
    rig.run();
    rig.assert_healthy();
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
}
