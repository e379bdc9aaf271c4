// SPDX-License-Identifier: GPL-2.0-or-later
//! Whole recoveries of one PE: what drivers hear, what is done to hardware, what is logged.

mod common;

use core::time::Duration;

use common::*;
use eeh_recovery::*;

#[test]
fn an_aware_driver_survives_a_real_reset() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.freeze(0x1fd);
    assert_eq!(rig.run(), Next::Idle);
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert_eq!(
        rig.called(),
        ["01:00.0 error_detected(IO frozen)", "01:00.0 slot_reset()", "01:00.0 resume()"]
    );
    rig.assert_healthy();
    rig.assert_configured(0x0100);
    assert_eq!(rig.world.get().resets, [(ResetPoint::RootBus, ResetKind::Hot)]);
    assert!(rig.now().since(eeh_pe::Time::ZERO) < Duration::from_millis(200));
}

#[test]
fn the_log_is_that_of_linux() {
    let mut rig = Rig::new(single(aware("nvme")));
    rig.freeze(0x1fd);
    rig.run();
    let expected = "EEH: Recovering PHB#2-PE#1fd
EEH: PE location: pcie.0, PHB location: N/A
EEH: This PCI device has failed 1 times in the last hour and will be permanently disabled after 5 failures.
EEH: Notify device drivers to shutdown
EEH: Beginning: 'error_detected(IO frozen)'
PCI 0002:01:00.0#01fd: EEH: Invoking nvme->error_detected(IO frozen)
PCI 0002:01:00.0#01fd: EEH: nvme driver reports: 'need reset'
EEH: Finished:'error_detected(IO frozen)' with aggregate recovery state:'need reset'
EEH: Collect temporary log
EEH: of node=0002:01:00.0";
    let lines = rig.lines();
    assert_eq!(lines[..10], expected.lines().collect::<Vec<_>>());
    let end = "diag 4 bytes
EEH: Reset without hotplug activity
EEH: Beginning: 'slot_reset'
PCI 0002:01:00.0#01fd: EEH: Invoking nvme->slot_reset()
PCI 0002:01:00.0#01fd: EEH: nvme driver reports: 'recovered'
EEH: Finished:'slot_reset' with aggregate recovery state:'recovered'
EEH: Notify device driver to resume
EEH: Beginning: 'resume'
PCI 0002:01:00.0#01fd: EEH: Invoking nvme->resume()
PCI 0002:01:00.0#01fd: EEH: nvme driver reports: 'none'
EEH: Finished:'resume'
EEH: Recovery successful.";
    let end: Vec<_> = end.lines().collect();
    assert_eq!(lines[lines.len() - end.len()..], end);
}
