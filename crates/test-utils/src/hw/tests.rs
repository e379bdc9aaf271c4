// SPDX-License-Identifier: GPL-2.0-or-later
//! The hardware on the machine of `fixtures/powernv10`.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::path::Path;
use std::sync::Arc;

use eeh_pe::Bdf;

use super::*;
use crate::topology::{MachineSpec, Synthetic, Topology, synthetic};

const NVME: Bdf = Bdf(0x0100);
const NVME_BAR: u64 = 0x0006_00c0_0000_0000;
/// On PHB 2: root port, switch upstream port, its downstream port, the NVMe behind.
const ROOT: Bdf = Bdf(0);
const UPSTREAM: Bdf = Bdf(0x0100);
const DOWNSTREAM: Bdf = Bdf(0x0200);
const LEAF: Bdf = Bdf(0x0300);
const LEAF_BAR: u64 = 0x0006_00c1_0000_0000;
const SECONDARY_RESET: u32 = 0x40;

fn spec() -> MachineSpec {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/powernv10");
    Topology::load(path).expect("the fixture loads")
}

fn machine() -> (Machine, Arc<VirtualClock>) {
    let clock = Arc::new(VirtualClock::new());
    (Machine::new(&spec(), Arc::clone(&clock) as Arc<dyn SimClock>), clock)
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn read(phb: &Phb, bdf: Bdf, offset: u16, size: u8) -> u32 {
    phb.config_read(bdf, offset, size).expect("the PHB is open")
}

fn write(phb: &Phb, bdf: Bdf, offset: u16, size: u8, value: u32) {
    phb.config_write(bdf, offset, size, value).expect("the PHB is open");
}

fn secondary_reset(phb: &Phb, bridge: Bdf, on: bool) {
    let control = read(phb, bridge, 0x3e, 2);
    let control = if on { control | SECONDARY_RESET } else { control & !SECONDARY_RESET };
    write(phb, bridge, 0x3e, 2, control);
}

#[test]
fn every_bar_of_the_fixtures_answers_and_keeps_what_is_written() {
    for name in ["powernv9", "powernv10"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
        let spec = Topology::load(path).expect("the fixture loads");
        let machine = Machine::new(&spec, Arc::new(VirtualClock::new()));
        assert_eq!(bars_that_answer(&spec, &machine), 12, "{name}");
        assert!(machine.phbs().all(|p| p.freezes() == 0));
    }
}

fn bars_that_answer(spec: &MachineSpec, machine: &Machine) -> u32 {
    let mut bars = 0;
    for phb in &spec.phbs {
        let hw = machine.phb(phb.number).unwrap();
        for f in &phb.functions {
            assert_eq!(read(&hw, f.bdf, 0, 2), u32::from(f.vendor()), "{}", f.bdf);
            // The xhci and the ahci had no driver when the dumps were made.
            let decodes = read(&hw, f.bdf, 4, 2) & 2 != 0;
            for bar in f.bars.iter().filter(|b| !b.io && decodes) {
                assert_eq!(machine.owner(bar.start), Some(phb.number));
                machine.write(bar.start + 4, 4, 0x1234_5678);
                assert_eq!(machine.read(bar.start + 4, 4), 0x1234_5678, "{} {bar:?}", f.bdf);
                assert_eq!(hw.read(bar.start + 6, 2), 0x1234);
                bars += 1;
            }
        }
    }
    bars
}

#[test]
fn breaking_a_device_freezes_its_pe_and_no_other() {
    let (m, _) = machine();
    let phb = m.phb(0).unwrap();
    assert_eq!(phb.break_device(NVME), Ok(u32::MAX));
    assert_eq!(phb.stopped(0x1fd), Stopped::ALL);
    assert_eq!(phb.stopped(0x1fe), Stopped::NO);
    assert_eq!(read(&phb, NVME, 4, 2), 0x0506, "memory decoding is on again");
    assert_eq!(phb.read32(NVME_BAR), u32::MAX);
    assert_eq!(phb.dma(NVME, true, 0x1000), Err(Refused::Stopped));
    assert_eq!(phb.msi(NVME), Err(Refused::Stopped));
    assert!(phb.error_raised());
    assert!(!m.phb(1).unwrap().error_raised());
}

#[test]
fn the_error_interrupt_is_raised_once_until_acknowledged() {
    let (m, _) = machine();
    let count = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&count);
    assert!(m.on_error(Arc::new(move |phb| {
        seen.fetch_add(phb + 1, Ordering::Relaxed);
    })));
    let phb = m.phb(2).unwrap();
    phb.freeze(0xfb);
    phb.freeze(0xfa);
    phb.freeze(0xfb);
    assert_eq!((count.load(Ordering::Relaxed), phb.freezes()), (3, 2));
    phb.acknowledge_error();
    phb.fence();
    assert_eq!(count.load(Ordering::Relaxed), 6);
}

#[test]
fn configuration_space_of_a_frozen_pe_is_a_parameter() {
    let (m, _) = machine();
    let phb = m.phb(0).unwrap();
    phb.freeze(0x1fd);
    assert_eq!(read(&phb, NVME, 0, 4), 0x0010_1b36);
    phb.set_params(PhbParams { config_when_frozen: ConfigWhenFrozen::AllOnes, ..phb.params() });
    assert_eq!(read(&phb, NVME, 0, 4), u32::MAX);
}

#[test]
fn bars_show_their_sizes() {
    let (m, _) = machine();
    let phb = m.phb(0).unwrap();
    let old = read(&phb, NVME, 0x10, 4);
    write(&phb, NVME, 0x10, 4, u32::MAX);
    assert_eq!(read(&phb, NVME, 0x10, 4), 0xffff_c004);
    write(&phb, NVME, 0x10, 4, old);
    assert_eq!(phb.read32(NVME_BAR), 0);
}

#[test]
fn a_secondary_bus_reset_makes_everything_behind_forget() {
    let (m, clock) = machine();
    let phb = m.phb(2).unwrap();
    phb.write32(LEAF_BAR, 7);
    secondary_reset(&phb, DOWNSTREAM, true);
    assert_eq!(read(&phb, LEAF, 0, 4), u32::MAX, "in reset");
    clock.advance(ms(2));
    secondary_reset(&phb, DOWNSTREAM, false);
    assert_eq!(read(&phb, LEAF, 0, 4), u32::MAX, "the link is training");
    clock.advance(ms(20));
    assert_eq!(read(&phb, LEAF, 0, 4), 0xffff_0001, "not ready");
    assert_eq!(read(&phb, LEAF, 0x10, 4), u32::MAX);
    clock.advance(ms(80));
    assert_eq!(read(&phb, LEAF, 0, 4), 0x0010_1b36);
    assert_eq!((read(&phb, LEAF, 4, 2), read(&phb, LEAF, 0x10, 4)), (0, 4));
    assert_eq!(phb.resets(LEAF), Some(Resets { asserted: 1, released: 1 }));
    assert_eq!(phb.resets(DOWNSTREAM), Some(Resets::default()));
    assert_eq!(phb.wire().pairs(), (1, 1));
    assert_eq!(phb.freezes(), 0, "configuration reads freeze nothing");
    assert_eq!(phb.read32(LEAF_BAR), u32::MAX, "its BAR is gone");
    assert_eq!(phb.stopped(0xfb), Stopped::ALL);
}

#[test]
fn a_bridge_that_forgot_its_numbers_hides_what_is_behind() {
    let (m, clock) = machine();
    let phb = m.phb(2).unwrap();
    phb.mask_link_down(true);
    secondary_reset(&phb, ROOT, true);
    secondary_reset(&phb, ROOT, false);
    clock.advance(ms(500));
    assert_eq!(read(&phb, UPSTREAM, 0, 2), 0x104c);
    assert_eq!(read(&phb, UPSTREAM, 0x18, 4), 0);
    assert_eq!(read(&phb, DOWNSTREAM, 0, 4), u32::MAX);
    write(&phb, UPSTREAM, 0x18, 4, 0x0005_0201);
    assert_eq!(read(&phb, DOWNSTREAM, 0, 2), 0x104c);
    assert_eq!(read(&phb, LEAF, 0, 4), u32::MAX);
    write(&phb, DOWNSTREAM, 0x18, 4, 0x0003_0302);
    assert_eq!(read(&phb, LEAF, 0, 2), 0x1b36);
    assert_eq!(phb.read32(LEAF_BAR), u32::MAX, "windows are closed");
    assert_eq!(phb.enumerate(None), 8);
    phb.release(0xfb, Stopped::ALL);
    assert_eq!(phb.read32(LEAF_BAR), 0);
}

#[test]
fn a_reset_of_the_root_port_that_firmware_did_not_prepare_fences_the_phb() {
    let (m, _) = machine();
    let phb = m.phb(0).unwrap();
    secondary_reset(&phb, ROOT, true);
    assert!(phb.is_fenced());
    assert_eq!(phb.config_read(ROOT, 0, 4), Err(Shut::Fenced));
    assert_eq!(phb.read32(NVME_BAR), u32::MAX);
}

#[test]
fn devices_come_back_as_their_timing_says() {
    let (m, clock) = machine();
    let phb = m.phb(2).unwrap();
    let slow = Timing { ready_after: ms(5000), says_rrs: false, ..Timing::default() };
    phb.set_timing(LEAF, slow);
    secondary_reset(&phb, DOWNSTREAM, true);
    secondary_reset(&phb, DOWNSTREAM, false);
    clock.advance(ms(4999));
    assert_eq!(read(&phb, LEAF, 0, 4), u32::MAX);
    clock.advance(ms(1));
    assert_eq!(read(&phb, LEAF, 0, 2), 0x1b36);

    phb.set_timing(DOWNSTREAM, Timing { link_after: Timing::NEVER, ..Timing::default() });
    secondary_reset(&phb, DOWNSTREAM, true);
    secondary_reset(&phb, DOWNSTREAM, false);
    clock.advance(Duration::from_secs(100_000));
    assert_eq!(read(&phb, LEAF, 0, 4), u32::MAX);
}

#[test]
fn conventional_devices_do_not_say_retry() {
    let (m, clock) = machine();
    let phb = m.phb(4).unwrap();
    phb.perst(true);
    phb.perst(false);
    clock.advance(ms(50));
    assert_eq!(read(&phb, Bdf(0x100), 0, 4), u32::MAX, "the ahci has no Express capability");
    clock.advance(ms(50));
    assert_eq!(read(&phb, Bdf(0x100), 0, 4), 0x2922_8086);
}

#[test]
fn a_function_level_reset_concerns_the_function_alone() {
    let (m, clock) = machine();
    let phb = m.phb(3).unwrap();
    let igb = Bdf(0x100);
    let express = phb.describe(igb).unwrap().express;
    write(&phb, igb, express + 8, 2, 0x8000);
    assert_eq!(phb.resets(igb), Some(Resets { asserted: 1, released: 1 }));
    assert_eq!((phb.wire().function, phb.wire().secondary), (1, (0, 0)));
    clock.advance(ms(100));
    assert_eq!(read(&phb, igb, 4, 2), 0);
}

#[test]
fn a_pulled_card_is_gone_and_a_pushed_one_is_fresh() {
    let (m, clock) = machine();
    let phb = m.phb(2).unwrap();
    assert!(phb.pull(LEAF));
    assert!(!phb.pull(LEAF));
    assert_eq!(read(&phb, LEAF, 0, 4), u32::MAX);
    let slot = phb.describe(DOWNSTREAM).unwrap().express + 0x1a;
    assert_eq!(read(&phb, DOWNSTREAM, slot, 2) & 0x48, 8, "empty, and changed");
    assert!(phb.push(LEAF));
    assert_eq!(read(&phb, DOWNSTREAM, slot, 2) & 0x40, 0x40);
    clock.advance(ms(100));
    assert_eq!(read(&phb, LEAF, 4, 2), 0);
    assert_eq!(phb.enumerate(Some(DOWNSTREAM)), 1);
    assert_eq!(phb.read32(LEAF_BAR), 0);
    assert_eq!(phb.resets(LEAF), Some(Resets::default()));
}

#[test]
fn a_function_can_be_plugged_where_none_was() {
    let (m, _) = machine();
    let phb = m.phb(2).unwrap();
    let mut card = spec().phbs[2].function(LEAF).unwrap().clone();
    card.bdf = Bdf(0x301);
    card.pe = Some(0x42);
    for bar in &mut card.bars {
        bar.start += 0x10_0000;
    }
    assert_eq!(read(&phb, card.bdf, 0, 4), u32::MAX);
    assert!(phb.plug(&card));
    assert!(!phb.plug(&card));
    assert_eq!(read(&phb, card.bdf, 0, 2), 0x1b36);
    assert_eq!(phb.pe_of(card.bdf), Some(0x42));
    secondary_reset(&phb, DOWNSTREAM, true);
    assert_eq!(phb.resets(card.bdf).unwrap().asserted, 1, "it hangs from the same port");
}

#[test]
fn a_request_that_nobody_answers_can_freeze() {
    let (m, _) = machine();
    let phb = m.phb(2).unwrap();
    assert_eq!(read(&phb, Bdf(0x308), 0, 4), u32::MAX);
    assert_eq!(phb.freezes(), 0);
    phb.set_params(PhbParams { config_miss_freezes: true, ..phb.params() });
    assert_eq!(read(&phb, Bdf(0x308), 0, 4), u32::MAX);
    assert_eq!(phb.stopped(0xff), Stopped::ALL, "the reserved PE");
}

#[test]
fn lines_that_a_bridge_asserts_end_when_it_forgets() {
    let (m, clock) = machine();
    let phb = m.phb(2).unwrap();
    secondary_reset(&phb, DOWNSTREAM, true);
    let slot = phb.slot_control(Bdf(0x208)).unwrap();
    write(&phb, Bdf(0x208), slot, 2, read(&phb, Bdf(0x208), slot, 2) | 0x400);
    secondary_reset(&phb, ROOT, true);
    assert!(phb.is_fenced(), "nobody had masked the link");
    phb.perst(true);
    phb.reset_logic();
    phb.perst(false);
    clock.advance(ms(1000));
    assert_eq!(phb.enumerate(None), 8);
    assert_eq!(phb.read32(LEAF_BAR), 0);
    let (asserted, released) = phb.wire().pairs();
    assert_eq!(asserted, released);
    for bdf in phb.homes() {
        let r = phb.resets(bdf).unwrap();
        assert_eq!(r.asserted, r.released, "{bdf}");
    }
}

#[test]
fn an_armed_error_is_met_once() {
    let (m, _) = machine();
    let phb = m.phb(0).unwrap();
    let j = Injection { pe: 0x1fd, on: InjectOn::MemRead, address: NVME_BAR + 8, mask: u64::MAX };
    assert!(phb.inject(j));
    assert_eq!(phb.read32(NVME_BAR), 0);
    assert_eq!(phb.read32(NVME_BAR + 8), u32::MAX);
    assert_eq!(phb.stopped(0x1fd), Stopped::ALL);
    assert_eq!(phb.injection(), None);
}

#[test]
fn a_phb_can_go_and_come_back() {
    let (m, _) = machine();
    let old = m.remove_phb(1).unwrap();
    assert!(m.phb(1).is_none() && m.remove_phb(1).is_none());
    old.freeze(0xfd);
    assert!(m.add_phb(&spec().phbs[1]));
    assert!(!m.add_phb(&spec().phbs[1]));
    assert_eq!(m.phb(1).unwrap().stopped(0xfd), Stopped::NO);
    assert_eq!(m.phbs().count(), 6);
}

#[test]
fn diag_data_have_the_size_that_the_device_tree_says_and_show_the_freeze() {
    let (m, _) = machine();
    let phb = m.phb(0).unwrap();
    phb.freeze(0x1fd);
    let d = phb.diag();
    assert_eq!(d.len(), 0x2180);
    let u32_at = |o: usize| u32::from_be_bytes(d[o..o + 4].try_into().unwrap());
    // Version, type, length, brdgCtl; device, slot, link and command status as in the recorded log.
    assert_eq!([u32_at(0), u32_at(4), u32_at(8), u32_at(12)], [1, 3, 0x2180, 2]);
    let expected = [0x0000_000f, 0x0040_03c0, 0x2011_0000, 0x0010_0107, 0];
    assert_eq!([16, 20, 24, 28, 32].map(u32_at), expected);
    let pest_a = 384 + 8 * 0x1fd;
    assert_eq!(d[pest_a], 0x80);
    assert_eq!(d[pest_a + 512 * 8], 0x80);
}

#[test]
fn a_large_machine_is_built_of_shared_parts() {
    let spec = synthetic(&Synthetic { phbs: 64, functions: 10_000, seed: 1 }).unwrap();
    let machine = Machine::new(&spec, Arc::new(VirtualClock::new()));
    assert_eq!(machine.phbs().count(), 64);
    let all: usize = machine.phbs().map(|p| p.homes().len()).sum();
    assert!(all >= 10_000, "{all}");
    let bytes: usize = machine.phbs().map(|p| p.config_bytes()).sum();
    assert!(bytes < 10_000 * 1024, "{bytes} bytes of configuration space");
}
