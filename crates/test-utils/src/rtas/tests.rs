// SPDX-License-Identifier: GPL-2.0-or-later
//! The machine against the tables of the architecture.

use core::time::Duration;
use std::path::Path;

use eeh_pseries::rtas::{detail, info, option, reset};

use super::*;
use crate::hw::{SimClock, Stopped, VirtualClock};
use crate::topology::Topology;

/// A card below a root port, a switch, and a card below it.
const CARD: Address = address(0, 0x0001_0000);
const SWITCH: Address = address(2, 0x0001_0000);
const LEAF: Address = address(2, 0x0003_0000);

const fn address(phb: u32, config_addr: u32) -> Address {
    Address { buid: buid_of(phb), config_addr }
}

struct Rig {
    firmware: Firmware,
    clock: Arc<VirtualClock>,
}

impl Rig {
    fn new(behaviour: Behaviour) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/powernv10");
        let spec = Topology::load(path).expect("the fixture loads");
        let clock = Arc::new(VirtualClock::new());
        let machine = Arc::new(Machine::new(&spec, Arc::clone(&clock) as Arc<dyn SimClock>));
        Self { firmware: Firmware::new(machine, behaviour), clock }
    }

    fn plain() -> Self {
        Self::new(Behaviour::default())
    }

    fn phb(&self, number: u32) -> Arc<Phb> {
        self.firmware.machine().phb(number).expect("it is there")
    }

    fn words(&self, at: Address) -> (u32, u32, u32) {
        let mut out = SlotResetState::default();
        assert_eq!(self.firmware.read_slot_reset_state2(at, &mut out), 0);
        (out.state, out.capabilities, out.unavailable_ms)
    }

    fn state(&self, at: Address) -> u32 {
        self.words(at).0
    }

    fn freeze(&self, phb: u32, bdf: u16) {
        let hardware = self.phb(phb);
        let pe = hardware.pe_of(Bdf(bdf)).expect("it has a PE");
        assert!(hardware.freeze(pe));
    }

    fn wait(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    /// The whole of a reset.
    fn reset(&self, at: Address) {
        assert_eq!(self.firmware.set_slot_reset(at, reset::HOT), 0);
        self.wait(100);
        assert_eq!(self.firmware.set_slot_reset(at, reset::DEACTIVATE), 0);
        self.wait(1500);
    }

    fn detail(&self, at: Address, function: u32) -> (i32, Vec<u8>) {
        let mut log = vec![0; 2048];
        let status = self.firmware.slot_error_detail(at, &[], &mut log, function);
        (status, log)
    }
}

/// A card's PE in each state of the table: 0, 1, 2, 4, 5 for a while, 5 for good.
fn in_state(column: usize) -> Rig {
    let rig = Rig::plain();
    match column {
        0 => {}
        1 => assert_eq!(rig.firmware.set_slot_reset(CARD, reset::HOT), 0),
        2 => rig.freeze(0, 0x100),
        3 => {
            rig.freeze(0, 0x100);
            assert_eq!(rig.firmware.set_eeh_option(CARD, option::THAW_MMIO), 0);
        }
        4 => rig.phb(0).fence(),
        _ => assert_eq!(rig.detail(CARD, detail::PERMANENT).0, 1),
    }
    rig
}

#[test]
fn pe_state_control_is_the_table() {
    // LoPAR, "PE State Control": status and, where it differs, the state afterwards.
    type Cell = (i32, Option<u32>);
    type Control = fn(&Firmware) -> i32;
    let no = |status| (status, None);
    let rows: [(Control, [Cell; 6]); 5] = [
        (
            |f| f.set_eeh_option(CARD, option::THAW_MMIO),
            [no(-3), no(-7), (0, Some(4)), no(-3), no(-7), no(-7)],
        ),
        (
            |f| f.set_eeh_option(CARD, option::THAW_DMA),
            [no(-3), no(-7), no(-7), (0, Some(0)), no(-7), no(-7)],
        ),
        (
            |f| f.set_slot_reset(CARD, reset::DEACTIVATE),
            [no(0), (0, Some(0)), no(-7), no(-3), no(-7), no(-7)],
        ),
        (
            |f| f.set_slot_reset(CARD, reset::HOT),
            [(0, Some(1)), no(0), (0, Some(1)), (0, Some(1)), no(-7), no(-7)],
        ),
        (
            |f| f.set_slot_reset(CARD, reset::FUNDAMENTAL),
            [(0, Some(1)), no(0), (0, Some(1)), (0, Some(1)), no(-7), no(-7)],
        ),
    ];
    for (row, (control, cells)) in rows.into_iter().enumerate() {
        for (column, (status, after)) in cells.into_iter().enumerate() {
            let rig = in_state(column);
            let before = rig.state(CARD);
            assert_eq!(before, [0, 1, 2, 4, 5, 5][column]);
            assert_eq!(control(&rig.firmware), status, "row {row}, column {column}");
            assert_eq!(rig.state(CARD), after.unwrap_or(before), "row {row}, column {column}");
        }
    }
}

#[test]
fn other_functions_are_no_ops_or_refused() {
    for column in 0..6 {
        let rig = in_state(column);
        let before = rig.state(CARD);
        for (function, status) in [(0, 0), (1, 0), (4, -3), (5, -3), (6, -3), (u32::MAX, -3)] {
            assert_eq!(rig.firmware.set_eeh_option(CARD, function), status);
        }
        for function in [2, 4, u32::MAX] {
            assert_eq!(rig.firmware.set_slot_reset(CARD, function), -3);
        }
        assert_eq!(rig.state(CARD), before);
    }
}

#[test]
fn a_pe_that_is_stopped_or_in_reset_lets_nothing_through() {
    for (column, through) in [true, false, false, true, false, false].into_iter().enumerate() {
        let rig = in_state(column);
        let mut id = 0;
        let at = Address::register(buid_of(0), Bdf(0x100), 0).expect("a register");
        assert_eq!(rig.firmware.read_pci_config(at, 4, &mut id), 0);
        assert_eq!(id != u32::MAX, through, "column {column}");
        let pe = rig.phb(0).pe_of(Bdf(0x100)).expect("it has a PE");
        assert_eq!(!rig.phb(0).stopped(pe).dma, column == 0, "column {column}");
    }
}

#[test]
fn addresses_that_are_no_pe_are_refused() {
    let rig = Rig::plain();
    let mut out = 7;
    for at in [address(9, 0x0001_0000), Address { buid: 0, config_addr: 0 }] {
        assert_eq!(rig.firmware.set_eeh_option(at, option::ENABLE), -3);
        assert_eq!(rig.firmware.read_slot_reset_state2(at, &mut SlotResetState::default()), -3);
        assert_eq!(rig.firmware.get_config_addr_info2(at, info::PE_MODE, &mut out), -3);
    }
    // Nobody there, beyond functions, between registers, a root port.
    for config_addr in [0x00ff_0000, 0x0101_0000, 0x0001_0002, u32::MAX, 0] {
        let at = address(0, config_addr);
        assert_eq!(rig.firmware.set_slot_reset(at, reset::HOT), -3);
        assert_eq!(rig.words(at), (0, 0, 0), "EEH is not supported there");
        assert_eq!(rig.firmware.get_config_addr_info2(at, info::PE_MODE, &mut out), 0);
        assert_eq!(out, 0);
        assert_eq!(rig.firmware.get_config_addr_info2(at, info::PE_ADDRESS, &mut out), -3);
    }
}

#[test]
fn a_pe_has_the_address_of_its_primary_bus() {
    for low_byte in [0, 1] {
        let rig = Rig::new(Behaviour { low_byte, ..Behaviour::default() });
        for (config_addr, expected, mode) in [(0x0003_0000, 0x0003_0000, 1), (0x0005_0000, 0x0005_0000, 1)] {
            let at = address(2, config_addr);
            let mut out = 0;
            assert_eq!(rig.firmware.get_config_addr_info2(at, info::PE_ADDRESS, &mut out), 0);
            assert_eq!(out, expected + u32::from(low_byte));
            assert_eq!(rig.state(address(2, out)), 0);
            assert_eq!(rig.firmware.get_config_addr_info2(at, info::PE_MODE, &mut out), 0);
            assert_eq!(out, mode);
        }
        assert_eq!(rig.firmware.get_config_addr_info2(LEAF, 2, &mut 0), -3);
    }
}

#[test]
fn a_card_can_be_one_pe_with_its_switch() {
    let rig = Rig::new(Behaviour { partition: Partition::Card, ..Behaviour::default() });
    let mut out = 0;
    assert_eq!(rig.firmware.get_config_addr_info2(LEAF, info::PE_ADDRESS, &mut out), 0);
    assert_eq!(out, SWITCH.config_addr);
    rig.freeze(2, 0x300);
    assert_eq!((rig.state(SWITCH), rig.state(LEAF)), (2, 2));
    rig.reset(LEAF);
    // The switch has lost its bus numbers with the rest, until it is configured.
    let at = Address::register(buid_of(2), Bdf(0x300), 0).expect("a register");
    assert_eq!((rig.firmware.read_pci_config(at, 4, &mut out), out), (0, u32::MAX));
    assert_eq!(rig.firmware.configure_pe(SWITCH), 0);
    assert_eq!(rig.firmware.read_pci_config(at, 4, &mut out), 0);
    assert_eq!(out, 0x0010_1b36);
}

#[test]
fn fundamental_resets_are_where_they_are_said_to_be() {
    for (fundamental, status) in [(Fundamental::NotHere, -8), (Fundamental::Unknown, -3)] {
        let rig = Rig::new(Behaviour { fundamental, ..Behaviour::default() });
        assert_eq!(rig.firmware.set_slot_reset(CARD, reset::FUNDAMENTAL), status);
        assert_eq!(rig.state(CARD), 0, "the state is not changed");
    }
    // PERST reaches slots of the PHB, not what is deeper.
    let rig = Rig::plain();
    assert_eq!(rig.firmware.set_slot_reset(LEAF, reset::FUNDAMENTAL), -8);
    assert_eq!(rig.firmware.set_slot_reset(CARD, reset::FUNDAMENTAL), 0);
    assert_eq!(rig.phb(0).wire().fundamental, (1, 0));
    assert_eq!(rig.firmware.set_slot_reset(CARD, reset::DEACTIVATE), 0);
    assert_eq!(rig.phb(0).wire().pairs(), (1, 1));
}

#[test]
fn a_reset_is_one_on_the_wire_and_of_this_pe_alone() {
    let rig = Rig::plain();
    rig.reset(LEAF);
    assert_eq!(rig.phb(2).wire().secondary, (1, 1));
    let resets = |bdf| rig.phb(2).resets(Bdf(bdf)).map(|r| r.released);
    assert_eq!((resets(0x300), resets(0x400), resets(0x208)), (Some(1), Some(0), Some(0)));
    assert!(!rig.phb(2).is_fenced());
}

#[test]
fn bridges_that_are_busy_say_so_as_often_as_they_were_told() {
    let busy = Busy { status: 9902, times: 2 };
    let rig = Rig::new(Behaviour { busy, partition: Partition::Card, ..Behaviour::default() });
    assert_eq!(rig.firmware.configure_pe(SWITCH), 0, "nothing was reset");
    rig.reset(SWITCH);
    let answers: Vec<i32> = (0..4).map(|_| rig.firmware.configure_pe(SWITCH)).collect();
    assert_eq!(answers, [9902, 9902, 0, 0]);
}

#[test]
fn logs_come_from_pes_that_are_stopped_or_away() {
    // of `ibm,slot-error-detail`.
    for (column, status) in [1, 1, 0, 0, 0, 0].into_iter().enumerate() {
        let rig = in_state(column);
        let before = rig.state(CARD);
        let (answer, log) = rig.detail(CARD, detail::TEMPORARY);
        assert_eq!(answer, status, "column {column}");
        assert_eq!(log[..4] == [6, 0x94, 0, 0xe0], status == 0, "column {column}");
        assert_eq!(rig.state(CARD), before);
        for function in [0, 3, u32::MAX] {
            assert_eq!(rig.detail(CARD, function).0, -3);
        }
    }
}

#[test]
fn a_log_has_more_to_tell_when_loads_get_through_and_is_cut_where_it_does_not_fit() {
    let length = |rig: &Rig| {
        let (_, log) = rig.detail(CARD, detail::TEMPORARY);
        u32::from_be_bytes([log[4], log[5], log[6], log[7]])
    };
    let (stopped, open) = (in_state(2), in_state(3));
    assert!(length(&stopped) < length(&open));
    let mut short = [0xee; 10];
    assert_eq!(open.firmware.slot_error_detail(CARD, &[1, 2, 3], &mut short, detail::TEMPORARY), 0);
    assert_eq!((short[0], short[9]), (6, CARD.config_addr.to_be_bytes()[1]));
}

#[test]
fn a_drivers_data_are_in_the_log_as_far_as_one_has_room() {
    let rig = in_state(3);
    let (_, without) = rig.detail(CARD, detail::TEMPORARY);
    let length = |log: &[u8]| 8 + u32::from_be_bytes([log[4], log[5], log[6], log[7]]) as usize;
    let alone = length(&without);
    for given in [1, 100, 2048 - alone, 2049 - alone, 8192] {
        let mut log = [0; 2048];
        let data = vec![0x5a; given];
        assert_eq!(rig.firmware.slot_error_detail(CARD, &data, &mut log, detail::TEMPORARY), 0);
        let taken = given.min(2048 - alone);
        assert_eq!(length(&log), alone + taken);
        assert_eq!(log.iter().skip(alone).filter(|&&byte| byte == 0x5a).count(), taken, "{given}");
    }
}

#[test]
fn a_permanent_log_gives_the_pe_up_until_its_slot_is_cycled() {
    for column in 0..6 {
        let rig = in_state(column);
        let (_, log) = rig.detail(CARD, detail::PERMANENT);
        assert!(matches!(log[1], 0 | 0xb4));
        assert_eq!(rig.words(CARD), (5, 0, 0), "column {column}");
        let (asserted, released) = rig.phb(0).wire().pairs();
        assert_eq!(asserted, released, "no line stays active");
        rig.wait(1_000_000);
        assert_eq!(rig.state(CARD), 5);
        assert!(rig.phb(0).pull(Bdf(0x100)));
        assert_eq!(rig.state(CARD), 5, "power is off");
        assert!(rig.phb(0).push(Bdf(0x100)));
        assert_eq!(rig.state(CARD), 0, "column {column}");
    }
}

#[test]
fn a_fence_is_the_platforms_affair() {
    let rig = Rig::plain();
    rig.phb(2).fence();
    assert_eq!(rig.words(LEAF), (5, 0, 3000));
    assert!(!rig.phb(2).is_fenced());
    rig.wait(1000);
    assert_eq!(rig.words(LEAF), (5, 0, 2000));
    rig.wait(2000);
    assert_eq!((rig.state(LEAF), rig.state(address(2, 0x0004_0000))), (2, 2));
    assert_eq!(rig.words(SWITCH), (0, 0, 0), "bridges are the platform's");
    rig.reset(LEAF);
    let mut id = 0;
    let at = Address::register(buid_of(2), Bdf(0x300), 0).expect("a register");
    assert_eq!(rig.firmware.read_pci_config(at, 4, &mut id), 0);
    assert_eq!(id, 0x0010_1b36, "the way to it is open again");
}

#[test]
fn a_pe_in_reset_stays_so_when_the_platform_resets_the_phb() {
    let rig = Rig::plain();
    assert_eq!(rig.firmware.set_slot_reset(LEAF, reset::HOT), 0);
    rig.phb(2).fence();
    assert_eq!(rig.state(LEAF), 5);
    rig.wait(3000);
    assert_eq!(rig.state(LEAF), 1);
    assert_eq!(rig.firmware.set_slot_reset(LEAF, reset::DEACTIVATE), 0);
    assert_eq!(rig.state(LEAF), 0);
    let (asserted, released) = rig.phb(2).wire().pairs();
    assert_eq!(asserted, released);
}

#[test]
fn a_phb_that_broke_has_no_pe_that_comes_back() {
    let rig = Rig::plain();
    assert_eq!(rig.firmware.set_slot_reset(LEAF, reset::HOT), 0);
    rig.phb(2).kill();
    assert_eq!(rig.words(LEAF), (5, 0, 0));
    assert_eq!(rig.firmware.set_slot_reset(LEAF, reset::DEACTIVATE), -7);
}

#[test]
fn an_error_in_a_bridge_stops_what_is_behind_it() {
    let rig = Rig::plain();
    rig.freeze(2, 0x200);
    let behind = [0x0003_0000, 0x0004_0000, 0x0005_0000].map(|at| rig.state(address(2, at)));
    assert_eq!(behind, [2, 2, 2]);
    // What the platform has by itself is no concern of the partition.
    let hardware = rig.phb(2);
    let own = hardware.pe_of(Bdf(0x200)).expect("it has a PE");
    assert_eq!(hardware.stopped(own), Stopped::NO);
}

#[test]
fn phbs_come_back_as_new() {
    let rig = in_state(5);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/powernv10");
    let spec = Topology::load(path).expect("the fixture loads");
    assert!(rig.firmware.machine().remove_phb(0).is_some());
    assert_eq!(rig.firmware.read_slot_reset_state2(CARD, &mut SlotResetState::default()), -3);
    assert!(rig.firmware.machine().add_phb(spec.phb(0).expect("it has one")));
    assert_eq!(rig.words(CARD), (0, 1, 0));
}

#[test]
fn slots_leave_the_partition_and_come_back_as_new() {
    let rig = in_state(5);
    let slot = Bdf(0x100);
    assert_eq!(rig.firmware.sense_slot(0, slot), Some(Sense::Present));
    assert_eq!(rig.firmware.add_slot(0, slot), -3, "it is there");
    assert_eq!(rig.firmware.remove_slot(0, slot), 0);
    assert_eq!(rig.firmware.remove_slot(0, slot), -3);
    assert_eq!(rig.firmware.sense_slot(0, slot), Some(Sense::Unusable));
    assert_eq!(rig.words(CARD), (0, 0, 0), "it is in no PE of the partition");
    assert_eq!(rig.firmware.set_slot_reset(CARD, reset::HOT), -3);
    assert_eq!(rig.firmware.add_slot(0, slot), 0);
    assert_eq!(rig.words(CARD), (0, 1, 0));
    assert_eq!(rig.firmware.sense_slot(0, Bdf(0x7700)), None);
    assert_eq!(rig.firmware.remove_slot(0, Bdf(0x7700)), -3);
    let pe = rig.phb(0).pe_of(slot).expect("it has a PE");
    assert_eq!(rig.phb(0).stopped(pe), Stopped::NO);
}

#[test]
fn virtual_functions_are_unfrozen_by_their_numbers() {
    let rig = Rig::plain();
    let pf = Bdf(0x100);
    assert_eq!(rig.firmware.open_sriov_allow_unfreeze(CARD, &[5]), -3, "no physical function");
    assert_eq!([5, 6].map(|pe| rig.firmware.map_pe_number(0, pf, pe)), [0, 0]);
    assert_eq!(rig.firmware.open_sriov_allow_unfreeze(CARD, &[]), -3);
    assert_eq!(rig.firmware.open_sriov_allow_unfreeze(CARD, &[5, 7]), -3);
    assert_eq!(rig.firmware.open_sriov_allow_unfreeze(CARD, &[6, 5]), 0);
    assert_eq!(rig.firmware.allowed(0), [(pf, vec![6, 5])]);
    assert_eq!(rig.firmware.map_pe_number(0, Bdf(0x7700), 1), -3);
    assert_eq!(rig.firmware.map_pe_number(0, pf, 0x1_0000), -3);
}

#[test]
fn errors_are_injected_in_sessions() {
    let rig = Rig::plain();
    let wide = rig.firmware.errinjct_token(ErrorClass::IoaBus64).expect("it can");
    let bar = 0x0006_00c0_0000_0000_u64;
    let work = |config_addr, function| {
        let [high, low] = [(bar >> 32) as u32, bar as u32];
        [high, low, 0, 0, config_addr, (buid_of(0) >> 32) as u32, buid_of(0) as u32, function]
    };
    let mut session = 0;
    assert_eq!(rig.firmware.errinjct(wide, 1, &work(0x0001_0000, 0)), -4, "no session");
    assert_eq!(rig.firmware.open_errinjct(&mut session), 0);
    assert_eq!(rig.firmware.open_errinjct(&mut 0), -4, "one at a time");
    assert_eq!(rig.firmware.errinjct(wide, session + 1, &work(0x0001_0000, 0)), -4);
    assert_eq!(rig.firmware.errinjct(wide + 1, session, &work(0x0001_0000, 0)), -3);
    assert_eq!(rig.firmware.errinjct(wide, session, &work(0x0001_0000, 20)), -3);
    assert_eq!(rig.firmware.errinjct(wide, session, &work(0x0077_0000, 0)), -3);
    assert_eq!(rig.firmware.errinjct(wide, session, &[0; 3]), -3);
    assert_eq!(rig.firmware.errinjct(wide, session, &work(0x0001_0000, 4)), 0);
    assert_eq!(rig.firmware.close_errinjct(session + 1), -4);
    assert_eq!(rig.firmware.close_errinjct(session), 0);
    assert!(!rig.firmware.has_session());
    // The next configuration read of the PE meets it.
    let at = Address::register(buid_of(0), Bdf(0x100), 0).expect("a register");
    assert_eq!(rig.firmware.read_pci_config(at, 4, &mut 0), 0);
    assert_eq!(rig.state(CARD), 2);
    let never = Rig::new(Behaviour { injection: false, ..Behaviour::default() });
    assert_eq!(never.firmware.open_errinjct(&mut 0), -5);
}

#[test]
fn lies_are_told_as_often_as_planned() {
    let rig = Rig::plain();
    let garbage = Garbage::new(rig.firmware);
    garbage.tell(Lie::status(Named::SetEehOption, 42).after(1).only(2));
    let answers: Vec<i32> = (0..4).map(|_| garbage.set_eeh_option(CARD, option::ENABLE)).collect();
    assert_eq!((answers, garbage.calls(Named::SetEehOption)), (vec![0, 42, 42, 0], 4));
    garbage.tell(Lie::words(Named::ReadState, [3, 4, 5]));
    let mut out = SlotResetState::default();
    assert_eq!(garbage.read_slot_reset_state2(CARD, &mut out), 0);
    assert_eq!((out.state, out.capabilities, out.unavailable_ms), (3, 4, 5));
    garbage.repent();
    assert_eq!(garbage.read_slot_reset_state2(CARD, &mut out), 0);
    assert_eq!(out.state, 0);
    assert_eq!(Named::ALL.len(), 13);
}
