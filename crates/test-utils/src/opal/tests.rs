// SPDX-License-Identifier: GPL-2.0-or-later
//! The firmware on the machine of `fixtures/powernv10`, beyond what was recorded.

use std::path::Path;
use std::sync::mpsc;
use std::thread;

use eeh_pe::{Bdf, Time};
use eeh_powernv::opal::{REINIT_PCI_DEV, action, error, reset, scope, severity, slot_id, stopped};

use super::*;
use crate::hw::{HubError, InjectOn, Resets, SimClock, Timing, VirtualClock};
use crate::topology::{MachineSpec, PhbKind, Topology};

const LEAF: Bdf = Bdf(0x300);
const DEVICE: Bdf = Bdf(0x100);

fn spec() -> MachineSpec {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/powernv10");
    Topology::load(path).expect("the fixture loads")
}

fn of(spec: &MachineSpec, version: Version) -> (Firmware, Arc<VirtualClock>) {
    let clock = Arc::new(VirtualClock::new());
    let machine = Arc::new(Machine::new(spec, Arc::clone(&clock) as Arc<dyn SimClock>));
    (Firmware::new(machine, version), clock)
}

fn skiboot() -> (Firmware, Arc<VirtualClock>) {
    of(&spec(), Version::skiboot())
}

/// skiboot on a real machine: no refusals.
fn hardware() -> (Firmware, Arc<VirtualClock>) {
    let quirks = Quirks { leaves_link_unstable: false, ..Quirks::default() };
    of(&spec(), Version::Skiboot(quirks))
}

fn ideal() -> (Firmware, Arc<VirtualClock>) {
    of(&spec(), Version::Ideal)
}

fn phb(fw: &Firmware, number: u32) -> Arc<Phb> {
    fw.machine().phb(number).expect("the PHB")
}

/// Asserts and polls as a kernel does. Answers the codes; time passes as asked.
fn whole_reset(fw: &Firmware, clock: &VirtualClock, id: u64, kind: u8) -> Vec<i64> {
    let mut codes = vec![fw.pci_reset(id, kind, reset::ASSERT)];
    while let Some(&wait) = codes.last().filter(|&&c| c > 0) {
        clock.advance(Duration::from_millis(wait.cast_unsigned()));
        codes.push(fw.pci_poll(id));
        assert!(codes.len() < 10_000);
    }
    codes
}

fn state(fw: &Firmware, phb: u64, pe: u64) -> (i64, u8, u16) {
    let mut out = FreezeStatus::default();
    let code = fw.pci_eeh_freeze_status(phb, pe, &mut out);
    (code, out.freeze_state, out.pci_error_type)
}

fn next(fw: &Firmware, phb: u64) -> (u64, u16, u16) {
    let mut out = NextErrorOut::default();
    assert_eq!(fw.pci_next_error(phb, &mut out), rc::SUCCESS);
    (out.first_frozen_pe, out.pci_error_type, out.severity)
}

fn config(fw: &Firmware, phb: u64, bdf: Bdf, offset: u16, size: u8) -> (i64, u32) {
    let mut out = 0;
    let code = fw.pci_config_read(phb, bdf.0, offset, size, &mut out);
    (code, out)
}

#[test]
fn bad_arguments_are_refused() {
    let (fw, _) = skiboot();
    let d = &mut [0; 0x2180][..];
    assert_eq!(state(&fw, 9, 0).0, rc::PARAMETER, "no such PHB");
    assert_eq!(state(&fw, 1 << 40, 0).0, rc::PARAMETER);
    assert_eq!(state(&fw, 1, 256).0, rc::PARAMETER, "no such PE");
    assert_eq!(fw.pci_eeh_freeze_set(0, 512, action::ALL), rc::PARAMETER);
    assert_eq!(fw.pci_eeh_freeze_set(0, 1, 0), rc::PARAMETER);
    assert_eq!(fw.pci_eeh_freeze_clear(0, 1, 4), rc::PARAMETER);
    assert_eq!(fw.pci_reset(0, scope::PCI_HOT, 2), rc::PARAMETER);
    assert_eq!(fw.pci_reset(0, 2, reset::ASSERT), rc::UNSUPPORTED);
    assert_eq!(fw.pci_reset(slot_id(0, DEVICE.0), scope::PCI_HOT, reset::ASSERT), rc::PARAMETER, "no slot");
    let port = slot_id(2, 0x200);
    assert_eq!(fw.pci_reset(port, scope::PHB_COMPLETE, reset::ASSERT), rc::UNSUPPORTED);
    assert_eq!(fw.pci_poll(port), rc::HARDWARE, "nothing to poll for");
    assert_eq!(fw.pci_get_phb_diag_data2(0, &mut d[..0x217f]), rc::PARAMETER);
    assert_eq!(fw.pci_get_hub_diag_data(0, d), rc::PARAMETER, "no hub");
    assert_eq!(fw.pci_reinit(0, 1, 0), rc::PARAMETER);
    assert_eq!(fw.pci_reinit(0, REINIT_PCI_DEV, 0x900), rc::PARAMETER);
    assert_eq!(config(&fw, 0, DEVICE, 1, 2), (rc::PARAMETER, 0xffff));
    assert_eq!(config(&fw, 0, DEVICE, 0x1000, 4), (rc::PARAMETER, u32::MAX));
    assert_eq!(config(&fw, 0, Bdf(8), 0, 4), (rc::HARDWARE, u32::MAX), "one device on the root bus");
    assert_eq!(fw.pci_err_inject(0, 1, 2, 4, 0, 0), rc::PARAMETER);
    assert_eq!(fw.pci_err_inject(0, 0x1ff, 1, 4, 0, 0), rc::PARAMETER, "the reserved PE");
    assert_eq!(fw.pci_err_inject(0, 0x1fd, 1, 20, 0, 0), rc::PARAMETER);
}

#[test]
fn freezes_are_set_cleared_and_reported_by_halves() {
    let (fw, _) = skiboot();
    assert_eq!(fw.pci_eeh_freeze_set(0, 3, action::MMIO), rc::SUCCESS);
    assert_eq!(state(&fw, 0, 3), (0, stopped::MMIO, error::NONE));
    assert_eq!(fw.pci_eeh_freeze_set(0, 3, action::DMA), rc::SUCCESS);
    assert_eq!(state(&fw, 0, 3), (0, stopped::MMIO_DMA, error::NONE));
    assert_eq!(fw.pci_eeh_freeze_clear(0, 3, action::MMIO), rc::SUCCESS);
    assert_eq!(state(&fw, 0, 3), (0, stopped::DMA, error::NONE));
    assert!(!fw.event_pending(), "firmware's own doing is no error");
}

#[test]
fn the_next_error_is_of_the_highest_64_pes_and_there_the_lowest() {
    let (fw, _) = skiboot();
    let hw = phb(&fw, 0);
    for pe in [0x05, 0x1fd, 0x1fe, 0x44] {
        hw.freeze(pe);
    }
    assert!(fw.event_pending());
    let mut seen = Vec::new();
    loop {
        let (pe, kind, _) = next(&fw, 0);
        if kind == error::NONE {
            assert_eq!(pe, u64::MAX);
            break;
        }
        seen.push(pe);
        fw.pci_eeh_freeze_clear(0, pe, action::ALL);
    }
    assert_eq!(seen, [0x1fd, 0x1fe, 0x44, 0x05]);
    assert!(!fw.event_pending());
}

#[test]
fn a_fence_shows_in_every_pe_and_a_complete_reset_ends_it() {
    let (fw, clock) = skiboot();
    let hw = phb(&fw, 2);
    hw.freeze(0xfb);
    hw.fence();
    assert_eq!(next(&fw, 2), (u64::MAX, error::PHB, severity::PHB_FENCED));
    assert_eq!(state(&fw, 2, 0x10), (0, stopped::MMIO_DMA, error::PHB));
    assert_eq!(config(&fw, 2, Bdf(0), 0, 4), (rc::HARDWARE, u32::MAX));
    assert_eq!(fw.pci_eeh_freeze_clear(2, 0xfb, action::ALL), rc::HARDWARE);
    assert_eq!(whole_reset(&fw, &clock, 2, scope::PHB_COMPLETE), [10, 10, 230, 1, 1, 10, 10, 0]);
    assert_eq!(fw.pci_reset(2, scope::PHB_COMPLETE, reset::DEASSERT), rc::SUCCESS);
    assert_eq!(state(&fw, 2, 0xfb), (0, stopped::NOT_FROZEN, error::NONE));
    clock.advance(Duration::from_millis(200));
    assert_eq!(config(&fw, 2, DEVICE, 0, 2), (0, 0x104c));
    assert_eq!(config(&fw, 2, DEVICE, 0x18, 4), (0, 0), "the switch has forgotten");
    assert_eq!(hw.resets(LEAF), Some(Resets { asserted: 1, released: 1 }));
    assert_eq!(hw.wire().pairs(), (2, 2), "PERST and the PHB's logic");
}

#[test]
fn the_published_phb4_keeps_quiet_about_a_fence() {
    let quirks = Quirks { fence_is_silent: true, ..Quirks::default() };
    let (fw, _) = of(&spec(), Version::Skiboot(quirks));
    phb(&fw, 2).fence();
    assert_eq!(next(&fw, 2).1, error::NONE);
    assert_eq!(state(&fw, 2, 0).2, error::PHB);
}

#[test]
fn a_dead_phb_stays_dead() {
    for (fw, clock) in [skiboot(), ideal()] {
        phb(&fw, 1).kill();
        assert_eq!(next(&fw, 1), (u64::MAX, error::PHB, severity::PHB_DEAD));
        assert_eq!(state(&fw, 1, 0xfd), (rc::HARDWARE, stopped::MMIO_DMA, error::PHB));
        for kind in [scope::PHB_COMPLETE, scope::PCI_HOT, scope::PCI_FUNDAMENTAL] {
            assert_eq!(whole_reset(&fw, &clock, 1, kind), [rc::HARDWARE]);
        }
        assert_eq!(fw.pci_get_phb_diag_data2(1, &mut [0; 0x2180]), rc::HARDWARE);
        assert_eq!(config(&fw, 1, Bdf(0), 0, 4).0, rc::HARDWARE);
    }
}

#[test]
fn under_qemu_every_other_hot_reset_is_refused() {
    let (fw, clock) = skiboot();
    for round in 1..4 {
        assert_eq!(whole_reset(&fw, &clock, 0, scope::PCI_HOT), [rc::HARDWARE]);
        assert_eq!(whole_reset(&fw, &clock, 0, scope::PCI_HOT), [1000, 1000, 1, 1, 0]);
        assert_eq!(phb(&fw, 0).resets(DEVICE), Some(Resets { asserted: round, released: round }));
    }
    assert_eq!(whole_reset(&fw, &clock, 0, scope::PCI_FUNDAMENTAL), [rc::HARDWARE]);
    assert_eq!(whole_reset(&fw, &clock, 0, scope::PCI_FUNDAMENTAL), [250, 1, 1, 10, 10, 0]);
}

#[test]
fn on_a_real_machine_no_reset_is_refused_and_bus_numbers_come_back() {
    let (fw, clock) = hardware();
    let codes = whole_reset(&fw, &clock, 2, scope::PCI_HOT);
    assert_eq!(codes, [1000, 1000, 1, 1, 1000, 0]);
    assert_eq!(config(&fw, 2, DEVICE, 0x18, 4), (0, 0x0005_0201));
    assert_eq!(config(&fw, 2, LEAF, 0, 2), (0, 0x1b36), "behind two bridges");
    assert_eq!(whole_reset(&fw, &clock, 2, scope::PCI_HOT), codes);
    assert_eq!(whole_reset(&fw, &clock, 2, scope::PCI_FUNDAMENTAL)[0], 250);
}

#[test]
fn configuration_cycles_are_blocked_while_firmware_resets() {
    for (fw, clock) in [hardware(), ideal()] {
        let first = fw.pci_reset(2, scope::PCI_HOT, reset::ASSERT);
        assert!(first > 0);
        assert_eq!(config(&fw, 2, DEVICE, 0, 4), (rc::HARDWARE, u32::MAX));
        assert_eq!(config(&fw, 2, Bdf(0), 0, 2), (0, 0x1014), "the root port answers");
        clock.advance(Duration::from_millis(first.cast_unsigned()));
        let mut wait = fw.pci_poll(2);
        while wait > 0 {
            clock.advance(Duration::from_millis(wait.cast_unsigned()));
            wait = fw.pci_poll(2);
        }
        assert_eq!(config(&fw, 2, DEVICE, 0, 4).0, rc::SUCCESS);
        assert!(!phb(&fw, 2).is_fenced());
    }
}

#[test]
fn ideal_firmware_resets_in_the_time_that_pcie_asks_for() {
    let (fw, clock) = ideal();
    for (id, number, device) in
        [(0, 0, DEVICE), (slot_id(2, 0x200), 2, LEAF), (slot_id(2, DEVICE.0), 2, LEAF)]
    {
        for kind in [scope::PCI_HOT, scope::PCI_FUNDAMENTAL] {
            let (begin, before) = (clock.now(), phb(&fw, number).resets(device).unwrap().released);
            assert_eq!(whole_reset(&fw, &clock, id, kind).last(), Some(&0));
            assert_eq!(clock.now().since(begin), Duration::from_millis(102));
            let expected = Resets { asserted: before + 1, released: before + 1 };
            assert_eq!(phb(&fw, number).resets(device), Some(expected));
        }
    }
    phb(&fw, 0).fence();
    assert_eq!(whole_reset(&fw, &clock, 0, scope::PCI_HOT), [rc::HARDWARE], "a fence needs more");
    assert_eq!(whole_reset(&fw, &clock, 0, scope::PHB_COMPLETE), [2, 100, 0]);
    assert!(!phb(&fw, 0).is_fenced());
}

#[test]
fn a_link_that_never_trains_fails_the_reset_in_the_end() {
    let (fw, clock) = hardware();
    let never = Timing { link_after: Timing::NEVER, ..Timing::default() };
    phb(&fw, 0).set_timing(Bdf(0), never);
    let begin = clock.now();
    let codes = whole_reset(&fw, &clock, 0, scope::PCI_HOT);
    assert_eq!(codes.last(), Some(&rc::HARDWARE));
    assert!(clock.now().since(begin) > Duration::from_secs(10), "skiboot starts over four times");
}

#[test]
fn firmware_waits_inside_the_call_for_slow_devices_behind_a_switch_port() {
    let (fw, clock) = skiboot();
    let slow = Timing { ready_after: Duration::from_millis(4500), ..Timing::default() };
    phb(&fw, 2).set_timing(LEAF, slow);
    let begin = clock.now();
    let codes = whole_reset(&fw, &clock, slot_id(2, 0x200), scope::PCI_HOT);
    assert_eq!(codes, [250, 1800, 1000, 0]);
    // The second that a silent port gets, then 100 ms at a time until it says no more "retry".
    assert_eq!(clock.now().since(begin), Duration::from_millis(250 + 4500));
}

#[test]
fn a_slot_without_power_control_is_not_reset_by_a_fundamental_reset() {
    let (fw, clock) = skiboot();
    let up = slot_id(2, DEVICE.0);
    assert_eq!(whole_reset(&fw, &clock, up, scope::PCI_FUNDAMENTAL).last(), Some(&0));
    assert_eq!(phb(&fw, 2).resets(LEAF), Some(Resets::default()));
    assert_eq!(whole_reset(&fw, &clock, slot_id(2, 0x200), scope::PCI_FUNDAMENTAL).last(), Some(&0));
    assert_eq!(phb(&fw, 2).resets(LEAF), Some(Resets { asserted: 1, released: 1 }));
}

#[test]
fn an_injected_error_meets_the_next_access() {
    let (fw, _) = skiboot();
    assert_eq!(fw.pci_err_inject(0, 0x1fd, 1, 0, 0, 0), rc::UNSUPPORTED, "PHB5 has no memory errors");
    assert_eq!(fw.pci_err_inject(0, 0x1fd, 1, 4, 0x100 << 44, 0), rc::SUCCESS);
    assert_eq!(config(&fw, 0, DEVICE, 0, 4), (0, u32::MAX));
    assert_eq!(state(&fw, 0, 0x1fd).1, stopped::MMIO_DMA);
    assert_eq!(config(&fw, 0, DEVICE, 0, 2), (0, 0x1b36), "once");

    let (fw, _) = ideal();
    assert_eq!(fw.pci_err_inject(0, 0x1fd, 1, 0, 0x8000_0010, u64::MAX), rc::SUCCESS);
    assert_eq!(phb(&fw, 0).injection().map(|j| j.on), Some(InjectOn::MemRead));
    assert_eq!(phb(&fw, 0).read32(0x0006_00c0_0000_0010), u32::MAX, "by its bus address");
    assert_eq!(fw.pci_err_inject(0, 0x1fd, 1, 6, 0, 0), rc::SUCCESS);
    assert_eq!(fw.pci_reset(0, scope::PHB_ERROR, reset::ASSERT), rc::SUCCESS);
    assert_eq!(phb(&fw, 0).injection(), None);
}

#[test]
fn reinit_turns_error_reporting_on_again() {
    let (fw, _) = skiboot();
    let hw = phb(&fw, 3);
    hw.config_write(DEVICE, 4, 2, 6).unwrap();
    assert_eq!(fw.pci_reinit(3, REINIT_PCI_DEV, 0x100), rc::SUCCESS);
    assert_eq!(hw.config_read(DEVICE, 4, 2), Ok(0x146));
}

#[test]
fn a_hub_has_its_own_errors() {
    let mut spec = spec();
    for p in &mut spec.phbs {
        p.kind = PhbKind::P7ioc;
        p.pe_count = 128;
    }
    let (fw, _) = of(&spec, Version::skiboot());
    phb(&fw, 0).hub_error(HubError::Informative);
    phb(&fw, 1).hub_error(HubError::Dead);
    assert_eq!(next(&fw, 0), (u64::MAX, error::IOC, severity::INFORMATIVE));
    assert_eq!(next(&fw, 1), (u64::MAX, error::IOC, severity::IOC_DEAD));
    let mut data = [0; 128];
    assert_eq!(fw.pci_get_hub_diag_data(0, &mut data), rc::SUCCESS);
    assert_eq!(data[..2], [0, 1]);
    assert_eq!(next(&fw, 0).1, error::NONE, "told");
    assert_eq!(fw.pci_get_phb_diag_data2(2, &mut [0; 2320]), rc::SUCCESS);
}

#[test]
fn a_phb3_knows_no_stable_link() {
    let mut spec = spec();
    spec.phbs[0].kind = PhbKind::Phb3;
    let (fw, clock) = of(&spec, Version::skiboot());
    for _ in 0..2 {
        assert_eq!(whole_reset(&fw, &clock, 0, scope::PCI_HOT), [1000, 1000, 100, 100, 0]);
        assert_eq!(whole_reset(&fw, &clock, 0, scope::PCI_FUNDAMENTAL), [1000, 1000, 100, 100, 0]);
    }
    let complete = whole_reset(&fw, &clock, 0, scope::PHB_COMPLETE);
    assert_eq!(complete, [10, 100, 100, 1000, 100, 100, 0]);
    assert_eq!(fw.pci_get_phb_diag_data2(0, &mut [0; 4392]), rc::SUCCESS);
}

#[test]
fn a_phb_that_came_back_is_as_after_boot() {
    let (fw, clock) = skiboot();
    assert_eq!(whole_reset(&fw, &clock, 1, scope::PCI_HOT), [rc::HARDWARE]);
    fw.machine().remove_phb(1);
    assert_eq!(fw.pci_reset(1, scope::PCI_HOT, reset::ASSERT), rc::PARAMETER);
    assert!(fw.machine().add_phb(&spec().phbs[1]));
    assert_eq!(whole_reset(&fw, &clock, 1, scope::PCI_HOT), [rc::HARDWARE], "armed anew");
}

/// A clock on which a busy call stays busy until it is let go.
#[derive(Debug)]
struct Stuck {
    busy: mpsc::SyncSender<()>,
    go: Mutex<mpsc::Receiver<()>>,
}

impl SimClock for Stuck {
    fn now(&self) -> Time {
        Time::ZERO
    }

    fn spend(&self, _: Duration) {
        self.busy.send(()).expect("somebody waits");
        self.go.lock().unwrap().recv_timeout(Duration::from_secs(20)).expect("somebody lets go");
    }
}

#[test]
fn a_call_that_takes_its_time_holds_up_no_other_phb() {
    let (busy, is_busy) = mpsc::sync_channel(1);
    let (let_go, go) = mpsc::sync_channel(1);
    let clock: Arc<dyn SimClock> = Arc::new(Stuck { busy, go: Mutex::new(go) });
    let fw = Firmware::new(Arc::new(Machine::new(&spec(), clock)), Version::skiboot());
    thread::scope(|s| {
        let long = s.spawn(|| fw.pci_get_phb_diag_data2(0, &mut [0; 0x2180]));
        is_busy.recv().unwrap();
        // Would wait for ever if anything were shared: the other call ends only after these.
        for phb in 1..6 {
            assert_eq!(state(&fw, phb, 1).0, rc::SUCCESS);
            assert_eq!(config(&fw, phb, DEVICE, 0, 4).0, rc::SUCCESS);
        }
        assert!(!long.is_finished());
        let_go.send(()).unwrap();
        assert_eq!(long.join().unwrap(), rc::SUCCESS);
    });
}
