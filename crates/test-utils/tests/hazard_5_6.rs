// SPDX-License-Identifier: GPL-2.0-or-later
//! Hazard 5.6: recovery and a writer of `sriov_numvfs` take the rescan lock and `device_lock` in
//! opposite orders.
// mutants: hazard_5_6_unbind_under_rescan_lock => "a task never comes back"

mod common;

use common::{Scenario, address, both, breaks, ms, removes};
use test_utils::engine::{Fate, Fault};

#[test]
fn hazard_5_6_a_writer_of_numvfs_and_a_recovery_both_get_through() {
    // Complete hotplug (the USB controller's driver is unaware), and partial (on a fenced PHB).
    let usb = address("0002:05:00.0");
    let faults = [breaks("0002:05:00.0"), Fault::Fence(2)];
    for (firmware, fault) in both().into_iter().flat_map(|firmware| faults.map(|fault| (firmware, fault))) {
        for before in (0..300).step_by(7) {
            let done = Scenario::on("powernv10")
                .firmware(firmware)
                .at(ms(before), Fault::WriteNumVfs(usb.phb, usb.bdf))
                .at(ms(150), fault)
                .at(ms(5000), removes("0003:01:00.0"))
                .run();
            assert_eq!(done.run.stuck, 0, "a task never comes back: write at {before}\n{}", done.log());
            assert_eq!(done.fate("0002:05:00.0"), Fate::WorksAgain, "write at {before}\n{}", done.log());
            // Nobody holds the rescan lock for ever.
            assert_eq!(done.fate("0003:01:00.0"), Fate::Removed, "{}", done.log());
        }
    }
}

#[test]
fn hazard_5_6_a_driver_that_takes_long_to_go_holds_no_lock_of_other_phbs() {
    for firmware in both() {
        let done = Scenario::on("powernv10")
            .firmware(firmware)
            .driver("0002:05:00.0", "slow=5s")
            .at(ms(10), breaks("0002:05:00.0"))
            .at(ms(1000), removes("0003:01:00.0"))
            .at(ms(2000), Fault::Rescan(3))
            .run();
        // The removal did not wait for the driver: the rescan a second later found the device again.
        assert_eq!(done.fate("0003:01:00.0"), Fate::Untouched, "{}", done.log());
        assert_eq!(done.fate("0002:05:00.0"), Fate::WorksAgain, "{}", done.log());
    }
}
