// SPDX-License-Identifier: GPL-2.0-or-later
//! Drivers that wait for their device, and begin their timeout anew while it is offline: nvme does.
//
// mutants: offline_while_awaited => "it never came to rest"
// mutants: fence_in_a_handler => "the wait began anew"

mod common;

use core::time::Duration;

use common::{Scenario, address, both, breaks, ms};
use test_utils::engine::{Fate, Fault};

const NVME: &str = "0002:03:00.0";
const NIC: &str = "0002:04:00.0";

/// Longer than any such wait; a helper that is given up after 300 s does not come back.
const LIMIT: Duration = Duration::from_secs(2000);

/// A driver that waits for its device in `step`, and begins its timeout anew while the device is offline, meets a freeze there.
fn awaits_in(step: &str, spans: &[u64], acts: impl Fn(Scenario, Duration) -> Scenario) {
    for firmware in both() {
        let mut waited = 0;
        for &at in spans {
            let scenario = Scenario::on("powernv10")
                .firmware(firmware)
                .limit(LIMIT)
                .driver(NVME, &format!("await={step}"));
            let done = acts(scenario, ms(at)).run();
            let log = done.log();
            assert_eq!(done.run.stuck, 0, "{step} at {at}\n{log}");
            assert!(!done.says("left alone from now on"), "{step} at {at}\n{log}");
            waited += usize::from(done.run.ended.since(done.start) > Duration::from_secs(60));
            done.assert_clean();
            let again =
                Scenario::on("powernv10").firmware(firmware).at(ms(10), breaks(NIC)).run_on(done.linux);
            assert_eq!(again.fate(NIC), Fate::WorksAgain, "{step} at {at}\n{log}\nthen\n{}", again.log());
        }
        assert!(waited > 0, "no freeze came in the middle of {step}");
    }
}

#[test]
fn a_driver_that_waits_for_its_device_in_a_handler_stops_waiting_when_the_pe_freezes_anew() {
    let spans: Vec<u64> = (100..3000).step_by(80).collect();
    for step in ["slot_reset", "resume"] {
        awaits_in(step, &spans, |scenario, at| {
            scenario.at(ms(10), breaks(NVME)).at(ms(10) + at, breaks(NVME))
        });
    }
}

#[test]
fn a_fence_does_not_begin_the_wait_of_a_handler_anew() {
    let spans: Vec<u64> = (100..3000).step_by(80).collect();
    let mut waited = 0;
    for at in spans {
        let scenario = Scenario::on("powernv10").limit(LIMIT).driver(NVME, "await=resume");
        let freezes = scenario.at(ms(10), breaks(NVME)).at(ms(10 + at), breaks(NVME));
        let done = freezes.at(ms(30_000), Fault::Fence(2)).run();
        let log = done.log();
        waited += usize::from(log.contains("nvme has not come back for 10 s"));
        assert!(!log.contains("nvme has not come back for 70 s"), "the wait began anew, {at}\n{log}");
        done.assert_clean();
    }
    assert!(waited > 0, "nobody waited");
}

#[test]
fn a_driver_that_waits_for_its_device_while_it_is_unbound_or_bound_stops_waiting() {
    let at = address(NVME);
    awaits_in("remove", &[20, 60], |scenario, after| {
        scenario.at(ms(10), Fault::Unbind(at.phb, at.bdf)).at(ms(10) + after, breaks(NVME))
    });
    awaits_in("probe", &[20, 60], |scenario, after| {
        let scenario = scenario.at(ms(10), Fault::Unbind(at.phb, at.bdf));
        scenario.at(ms(3000), Fault::Bind(at.phb, at.bdf)).at(ms(3000) + after, breaks(NVME))
    });
}
