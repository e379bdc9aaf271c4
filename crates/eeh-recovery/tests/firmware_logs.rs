// SPDX-License-Identifier: GPL-2.0-or-later
//! Firmware that is busy with bridges, keeps a log of each PE, and wants to hear of drivers that go on.

mod common;

use core::time::Duration;

use common::*;
use eeh_recovery::*;

const REFUSED: FirmwareError = FirmwareError::Failed { call: "configure", code: -3 };

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn count(rig: &Rig, call: &str) -> usize {
    rig.calls().iter().filter(|c| *c == call).count()
}

/// A recovery that finds firmware busy with bridges, and one that does not; the difference in time.
fn delay(configures: &[Result<Duration, FirmwareError>]) -> (Duration, usize) {
    let run = |configures: &[Result<Duration, FirmwareError>]| {
        let mut rig = Rig::new(single(aware("nvme")));
        rig.world.get().configures.extend(configures);
        rig.freeze(0x1fd);
        rig.run();
        assert_eq!(rig.outcomes(), [Outcome::Recovered]);
        rig.assert_healthy();
        assert!(rig.world.get().configures.is_empty());
        (rig.now(), count(&rig, "configure 1fd"))
    };
    let (quick, (slow, calls)) = (run(&[]), run(configures));
    (slow.since(quick.0), calls - quick.1)
}

#[test]
fn bridges_that_take_time_are_waited_for_in_the_log_and_after_the_reset() {
    assert_eq!(delay(&[Ok(ms(100)), Ok(ms(10))]), (ms(110), 2));
    let mut rig = Rig::new(single(aware("nvme")));
    rig.freeze(0x1fd);
    // The log's configuration is done; then the one after the reset is busy.
    while count(&rig, "configure 1fd") == 0 {
        rig.step();
    }
    rig.world.get().configures.push_back(Ok(ms(100)));
    rig.run();
    let busy = |e: &&(eeh_pe::Time, Event)| {
        matches!(e.1.what, What::Progress(Progress::Waiting { why: Wait::RtasBusy, .. }))
    };
    assert_eq!(rig.world.get().events.iter().filter(busy).count(), 1);
    assert_eq!(count(&rig, "configure 1fd"), 3);
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    rig.assert_configured(0x0100);
}

#[test]
fn bridges_that_are_refused_are_told_and_no_reason_to_stop() {
    assert_eq!(delay(&[Err(REFUSED)]), (ms(0), 0));
    assert_eq!(delay(&[Ok(ms(1)), Err(REFUSED)]), (ms(1), 1));
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().configures.push_back(Err(REFUSED));
    rig.freeze(0x1fd);
    rig.run();
    assert!(rig.said("firmware call configure failed: -3"), "{:?}", rig.lines());
}

#[test]
fn a_pe_that_goes_away_while_its_bridges_are_busy_leaves_nothing_behind() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().configures.push_back(Ok(ms(100)));
    rig.freeze(0x1fd);
    while count(&rig, "configure 1fd") == 0 {
        rig.step();
    }
    rig.unplug(0x0100);
    rig.run();
    assert_eq!(count(&rig, "configure 1fd"), 1);
    assert_eq!(rig.outcomes(), [Outcome::Gone]);
}

#[test]
fn a_pe_that_is_given_up_is_told_to_firmware_after_its_registers_are_read() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().own_logs = true;
    rig.world.get().refuse = 9;
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
    assert_eq!(count(&rig, "capture 1fd"), 1);
    let calls = rig.calls();
    let good: Vec<_> = calls.iter().enumerate().filter(|c| c.1 == "capture 1fd for good").collect();
    let last_configure = calls.iter().rposition(|c| c == "configure 1fd");
    assert_eq!(good.len(), 1);
    assert!(Some(good[0].0) > last_configure, "{calls:?}");
    // A PE that recovers is never called lost.
    let mut rig = Rig::new(single(aware("nvme")));
    rig.world.get().own_logs = true;
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(count(&rig, "capture 1fd for good"), 0);
}

#[test]
fn each_pe_has_the_log_that_is_its_own() {
    let mut rig = Rig::new(switch());
    rig.world.get().own_logs = true;
    rig.freeze(0xfb);
    rig.freeze(0xfa);
    rig.run();
    for pe in [0xfb, 0xfa] {
        assert_eq!(count(&rig, &format!("capture {pe:x}")), 1, "{:?}", rig.calls());
    }
    assert!(!rig.lines().iter().any(|line| line.contains("lost")), "{:?}", rig.lines());
}

#[test]
fn firmware_hears_of_each_driver_that_goes_on() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(count(&rig, "notify_resume 01:00.0"), 1);
    // What it says to that is told, and changes nothing.
    rig.world.get().resume_refused = Some(FirmwareError::Missing { call: "unfreeze" });
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(count(&rig, "notify_resume 01:00.0"), 2);
    assert_eq!(rig.outcomes(), [Outcome::Recovered, Outcome::Recovered]);
    assert!(rig.said("firmware has no unfreeze"), "{:?}", rig.lines());
}

#[test]
fn a_driver_that_is_not_called_is_not_told_of() {
    let mut rig = Rig::new(single(unaware("ahci")));
    rig.freeze(0x1fd);
    rig.run();
    assert!(!rig.calls().iter().any(|c| c.starts_with("notify_resume")));
}

#[test]
fn a_pes_own_log_takes_what_its_devices_registers_say_and_no_other_pes() {
    let mut rig = Rig::new(switch());
    rig.world.get().own_logs = true;
    rig.freeze(0xfb);
    rig.freeze(0xfa);
    rig.run();
    let logs = &rig.world.get().driver_logs;
    assert_eq!(logs.len(), 2, "{logs:?}");
    for (log, device) in logs.iter().zip(["03:00.0", "04:00.0"]) {
        let mut lines = log.lines();
        assert!(lines.next().is_some_and(|line| line.ends_with(device)), "{log}");
        assert!(lines.next().is_some_and(|line| line.starts_with("dev/vend:")), "{log}");
        assert_eq!(log.matches("dev/vend:").count(), 1, "{log}");
    }
}

#[test]
fn data_that_pes_share_take_nothing_of_devices() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.world.get().driver_logs, [String::new()]);
}
