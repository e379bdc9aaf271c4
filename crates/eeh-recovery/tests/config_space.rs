// SPDX-License-Identifier: GPL-2.0-or-later
//! Configuration space: what is saved and restored, what the link tells, and the log of a device.

mod common;

use core::time::Duration;

use common::*;
use eeh_pe::Time;
use eeh_recovery::*;

#[test]
fn a_device_gets_its_addresses_back_but_switches_itself_on() {
    let mut rig = Rig::new(single(aware("nvme")));
    let before = rig.world.get().config[&0x0100];
    rig.freeze(0x1fd);
    rig.run();
    let after = rig.world.get().config[&0x0100];
    assert_eq!(after[0x10..0x28], before[0x10..0x28]);
    assert_eq!(after[0x30..0x34], before[0x30..0x34]);
    assert_eq!(after[0x3c], before[0x3c]);
    assert_eq!(after[0x0c], before[0x0c]);
    assert_eq!(after[4..6], [0, 0], "decoding and mastering are the driver's");
}

#[test]
fn a_bridge_gets_everything_back_and_is_a_bus_master() {
    let mut rig = Rig::new(switch());
    let before = rig.world.get().config[&0x0200];
    rig.freeze(0xfd);
    rig.run();
    let after = rig.world.get().config[&0x0200];
    assert_eq!(after[0x10..0x34], before[0x10..0x34]);
    assert_eq!(after[0x38..0x3c], before[0x38..0x3c]);
    assert_eq!(after[4] & 6, 6);
    assert_eq!(after[0x3e] & 0x40, 0, "the secondary bus is not reset");
}

#[test]
fn what_was_never_saved_is_not_restored() {
    let mut rig = Rig::new(single(aware("nvme")));
    let device = rig.device(0x0100).unwrap();
    rig.tree().lock().save_config(device, [u32::MAX; 16]);
    rig.freeze(0x1fd);
    rig.run();
    assert!(!rig.calls().iter().any(|c| c.starts_with("write 01:00.0")));
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
}

#[test]
fn a_bridge_is_saved_as_a_bus_master() {
    let rig = Rig::new(single(aware("nvme")));
    rig.world.get().config.get_mut(&0x0000).unwrap()[4] = 0;
    let phb = PhbTarget { tree: rig.tree, number: eeh_pe::PhbNumber(2), firmware: 2 };
    let target = DeviceTarget::bare(phb, eeh_pe::Bdf(0));
    assert_eq!(save_config(rig.world, &target, true).unwrap()[1] & 4, 4);
    assert_eq!(save_config(rig.world, &target, false).unwrap()[1] & 4, 0);
}

/// A root port that reports its link, which comes up after `up` from the end of the reset.
fn reporting_port(up: Duration) -> Rig {
    let mut functions = single(aware("nvme"));
    functions[0].reports_link = true;
    let rig = Rig::new(functions);
    rig.world.get().link_after = Some(up);
    rig
}

fn settle(rig: &Rig) -> Vec<Wait> {
    let state = rig.world.get();
    let waiting = |e: &Event| {
        if let What::Progress(Progress::Waiting { why, .. }) = e.what { Some(why) } else { None }
    };
    let mut waits: Vec<Wait> = state.events.iter().filter_map(|(_, e)| waiting(e)).collect();
    waits.dedup();
    waits
}

#[test]
fn a_port_that_reports_its_link_is_waited_for_and_then_100_ms() {
    let mut rig = reporting_port(Duration::from_millis(400));
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert_eq!(settle(&rig), [Wait::ResetHold, Wait::LinkUp, Wait::LinkSettle]);
    let took = rig.now().since(Time::ZERO);
    assert!((Duration::from_millis(500)..Duration::from_millis(520)).contains(&took), "{took:?}");
}

#[test]
fn a_link_that_stays_down_is_a_failed_attempt() {
    let mut rig = reporting_port(Duration::from_secs(100));
    rig.freeze(0x1fd);
    rig.run();
    assert_eq!(rig.world.get().resets.len(), 3);
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
    rig.assert_healthy();
}

#[test]
fn a_port_within_the_pe_is_waited_for_before_what_is_behind_it() {
    let mut functions = switch();
    functions[2].reports_link = true;
    let mut rig = Rig::new(functions);
    rig.world.get().link_after = Some(Duration::from_millis(300));
    rig.freeze(0xfd);
    rig.run();
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
    assert!(settle(&rig).contains(&Wait::LinkUp));
    rig.assert_configured(0x0300);
    rig.assert_healthy();
}

/// The lines of `fixtures/linux-7.3-c/force-recover-nvme-e1000e.txt` about the e1000e, rendered from
/// the values in them.
#[test]
fn the_log_of_a_device_reads_as_that_of_linux() {
    let text = include_str!("../../../fixtures/linux-7.3-c/force-recover-nvme-e1000e.txt");
    let from = text.find("EEH: of node=0001:01:00.0").unwrap();
    let linux: Vec<&str> = text[from..]
        .lines()
        .map(|line| line.split_once("] ").map_or(line, |(_, rest)| rest))
        .take_while(|line| line.starts_with("EEH: "))
        .collect();
    let aer = |offset, values| ConfigLine::Aer(Registers { offset, values, count: 4 });
    let express = |offset, values| ConfigLine::Express(Registers { offset, values, count: 4 });
    let lines = [
        ConfigLine::Device,
        ConfigLine::Identity(0x10d3_8086),
        ConfigLine::CommandStatus(0x0010_0102),
        ConfigLine::ExpressHeader,
        express(0, [0x0001_a010, 0x8020, 0, 0x411]),
        express(0x10, [0x0011_0000, 0, 0, 0]),
        ConfigLine::Express(Registers { offset: 0x20, values: [0x1402_0001, 0, 0, 0], count: 1 }),
        ConfigLine::AerHeader,
        aer(0, [0x1402_0001, 0, 0x0240_0000, 0x0046_2030]),
        aer(0x10, [0, 0xe000, 0x1e0, 0]),
        aer(0x20, [0; 4]),
        ConfigLine::Aer(Registers { offset: 0x30, values: [0; 4], count: 2 }),
    ];
    let ours: Vec<String> = lines
        .map(|line| Event {
            phb: eeh_pe::PhbNumber(1),
            recovery: None,
            subject: Subject::Device(eeh_pe::Bdf(0x0100), eeh_pe::PeNumber(0xfd)),
            what: What::Device(DeviceEvent::Config(line)),
        })
        .map(|event| event.to_string())
        .to_vec();
    assert_eq!(ours, linux);
}
