// SPDX-License-Identifier: GPL-2.0-or-later
//! Recoveries that remove devices: unaware drivers, some of them, and permanent failure.

mod common;

use core::time::Duration;

use common::*;
use eeh_pe::{DeviceFlags, PeFlags, Time};
use eeh_recovery::render::OrphanReport;
use eeh_recovery::*;

#[test]
fn devices_of_unaware_drivers_are_removed_reset_and_added_back() {
    let mut rig = Rig::new(single(unaware("ahci")));
    let before = rig.device(0x0100);
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert!(rig.said("EEH: Reset with hotplug activity"));
    assert!(rig.said("PCI 0002:01:00.0#01fd: EEH: driver not EEH aware"));
    assert!(rig.called().is_empty());
    assert_ne!(rig.device(0x0100), before, "it is another device");
    rig.assert_healthy();
}

#[test]
fn only_unaware_devices_are_removed_when_some_driver_is_aware() {
    let mut rig = Rig::new(switch());
    let (nvme, xhci) = (rig.device(0x0300), rig.device(0x0500));
    rig.freeze(0xfd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert!(rig.said("EEH: Reset without hotplug activity"));
    assert!(rig.said("EEH: Removing 0002:05:00.0 without EEH sensitive driver"));
    assert_eq!(rig.device(0x0300), nvme);
    assert!(rig.device(0x0500).is_some() && rig.device(0x0500) != xhci);
    let heard = rig.called();
    assert_eq!(heard.iter().filter(|c| c.ends_with("slot_reset()")).count(), 2);
    assert!(!heard.iter().any(|c| c.starts_with("05:00.0")), "the new device's driver heard of no error");
    for bdf in [0x0100, 0x0200, 0x0208, 0x0210, 0x0300, 0x0400] {
        rig.assert_configured(bdf);
    }
    rig.assert_healthy();
}

#[test]
fn freezes_are_still_counted_after_devices_were_removed_and_added_back() {
    let mut rig = Rig::new(single(unaware("ahci")));
    for _ in 0..3 {
        rig.freeze(0x1fd);
        rig.run();
    }
    assert!(rig.said("has failed 3 times in the last hour"));
}

#[test]
fn the_pause_before_adding_back_is_a_parameter() {
    let mut rig = Rig::new(single(unaware("ahci")));
    rig.world.get().params.add_back_pause = Duration::from_secs(5);
    rig.freeze(0x1fd);
    rig.run();
    assert!(rig.said("EEH: Sleep 5s ahead of complete hotplug"));
    assert!(rig.now().since(Time::ZERO) >= Duration::from_secs(5));
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
}

#[test]
fn a_disconnecting_driver_loses_its_device_for_good_and_the_slot_stays_usable() {
    let mut rig = Rig::new(single(aware("nvme")));
    let answers = Answers { error_detected: ErsResult::Disconnect, ..Answers::default() };
    rig.answers.lock().unwrap().insert(0x0100, answers);
    let dev = rig.dev(0x0100);
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
    assert!(rig.said("EEH: Unable to recover from failure from PHB#2-PE#1fd."));
    assert_eq!(
        rig.called(),
        ["01:00.0 error_detected(IO frozen)", "01:00.0 error_detected(permanent failure)"]
    );
    assert_eq!(*dev.channel.lock().unwrap(), ChannelState::PermFailure);
    assert!(rig.calls().contains(&"uevent 01:00.0 disconnect".into()));
    assert_eq!(rig.device(0x0100), None);
    rig.assert_healthy();

    // A replacement card starts from nothing.
    let card = rig.plug(&function(0x0100, 0x1fd, aware("nvme")));
    assert!(rig.flags(0x1fd).is_empty());
    assert!(!rig.tree().lock().device(card.device).unwrap().flags().contains(DeviceFlags::REMOVED));
    rig.answers.lock().unwrap().clear();
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Failed, Outcome::Recovered]);
    assert!(rig.lines().iter().filter(|l| l.contains("has failed 1 times")).count() == 2);
}

#[test]
fn a_pe_that_freezes_too_often_is_disabled() {
    let mut rig = Rig::new(single(aware("nvme")));
    for _ in 0..6 {
        rig.freeze(0x1fd);
        rig.run();
    }
    assert_eq!(rig.outcomes()[..5], [Outcome::Recovered; 5]);
    assert_eq!(rig.outcomes()[5], Outcome::Failed);
    assert!(
        rig.said("EEH: PHB#2-PE#1fd has failed 6 times in the last hour and has been permanently disabled.")
    );
    rig.assert_healthy();
}

#[test]
fn an_empty_slot_is_a_permanent_failure() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.absent.lock().unwrap().insert(0x0100);
    rig.freeze(0x1fd);
    rig.run();
    assert!(rig.said("EEH: Frozen PHB#2-PE#1fd is empty!"));
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
    assert!(rig.world.get().resets.is_empty());
    rig.assert_healthy();
}

#[test]
fn a_driver_that_is_bound_during_the_recovery_hears_nothing_of_it() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.bind_before(Handler::SlotReset);
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.called(), ["01:00.0 error_detected(IO frozen)"]);
    assert!(rig.said("PCI 0002:01:00.0#01fd: EEH: driver bound too late"));
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    let device = rig.device(0x0100).unwrap();
    let flags = rig.tree().lock().device(device).unwrap().flags();
    assert!(!flags.intersects(DeviceFlags::NO_HANDLER | DeviceFlags::IN_ERROR), "{flags:?} is left");
}

#[test]
fn a_driver_that_hangs_is_named_and_then_its_device_is_left_alone() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.hangs.lock().unwrap().insert(0x0100);
    let device = rig.device(0x0100);
    rig.freeze(0x1fd);
    rig.run();
    let stuck: Vec<_> = rig.lines().into_iter().filter(|l| l.contains("has not come back")).collect();
    assert_eq!(stuck.len(), 5, "{stuck:?}");
    assert!(stuck[0].ends_with("nvme has not come back for 10 s"));
    assert!(stuck[1].ends_with("for 70 s"));
    assert!(rig.said("nvme never came back"));
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
    assert_eq!(rig.world.get().abandoned.len(), 1);
    assert_eq!(rig.device(0x0100), device, "it is left in place");
    // The PE stays isolated with it, whatever its driver goes on doing; nothing else is left.
    let marks = PeFlags::INHERITED | PeFlags::RESET | PeFlags::KEEP | PeFlags::REMOVED | PeFlags::PENDING;
    assert_eq!(rig.flags(0x1fd) & marks, PeFlags::ISOLATED);
    assert_eq!(rig.world.get().asserted, 0, "a reset is left asserted");
    let flags = rig.tree().lock().device(device.unwrap()).unwrap().flags();
    assert!(flags.contains(DeviceFlags::LOCK_LOST | DeviceFlags::PERM_FAILURE));
    let report = OrphanReport { registry: rig.registry, now: Time::ZERO }.to_string();
    assert_eq!(report, "0 orphans\n0002:01:00.0: device lock lost\n");

    // It answers checks as failed, and no later recovery calls or removes it.
    let check = dev_check_failure(rig.world, rig.registry, device.unwrap(), Context::Normal);
    assert_eq!(check, Check::Known);
    rig.hangs.lock().unwrap().clear();
    let _ = force_recover(rig.world, rig.registry, rig.pe(0x1fd).unwrap());
    rig.run();
    assert!(rig.called().is_empty());
    assert_eq!(rig.device(0x0100), device);
    assert!(!rig.flags(0x1fd).contains(PeFlags::RECOVERING));
}

#[test]
fn a_late_answer_touches_nothing() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.hangs.lock().unwrap().insert(0x0100);
    rig.freeze(0x1fd);
    while rig.world.get().abandoned.is_empty() {
        rig.step();
    }
    let late = rig.world.get().abandoned[0];
    let (now, before) = (rig.now(), rig.world.get().events.len());
    let answer = JobAnswer::Reported(ErsResult::CanRecover);
    assert!(!rig.worker.as_mut().unwrap().answer(late, answer, now));
    assert_eq!(rig.world.get().events.len(), before);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
}

#[test]
fn a_device_whose_driver_was_bound_before_the_reset_is_removed_and_added_back() {
    for late in [false, true] {
        let mut rig = Rig::new(switch());
        let (nvme, nic) = (rig.device(0x0300), rig.device(0x0400));
        let mut bound = false;
        *rig.hook.lock().unwrap() = Some(Box::new(move |rig, job| {
            // A driver takes the first one's place, and works until the reset: while drivers are told of
            // the error, or when those of unaware devices have been looked for already.
            let moment = match job {
                Job::Call { device, handler: Handler::ErrorDetected(_), .. } => {
                    !late && device.bdf.0 == 0x0400
                }
                Job::Remove { device, .. } => late && device.bdf.0 == 0x0500,
                Job::Presence { .. }
                | Job::Attention { .. }
                | Job::Call { .. }
                | Job::RemoveBus(_)
                | Job::AddBus(_)
                | Job::AddVf { .. } => false,
            };
            if moment && !core::mem::replace(&mut bound, true) {
                driver_bound(rig.registry, rig.device(0x0300).unwrap());
            }
            None
        }));
        rig.freeze(0xfc);
        rig.run();
        assert_eq!(rig.outcomes(), [Outcome::Recovered]);
        let now = rig.device(0x0300);
        assert!(now.is_some() && now != nvme, "it was reset behind its driver's back");
        assert_eq!(rig.device(0x0400), nic, "its driver knows of the reset");
        assert!(!rig.called().iter().any(|call| call == "03:00.0 slot_reset()"));
        rig.assert_healthy();
    }
}

#[test]
fn a_driver_bound_after_the_recovery_has_settled_is_late_for_nothing() {
    let mut rig = Rig::new(single(aware("nvme")));
    let met = std::sync::Arc::new(core::sync::atomic::AtomicBool::new(false));
    let bound = met.clone();
    *rig.hook.lock().unwrap() = Some(Box::new(move |rig, job| {
        if matches!(job, Job::Attention { .. }) {
            driver_bound(rig.registry, rig.device(0x0100).unwrap());
            bound.store(true, core::sync::atomic::Ordering::Relaxed);
        }
        None
    }));
    rig.freeze(0x1fd);
    rig.run();
    assert!(met.load(core::sync::atomic::Ordering::Relaxed), "the recovery clears the slot's light");
    let flags = rig.registry.peek_device(rig.device(0x0100).unwrap()).unwrap().flags;
    assert!(!flags.contains(DeviceFlags::NO_HANDLER), "{flags:?}");
    rig.assert_healthy();
}

#[test]
fn a_driver_bound_to_what_took_over_in_a_recovery_is_not_late_for_ever() {
    let mut rig = Rig::new(single(aware("nvme")));
    let mut replaced = false;
    *rig.hook.lock().unwrap() = Some(Box::new(move |rig, job| {
        if matches!(job, Job::Call { .. }) && !core::mem::replace(&mut replaced, true) {
            assert!(rig.unplug(0x0100));
            let function = rig.functions.lock().unwrap()[1].clone();
            let device = rig.plug(&function).device;
            driver_bound(rig.registry, device);
            let flags = rig.registry.peek_device(device).unwrap().flags;
            assert!(flags.contains(DeviceFlags::NO_HANDLER), "this is what the test is about");
        }
        None
    }));
    rig.freeze(0x1fd);
    rig.run();
    let flags = rig.registry.peek_device(rig.device(0x0100).unwrap()).unwrap().flags;
    assert!(!flags.contains(DeviceFlags::NO_HANDLER), "{flags:?}: {:?}", rig.lines());
    rig.assert_healthy();
}
