// SPDX-License-Identifier: GPL-2.0-or-later
//! Checks: what they answer, whom they ask, and who gets to report.

mod common;

use common::*;
use eeh_pe::{Counter, Opened, PeFlags, RUNAWAY_READS};
use eeh_recovery::*;

fn check(rig: &Rig, context: Context) -> Check {
    dev_check_failure(rig.world, rig.registry, rig.device(0x0100).unwrap(), context)
}

#[test]
fn a_healthy_slot_costs_one_query_and_counts_as_false_positive() {
    let rig = Rig::new(single(aware("nvme")));
    assert_eq!(check(&rig, Context::Normal), Check::Healthy);
    assert_eq!(rig.calls(), ["state 1fd"]);
    assert_eq!(rig.registry.stats().sum(Counter::FalsePositives), 1);
    assert_eq!(rig.registry.stats().sum(Counter::TotalMmioFfs), 1);
    assert_eq!(rig.world.get().woken, 0);
}

#[test]
fn the_first_check_of_a_frozen_slot_reports_and_wakes_and_the_others_only_know() {
    let rig = Rig::new(single(aware("nvme")));
    rig.world.get().frozen.insert(0x1fd, FreezeState::Frozen);
    assert_eq!(check(&rig, Context::Normal), Check::Found);
    assert!(rig.flags(0x1fd).contains(PeFlags::ISOLATED | PeFlags::PENDING));
    for _ in 0..3 {
        assert_eq!(check(&rig, Context::Normal), Check::Known);
    }
    assert_eq!(rig.calls().len(), 1, "an isolated PE needs no firmware");
    assert_eq!(rig.world.get().woken, 1);
    assert_eq!(rig.registry.stats().sum(Counter::SlotResets), 1);
}

#[test]
fn devices_are_offline_from_the_check_on_that_finds_the_freeze() {
    let rig = Rig::new(switch());
    rig.world.get().frozen.insert(0xfb, FreezeState::Frozen);
    let channel = |bdf| *rig.dev(bdf).channel.lock().unwrap();
    let found = dev_check_failure(rig.world, rig.registry, rig.device(0x0300).unwrap(), Context::Normal);
    assert_eq!(found, Check::Found);
    assert_eq!(channel(0x0300), ChannelState::Frozen, "before any worker has run");
    assert_eq!(channel(0x0100), ChannelState::Normal, "the switch above works");
}

#[test]
fn a_detector_that_is_late_leaves_the_devices_to_the_worker() {
    let rig = Rig::new(single(aware("nvme")));
    let pe = rig.pe(0x1fd).unwrap();
    let visited = || {
        let mut count = 0;
        rig.tree().visit_reported(pe, |_| count += 1);
        count
    };
    assert_eq!(visited(), 0, "no report");
    assert_eq!(rig.registry.isolate(pe), eeh_pe::Isolate::Won);
    assert_eq!(visited(), 1);
    rig.tree().mark_subtree(pe, PeFlags::RECOVERING);
    assert_eq!(visited(), 0, "a recovery has begun");
}

#[test]
fn a_fence_takes_nobody_offline_who_is_being_recovered() {
    let rig = Rig::new(switch());
    let root = rig.tree().phb_pe().unwrap();
    rig.tree().mark_subtree(rig.pe(0xfb).unwrap(), PeFlags::RECOVERING);
    assert_eq!(rig.registry.isolate(root), eeh_pe::Isolate::Won);
    let mut visited = Vec::new();
    rig.tree().visit_reported(root, |device| visited.push(device.bdf.0));
    assert!(visited.contains(&0x0100) && !visited.contains(&0x0300), "{visited:x?}");
}

#[test]
fn an_nmi_is_answered_from_flags_alone() {
    let rig = Rig::new(single(aware("nvme")));
    rig.world.get().frozen.insert(0x1fd, FreezeState::Frozen);
    assert_eq!(check(&rig, Context::Nmi), Check::Healthy);
    assert!(rig.calls().is_empty());
    let _ = check(&rig, Context::Normal);
    assert_eq!(check(&rig, Context::Nmi), Check::Known);
}

#[test]
fn a_passed_through_pe_is_its_owners_business() {
    let rig = Rig::new(single(aware("nvme")));
    rig.world.get().frozen.insert(0x1fd, FreezeState::Frozen);
    let device = rig.device(0x0100).unwrap();
    assert_eq!(rig.tree().lock().open_device(device), Opened::Yes);
    assert_eq!(check(&rig, Context::Normal), Check::Ignored);
    assert!(rig.calls().is_empty());
}

#[test]
fn a_fence_isolates_the_phb() {
    let rig = Rig::new(switch());
    rig.world.get().fenced = true;
    let device = rig.device(0x0300).unwrap();
    assert_eq!(dev_check_failure(rig.world, rig.registry, device, Context::Normal), Check::Found);
    let tree = rig.tree();
    assert!(tree.lock().root().unwrap().flags().contains(PeFlags::ISOLATED));
    assert!(rig.flags(0xfb).is_empty(), "the worker marks what is below");
    assert_eq!(dev_check_failure(rig.world, rig.registry, device, Context::Normal), Check::Known);
}

#[test]
fn what_firmware_cannot_decide_is_for_the_worker_to_sort_out() {
    for state in [FreezeState::NotSupported, FreezeState::Unavailable { wait: core::time::Duration::ZERO }] {
        let rig = Rig::new(single(aware("nvme")));
        rig.world.get().frozen.insert(0x1fd, state);
        assert_eq!(check(&rig, Context::Normal), Check::Found);
    }
}

#[test]
fn a_device_that_is_gone_has_not_failed() {
    let rig = Rig::new(single(aware("nvme")));
    let device = rig.device(0x0100).unwrap();
    rig.unplug(0x0100);
    assert_eq!(dev_check_failure(rig.world, rig.registry, device, Context::Normal), Check::Unknown);
    assert_eq!(check_failure(rig.world, rig.registry, 0x1000, Context::Normal), Check::Unknown);
    assert_eq!(rig.registry.stats().sum(Counter::NoDevice), 1);
    assert!(rig.calls().is_empty());
}

#[test]
fn with_eeh_off_no_check_fails() {
    let rig = Rig::new(single(aware("nvme")));
    rig.world.get().enabled = false;
    rig.world.get().frozen.insert(0x1fd, FreezeState::Frozen);
    assert_eq!(check(&rig, Context::Normal), Check::Ignored);
    assert!(rig.calls().is_empty());
}

#[test]
fn a_driver_that_only_reads_is_named_once() {
    let rig = Rig::new(single(aware("nvme")));
    rig.world.get().frozen.insert(0x1fd, FreezeState::Frozen);
    let _ = check(&rig, Context::Normal);
    let device = rig.device(0x0100).unwrap();
    for _ in 0..RUNAWAY_READS + 10 {
        let _ = dev_check_failure(rig.world, rig.registry, device, Context::Normal);
    }
    let lines = rig.lines();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("2100000 reads ignored"), "{lines:?}");
}

#[test]
fn only_failures_are_failures() {
    let all = [Check::Unknown, Check::Ignored, Check::Healthy, Check::Found, Check::Known];
    assert_eq!(all.map(Check::is_failure), [false, false, false, true, true]);
}
