// SPDX-License-Identifier: GPL-2.0-or-later
//! Pass-through: who owns a PE, and what an owner may do to it.

mod common;

use common::*;
use eeh_pe::{DeviceFlags, PeFlags};
use eeh_recovery::*;

/// A BCM5719 with a driver that hands it to a guest.
fn vfio() -> Rig {
    Rig::new(single(aware("vfio-pci")))
}

fn check(rig: &Rig, bdf: u16) -> Check {
    dev_check_failure(rig.world, rig.registry, rig.device(bdf).unwrap(), Context::Normal)
}

fn frozen(rig: &Rig, pe: u32) {
    rig.world.get().frozen.insert(pe, FreezeState::Frozen);
}

#[test]
fn an_open_device_is_left_to_its_owner_and_a_released_one_is_the_hosts_again() {
    let mut rig = vfio();
    assert_eq!(rig.open(0x0100), Ok(()));
    assert!(rig.flags(0x1fd).contains(PeFlags::PASSED));
    frozen(&rig, 0x1fd);
    assert_eq!(check(&rig, 0x0100), Check::Ignored);
    assert_eq!(rig.owner_state(0x1fd), Ok(OwnerState::Stopped));
    rig.release(0x0100);
    rig.run();
    rig.assert_healthy();
    assert!(rig.flags(0x1fd).is_empty(), "the freeze that the owner left is cleared");
    frozen(&rig, 0x1fd);
    assert_eq!(check(&rig, 0x0100), Check::Found);
}

#[test]
fn a_release_without_an_open_is_harmless() {
    let mut rig = vfio();
    rig.release(0x0100);
    rig.release(0x0100);
    assert!(rig.flags(0x1fd).is_empty());
    assert_eq!(rig.open(0x0100), Ok(()));
    rig.release(0x0100);
    rig.release(0x0100);
    rig.run();
    assert!(rig.flags(0x1fd).is_empty());
}

#[test]
fn opening_a_frozen_pe_thaws_it() {
    let mut rig = vfio();
    frozen(&rig, 0x1fd);
    assert_eq!(rig.open(0x0100), Ok(()));
    assert_eq!(rig.flags(0x1fd), PeFlags::PASSED);
    assert!(rig.world.get().resets.is_empty(), "this card needs no reset");
    assert_eq!(rig.owner_state(0x1fd), Ok(OwnerState::Normal));
}

/// All ones that were saved of a frozen bridge would be written back after the reset, and its bus held in
/// reset by that for ever.
#[test]
fn what_cannot_be_read_is_not_saved_for_a_reset() {
    let mut rig = Rig::new(switch());
    frozen(&rig, 0xfd);
    let pe = rig.pe(0xfd).unwrap();
    let later = rig.now().after(core::time::Duration::from_millis(1));
    rig.world.get().ready_after.insert(0x0300, (core::time::Duration::ZERO, 0xffff));
    rig.world.get().ready_at.insert(0x0300, later);
    let mut request = Request::reset_and_recover(rig.world, rig.registry, pe);
    assert_eq!(rig.wait_for(&mut request), Ok(()));
    let calls = rig.calls();
    assert!(calls.iter().any(|call| call == "save 01:00.0"), "{calls:?}");
    assert!(!calls.iter().any(|call| call == "save 03:00.0"), "{calls:?}");
}

#[test]
fn a_card_that_needs_it_is_reset_when_it_changes_hands() {
    for ids in [(0x19a2, 0x0710), (0x10df, 0xe220), (0x14e4, 0x1657)] {
        let mut functions = single(aware("vfio-pci"));
        functions[1].ids = ids;
        let mut rig = Rig::new(functions);
        frozen(&rig, 0x1fd);
        assert_eq!(rig.open(0x0100), Ok(()));
        assert_eq!(rig.world.get().resets.len(), 1, "{ids:x?}");
        assert_eq!(rig.flags(0x1fd), PeFlags::PASSED);
        rig.assert_configured(0x0100);
        assert!(rig.called().is_empty(), "no driver is told");
        let calls = rig.calls();
        let at = |call: &str| calls.iter().position(|c| c == call).expect(call);
        assert!(at("save 01:00.0") < at("assert") && at("release") < at("restore 01:00.0"));
        // Healthy, it is not reset again.
        rig.release(0x0100);
        rig.run();
        assert_eq!(rig.world.get().resets.len(), 1, "{ids:x?}");
        rig.assert_healthy();
    }
}

#[test]
fn a_pe_that_cannot_be_thawed_is_not_opened() {
    let mut rig = vfio();
    frozen(&rig, 0x1fd);
    rig.world.get().stuck.push(0x1fd);
    assert_eq!(rig.open(0x0100), Err(OwnerError::Failed));
    assert!(!rig.flags(0x1fd).contains(PeFlags::PASSED));
    rig.release(0x0100);
    assert_eq!(rig.run(), Next::Idle);
}

#[test]
fn an_owner_recovers_its_pe_by_itself() {
    let mut rig = vfio();
    assert_eq!(rig.open(0x0100), Ok(()));
    frozen(&rig, 0x1fd);
    for (reset, kind) in
        [(OwnerReset::Hot, ResetKind::Hot), (OwnerReset::Fundamental, ResetKind::Fundamental)]
    {
        assert_eq!(rig.reset(0x1fd, reset), Ok(()));
        assert_eq!(rig.owner_state(0x1fd), Ok(OwnerState::Reset));
        assert!(rig.flags(0x1fd).contains(PeFlags::CFG_BLOCKED | PeFlags::RESET));
        assert_eq!(rig.world.get().resets.last().map(|r| r.1), Some(kind));
        assert_eq!(rig.world.get().asserted, 0, "nobody can leave a reset asserted");
        assert_eq!(rig.reset(0x1fd, OwnerReset::Deassert), Ok(()));
        assert_eq!(rig.owner_state(0x1fd), Ok(OwnerState::Normal));
        assert_eq!(rig.flags(0x1fd), PeFlags::PASSED);
    }
    rig.assert_configured(0x0100);
    assert!(rig.calls().contains(&"reenable 01:00.0".into()));
    assert!(rig.called().is_empty());
}

#[test]
fn options_thaw_one_way_each() {
    let mut rig = vfio();
    assert_eq!(rig.open(0x0100), Ok(()));
    let pe = rig.pe(0x1fd).unwrap();
    let (world, registry) = (rig.world, rig.registry);
    let mut set = |option| rig.wait_for(&mut Request::set_option(world, registry, pe, option));
    assert_eq!(set(SetOption::Freeze), Ok(()));
    assert_eq!(owner_state(world, registry, pe), Ok(OwnerState::Stopped));
    assert_eq!(set(SetOption::ThawMmio), Ok(()));
    assert_eq!(owner_state(world, registry, pe), Ok(OwnerState::DmaStopped));
    assert_eq!(set(SetOption::ThawDma), Ok(()));
    assert_eq!(owner_state(world, registry, pe), Ok(OwnerState::Normal));
    let before = world.get().calls.iter().filter(|c| c.starts_with("thaw")).count();
    assert_eq!(set(SetOption::ThawDma), Ok(()));
    assert_eq!(set(SetOption::Disable), Ok(()));
    assert_eq!(set(SetOption::Enable), Ok(()));
    let after = world.get().calls.iter().filter(|c| c.starts_with("thaw")).count();
    assert_eq!(after, before, "what gets through already is not asked for");
    world.get().enabled = false;
    assert_eq!(set(SetOption::Enable), Err(OwnerError::Failed));
}

#[test]
fn numbers_that_linux_does_not_know_are_refused() {
    assert_eq!((-1..7).filter_map(SetOption::from_linux).count(), 5);
    assert_eq!((-1..7).filter_map(OwnerReset::from_linux).count(), 3);
    assert_eq!((0..7).filter_map(PcieReset::from_linux).count(), 3);
}

#[test]
fn errors_are_injected_into_the_pe() {
    let mut rig = vfio();
    assert_eq!(rig.open(0x0100), Ok(()));
    let pe = rig.pe(0x1fd).unwrap();
    let error = |kind| Injection { kind, function: 0, address: 0, mask: 0 };
    assert_eq!(inject(rig.world, rig.registry, pe, &error(1)), Ok(()));
    assert_eq!(inject(rig.world, rig.registry, pe, &error(2)), Err(OwnerError::Invalid));
    let mut configure = Request::configure(rig.world, rig.registry, pe);
    assert_eq!(rig.wait_for(&mut configure), Ok(()));
    assert!(rig.calls().contains(&"inject 1fd".into()));
    assert!(rig.calls().contains(&"configure 1fd".into()));
}

#[test]
fn while_the_host_recovers_the_pe_above_the_owner_waits() {
    let mut rig = Rig::new(switch());
    assert_eq!(rig.open(0x0300), Ok(()));
    frozen(&rig, 0xfb);
    // The switch's upstream port: what is passed through is below it.
    rig.freeze(0xfd);
    assert_eq!(rig.owner_state(0xfb), Ok(OwnerState::Unavailable));
    let pe = rig.pe(0xfb).unwrap();
    let error = Injection { kind: 0, function: 0, address: 0, mask: 0 };
    assert_eq!(inject(rig.world, rig.registry, pe, &error), Err(OwnerError::Busy));
    assert_eq!(rig.run(), Next::Idle);
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert_eq!(rig.owner_state(0xfb), Ok(OwnerState::Stopped));
    assert!(rig.said("EEH: Note: Leaving passthrough PHB#2-PE#fb frozen."), "{:?}", rig.lines());
    assert!(!rig.called().iter().any(|call| call.starts_with("03:00.0")), "its driver is not told");
    assert!(rig.device(0x0300).is_some(), "its device is not removed");
    assert_eq!(rig.reset(0xfb, OwnerReset::Hot), Ok(()));
    assert_eq!(rig.reset(0xfb, OwnerReset::Deassert), Ok(()));
    assert_eq!(rig.owner_state(0xfb), Ok(OwnerState::Normal));
    rig.release(0x0300);
    rig.run();
    rig.assert_healthy();
}

#[test]
fn what_a_reset_of_the_host_thaws_is_frozen_again() {
    let mut rig = Rig::new(switch());
    assert_eq!(rig.open(0x0300), Ok(()));
    // It works: the reset of the whole PHB is none of its owner's doing.
    rig.world.get().fenced = true;
    let _ = check(&rig, 0x0400);
    assert_eq!(rig.run(), Next::Idle);
    let again = "EEH: Passed-through PE PHB#2-PE#fb was thawed by reset, re-freezing for safety.";
    assert!(rig.said(again), "{:?}", rig.lines());
    assert_eq!(rig.owner_state(0xfb), Ok(OwnerState::Stopped));
    assert!(rig.flags(0xfb).contains(PeFlags::ISOLATED | PeFlags::PASSED));
    assert!(!rig.flags(0xfa).contains(PeFlags::ISOLATED));
    rig.release(0x0300);
    rig.run();
    rig.assert_healthy();
}

#[test]
fn a_request_that_its_turn_does_not_come_for_is_busy() {
    let mut rig = Rig::new(switch());
    rig.hangs.lock().unwrap().insert(0x0400);
    rig.freeze(0xfa);
    while rig.worker.as_ref().unwrap().recovering().is_none() {
        rig.step();
    }
    let before = rig.now();
    let pe = rig.pe(0xfb).unwrap();
    let mut request = Request::unfreeze(rig.world, rig.registry, pe);
    loop {
        match request.poll(rig.now()) {
            RequestPoll::Done(result) => {
                assert_eq!(result, Err(OwnerError::Busy));
                break;
            }
            // The worker stands still: its driver does.
            RequestPoll::Wait { until, .. } => rig.world.get().now = until,
        }
    }
    assert_eq!(rig.now().since(before), Params::default().owner_wait);
    assert_eq!(rig.run(), Next::Idle);
    assert!(!rig.device(0x0300).is_some_and(|id| {
        rig.tree().lock().device(id).is_some_and(|d| d.flags().contains(DeviceFlags::LOCK_LOST))
    }));
}

#[test]
fn a_release_waits_for_nobody() {
    let mut rig = Rig::new(switch());
    assert_eq!(rig.open(0x0300), Ok(()));
    // A driver beside it hangs: the recovery of the PE above stands still.
    rig.hangs.lock().unwrap().insert(0x0400);
    rig.freeze(0xfd);
    while rig.world.get().jobs.is_empty() || !rig.flags(0xfb).contains(PeFlags::RECOVERING) {
        rig.step();
    }
    let (calls, now) = (rig.calls().len(), rig.now());
    rig.release(0x0300);
    assert!(!rig.flags(0xfb).contains(PeFlags::PASSED));
    assert_eq!((rig.calls().len(), rig.now()), (calls, now), "it asks firmware, or lets time pass");
    assert_eq!(rig.run(), Next::Idle);
}

#[test]
fn a_report_of_a_pe_that_is_passed_through_meanwhile_is_dropped() {
    let mut rig = vfio();
    assert_eq!(rig.open(0x0100), Ok(()));
    let pe = rig.pe(0x1fd).unwrap();
    assert_eq!(mark_isolated(rig.world, rig.registry, pe), eeh_pe::Isolate::Won);
    assert_eq!(rig.run(), Next::Idle);
    assert!(rig.outcomes().is_empty() && rig.called().is_empty());
    assert_eq!(rig.flags(0x1fd), PeFlags::PASSED | PeFlags::ISOLATED);
    assert_eq!(rig.reset(0x1fd, OwnerReset::Hot), Ok(()));
    assert_eq!(rig.reset(0x1fd, OwnerReset::Deassert), Ok(()));
    assert_eq!(rig.flags(0x1fd), PeFlags::PASSED);
}

#[test]
fn a_driver_resets_its_slot_and_the_others_there_are_saved_for_it() {
    let mut functions = single(aware("ipr"));
    functions.push(function(0x0101, 0x1fd, aware("e1000e")));
    let mut rig = Rig::new(functions);
    let device = rig.device(0x0100).unwrap();
    let (world, registry) = (rig.world, rig.registry);
    let reset = |rig: &mut Rig, how| rig.wait_for(&mut Request::pcie_reset(world, registry, device, how));
    assert_eq!(reset(&mut rig, PcieReset::Warm), Ok(()));
    assert!(rig.flags(0x1fd).contains(PeFlags::ISOLATED | PeFlags::CFG_BLOCKED));
    assert_eq!(rig.world.get().resets.last().map(|r| r.1), Some(ResetKind::Fundamental));
    assert_eq!(check(&rig, 0x0101), Check::Known, "its all ones are no news");
    assert_eq!(reset(&mut rig, PcieReset::Deassert), Ok(()));
    rig.assert_healthy();
    let calls = rig.calls();
    for (call, there) in [
        ("save 01:00.1", true),
        ("restore 01:00.1", true),
        ("save 01:00.0", false),
        ("restore 01:00.0", false),
    ] {
        assert_eq!(calls.iter().any(|c| c == call), there, "{call}");
    }
    assert!(rig.outcomes().is_empty(), "it is no recovery");
    // A reset that firmware refuses again and again leaves the slot as it is.
    rig.world.get().refuse = 3;
    assert_eq!(reset(&mut rig, PcieReset::Hot), Err(OwnerError::Failed));
    assert!(rig.flags(0x1fd).contains(PeFlags::ISOLATED));
    assert!(!rig.flags(0x1fd).intersects(PeFlags::CFG_BLOCKED | PeFlags::RESET | PeFlags::RECOVERING));
    assert_eq!(reset(&mut rig, PcieReset::Deassert), Ok(()));
    rig.assert_healthy();
}

#[test]
fn a_fence_ends_what_is_asked_for_and_the_host_takes_over() {
    let mut rig = Rig::new(switch());
    assert_eq!(rig.open(0x0300), Ok(()));
    rig.world.get().fenced = true;
    assert_eq!(rig.owner_state(0xfb), Ok(OwnerState::Unavailable), "and the host knows of it");
    assert_eq!(rig.reset(0xfb, OwnerReset::Hot), Ok(()), "after the host's recovery");
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert_eq!(rig.reset(0xfb, OwnerReset::Deassert), Ok(()));
    rig.release(0x0300);
    rig.run();
    rig.assert_healthy();
}

#[test]
fn a_request_that_is_dropped_ends_without_its_caller() {
    let mut rig = vfio();
    assert_eq!(rig.open(0x0100), Ok(()));
    let pe = rig.pe(0x1fd).unwrap();
    let mut request = Request::reset(rig.world, rig.registry, pe, OwnerReset::Hot);
    let _ = request.poll(rig.now());
    while rig.world.get().asserted == 0 {
        rig.step();
    }
    // The owner is killed in the middle of its reset, and its files are closed.
    drop(request);
    rig.release(0x0100);
    assert_eq!(rig.run(), Next::Idle);
    assert!(rig.flags(0x1fd).is_empty(), "{:?}", rig.flags(0x1fd));
    rig.assert_healthy();
    rig.assert_configured(0x0100);
}

#[test]
fn a_device_that_goes_while_it_is_open_leaves_no_owner() {
    let mut rig = vfio();
    assert_eq!(rig.open(0x0100), Ok(()));
    let device = rig.device(0x0100).unwrap();
    assert!(rig.unplug(0x0100));
    release(rig.world, rig.registry, device);
    let function = rig.functions.lock().unwrap()[1].clone();
    rig.plug(&function);
    assert!(rig.flags(0x1fd).is_empty());
    rig.run();
    rig.assert_healthy();
}

/// The device goes, and another comes to its place that nobody has told anything.
fn replace(rig: &mut Rig) {
    assert!(rig.unplug(0x0100));
    rig.run();
    let left = rig.world.get().frozen.get(&0x1fd).copied().filter(|state| !state.is_active());
    assert_eq!(left, None, "the freeze is left in hardware: {:?}", rig.calls());
    let function = rig.functions.lock().unwrap()[1].clone();
    rig.plug(&function);
    assert!(rig.flags(0x1fd).is_empty());
    assert_eq!(check(rig, 0x0100), Check::Healthy, "who comes next is found frozen");
    assert!(rig.outcomes().is_empty());
}

#[test]
fn a_device_that_goes_while_its_owner_keeps_it_in_reset_leaves_no_freeze() {
    let mut rig = vfio();
    assert_eq!(rig.open(0x0100), Ok(()));
    assert_eq!(rig.reset(0x1fd, OwnerReset::Hot), Ok(()));
    assert!(rig.world.get().frozen.contains_key(&0x1fd), "this is what the test is about");
    replace(&mut rig);
}

#[test]
fn a_device_that_goes_while_its_driver_keeps_it_in_reset_leaves_no_freeze() {
    let mut rig = Rig::new(single(aware("ipr")));
    let device = rig.device(0x0100).unwrap();
    let (world, registry) = (rig.world, rig.registry);
    let mut warm = Request::pcie_reset(world, registry, device, PcieReset::Warm);
    assert_eq!(rig.wait_for(&mut warm), Ok(()));
    assert!(rig.world.get().frozen.contains_key(&0x1fd), "this is what the test is about");
    replace(&mut rig);
}

#[test]
fn a_device_that_goes_leaves_no_freeze_that_its_owner_has_met() {
    let mut rig = vfio();
    assert_eq!(rig.open(0x0100), Ok(()));
    frozen(&rig, 0x1fd);
    assert_eq!(check(&rig, 0x0100), Check::Ignored);
    replace(&mut rig);
}

#[test]
fn who_is_left_in_a_pe_whose_owner_went_with_it_in_reset_is_recovered() {
    let mut functions = single(aware("vfio-pci"));
    functions.push(function(0x0101, 0x1fd, aware("e1000e")));
    let mut rig = Rig::new(functions);
    assert_eq!(rig.open(0x0100), Ok(()));
    assert_eq!(rig.reset(0x1fd, OwnerReset::Hot), Ok(()));
    assert!(rig.unplug(0x0100));
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    rig.assert_healthy();
    rig.assert_configured(0x0101);
    assert!(rig.flags(0x1fd).is_empty());
}

/// The reset is done and kept for a driver that is not there any more.
#[test]
fn who_is_left_in_a_pe_that_was_reset_for_a_driver_that_went_is_recovered() {
    for during in [true, false] {
        let mut functions = single(aware("ipr"));
        functions.push(function(0x0101, 0x1fd, aware("e1000e")));
        let mut rig = Rig::new(functions);
        let device = rig.device(0x0100).unwrap();
        let mut warm = Request::pcie_reset(rig.world, rig.registry, device, PcieReset::Warm);
        if during {
            assert!(matches!(warm.poll(rig.now()), RequestPoll::Wait { .. }));
            while rig.world.get().resets.is_empty() {
                rig.step();
            }
            assert!(rig.unplug(0x0100));
        } else {
            assert_eq!(rig.wait_for(&mut warm), Ok(()));
            assert!(rig.unplug(0x0100));
        }
        assert_eq!(rig.run(), Next::Idle);
        assert_eq!(rig.outcomes(), [Outcome::Recovered], "{:?}", rig.lines());
        rig.assert_healthy();
        rig.assert_configured(0x0101);
        assert!(rig.flags(0x1fd).is_empty());
    }
}

/// A recovery of the PE above has passed it over, and told nobody in it anything.
#[test]
fn who_is_left_in_a_pe_whose_owner_went_during_the_hosts_recovery_is_recovered() {
    let mut functions = switch();
    functions.push(function(0x0301, 0xfb, aware("e1000e")));
    let mut rig = Rig::new(functions);
    assert_eq!(rig.open(0x0300), Ok(()));
    rig.freeze(0xfd);
    while !rig.said("EEH: Note: Leaving passthrough PHB#2-PE#fb frozen.") {
        assert_ne!(rig.step(), Next::Idle, "{:?}", rig.lines());
    }
    assert!(rig.unplug(0x0300));
    assert_eq!(rig.run(), Next::Idle);
    assert_eq!(rig.outcomes(), [Outcome::Recovered, Outcome::Recovered]);
    assert!(rig.called().iter().any(|call| call == "03:00.1 resume()"), "{:?}", rig.called());
    rig.assert_healthy();
    rig.assert_configured(0x0301);
    assert!(rig.flags(0xfb).is_empty());
}

#[test]
fn a_healthy_device_that_goes_while_it_is_open_costs_nobody_anything() {
    let mut functions = single(aware("vfio-pci"));
    functions.push(function(0x0101, 0x1fd, aware("e1000e")));
    let mut rig = Rig::new(functions);
    assert_eq!(rig.open(0x0100), Ok(()));
    assert!(rig.unplug(0x0100));
    let before = rig.calls().len();
    rig.run();
    assert_eq!(rig.calls().len(), before, "{:?}", rig.calls());
    assert!(rig.outcomes().is_empty() && rig.called().is_empty());
}

#[test]
fn a_driver_bound_while_its_slot_is_reset_on_request_is_late_for_nothing() {
    let mut functions = single(aware("ipr"));
    functions.push(function(0x0101, 0x1fd, aware("e1000e")));
    let mut rig = Rig::new(functions);
    let (device, other) = (rig.device(0x0100).unwrap(), rig.device(0x0101).unwrap());
    let mut warm = Request::pcie_reset(rig.world, rig.registry, device, PcieReset::Warm);
    assert!(matches!(warm.poll(rig.now()), RequestPoll::Wait { .. }));
    while rig.world.get().resets.is_empty() {
        rig.step();
    }
    driver_bound(rig.registry, other);
    assert_eq!(rig.wait_for(&mut warm), Ok(()));
    let mut end = Request::pcie_reset(rig.world, rig.registry, device, PcieReset::Deassert);
    assert_eq!(rig.wait_for(&mut end), Ok(()));
    let flags = rig.registry.peek_device(other).unwrap().flags;
    assert!(!flags.contains(DeviceFlags::NO_HANDLER), "{flags:?}");
    rig.assert_healthy();
}
