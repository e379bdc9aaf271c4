// SPDX-License-Identifier: GPL-2.0-or-later
//! Hazard 5.9: a recovery uses the bus of a PE that hotplug has removed.
// mutants: hazard_5_9_stale_bus => "devices are removed from or added to the bus of a removed PE"

mod common;

use common::*;
use eeh_recovery::*;

/// Runs until the switch is removed while `phase` goes on; answers the bus jobs that came after.
fn remove_switch_in(phase: Phase) -> (Rig, Vec<u8>) {
    let mut functions = switch();
    functions[5].driver = unaware("ahci");
    let mut rig = Rig::new(functions);
    rig.freeze(0xfb);
    while rig.worker.as_ref().unwrap().recovering().map(|r| r.2) != Some(phase) {
        rig.step();
    }
    for bdf in [0x0500, 0x0400, 0x0300, 0x0210, 0x0208, 0x0200, 0x0100] {
        rig.unplug(bdf);
    }
    // Another switch gets the same bus numbers.
    for f in [bridge(0x0100, 0xe0, 2, 3), bridge(0x0200, 0xe1, 3, 3), function(0x0300, 0xe2, aware("nvme"))] {
        rig.plug(&f);
    }
    let buses = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = buses.clone();
    *rig.hook.lock().unwrap() = Some(Box::new(move |_, job| {
        if let Job::RemoveBus(bus) | Job::AddBus(bus) = job {
            seen.lock().unwrap().push(bus.bus);
            return Some(JobAnswer::Gone);
        }
        None
    }));
    rig.run();
    let buses = buses.lock().unwrap().clone();
    (rig, buses)
}

#[test]
fn hazard_5_9_the_bus_of_a_removed_pe_is_left_alone() {
    for phase in [Phase::Presence, Phase::ReportFrozen, Phase::SlotState, Phase::TempLog] {
        let (rig, buses) = remove_switch_in(phase);
        assert!(
            buses.is_empty(),
            "devices are removed from or added to the bus of a removed PE: {buses:?} in {phase:?}"
        );
        assert_eq!(rig.outcomes(), [Outcome::Gone]);
        assert!(rig.device(0x0300).is_some(), "the other switch's device is still there");
        rig.assert_healthy();
    }
}

#[test]
fn a_recovery_whose_pe_goes_at_once_is_told_too() {
    for phase in [Phase::Presence, Phase::ReportFrozen] {
        let (rig, _) = remove_switch_in(phase);
        let began = |e: &&(eeh_pe::Time, Event)| matches!(e.1.what, What::Progress(Progress::Began));
        let began = rig.world.get().events.iter().filter(began).count();
        let first = ["EEH: Recovering PHB", "Cannot find PCI bus for PHB"];
        let lines = rig.lines();
        let told = lines.iter().filter(|line| first.iter().any(|text| line.contains(text))).count();
        assert_eq!((began, told), (1, 1), "{phase:?}: {lines:?}");
    }
}

#[test]
fn hazard_5_9_an_event_of_a_removed_pe_touches_no_bus() {
    let mut rig = Rig::new(switch());
    rig.freeze(0xfb);
    for bdf in [0x0500, 0x0400, 0x0300, 0x0210, 0x0208, 0x0200, 0x0100] {
        rig.unplug(bdf);
    }
    rig.run();
    assert!(rig.outcomes().is_empty());
    assert!(rig.world.get().jobs.is_empty());
    rig.assert_healthy();
}
