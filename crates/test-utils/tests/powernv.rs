// SPDX-License-Identifier: GPL-2.0-or-later
//! The PowerNV back end on the simulated machine's firmware: resets are seen on the wire, and error
//! data say what the machine did.

use core::fmt;
use core::time::Duration;
use std::path::Path;
use std::sync::Arc;

use eeh_pe::{Bdf, DeviceFlags, DeviceId, PeId, PeNumber, PeType, PhbNumber, TreeId};
use eeh_powernv::opal::rc;
use eeh_powernv::{PhbFacts, PhbModel, Phbs, PowerNv};
use eeh_recovery::{
    ConfigSpace, DeviceTarget, ErrorLog, ErrorSource, FirmwareError, FreezeState, NextError, PeTarget,
    PhbTarget, ResetKind, ResetPoint, ResetPoll, SlotControl, SlotState, Thaw, Wait, Width,
};
use test_utils::hw::{Machine, Phb, SimClock, VirtualClock};
use test_utils::opal::{Firmware, Version};
use test_utils::topology::{MachineSpec, Topology};

/// PHB 0: an NVMe below the root port. PHB 2: a switch; its first downstream port, and the NVMe there.
const NVME: (u32, Bdf, u32) = (0, Bdf(0x0100), 0x1fd);
const PORT: Bdf = Bdf(0x0200);
const LEAF: (u32, Bdf, u32) = (2, Bdf(0x0300), 0xfb);

/// The environment: what the device tree would say.
struct Table(Arc<Machine>);

impl Phbs for Table {
    fn facts(&self, phb: u64) -> Option<PhbFacts> {
        let phb = self.0.phb(u32::try_from(phb).ok()?)?;
        let (diag_size, pe_count) = (phb.diag_size(), phb.pe_count());
        Some(PhbFacts { model: PhbModel::Phb4, hub: 0, diag_size, pe_count })
    }
    fn rearm(&self, phb: u64) {
        if let Some(phb) = u32::try_from(phb).ok().and_then(|number| self.0.phb(number)) {
            phb.acknowledge_error();
        }
    }
    fn line(&self, _: u64, line: fmt::Arguments<'_>) {
        panic!("{line}");
    }
}

struct Rig {
    clock: Arc<VirtualClock>,
    machine: Arc<Machine>,
    back: PowerNv<Firmware, Table>,
}

impl Rig {
    fn new(version: Version) -> Self {
        Self::with(version, |_| {})
    }

    fn with(version: Version, change: impl FnOnce(&mut MachineSpec)) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/powernv10");
        let clock = Arc::new(VirtualClock::new());
        let mut spec = Topology::load(path).unwrap();
        change(&mut spec);
        let machine = Arc::new(Machine::new(&spec, Arc::clone(&clock) as Arc<dyn SimClock>));
        let back = PowerNv::new(Firmware::new(Arc::clone(&machine), version), Table(Arc::clone(&machine)));
        Self { clock, machine, back }
    }

    fn phb(&self, number: u32) -> Arc<Phb> {
        self.machine.phb(number).unwrap()
    }

    /// One attempt, to its end: the outcome, and the waits in milliseconds.
    fn reset(&self, pe: &PeTarget, point: &ResetPoint, kind: ResetKind) -> (ResetPoll, Vec<(Wait, u128)>) {
        let mut attempt = self.back.begin_reset(pe, point, kind);
        let mut waits = Vec::new();
        loop {
            let now = self.clock.now();
            match self.back.poll_reset(&mut attempt, now) {
                ResetPoll::Wait { until, why } => {
                    waits.push((why, until.since(now).as_millis()));
                    self.clock.set(until);
                }
                end @ (ResetPoll::Done | ResetPoll::Failed(_)) => return (end, waits),
            }
        }
    }

    /// Times that a function was reset; it must be out of reset.
    fn resets(&self, (phb, bdf, _): (u32, Bdf, u32)) -> u32 {
        let resets = self.phb(phb).resets(bdf).unwrap();
        assert_eq!(resets.asserted, resets.released, "{bdf} is held in reset");
        resets.asserted
    }
}

fn phb(number: u32) -> PhbTarget {
    PhbTarget { tree: TreeId::NONE, number: PhbNumber(number), firmware: number.into() }
}

fn pe((number, _, pe): (u32, Bdf, u32)) -> PeTarget {
    PeTarget { pe: PeId::NONE, phb: phb(number), number: PeNumber(pe), kind: PeType::BUS }
}

fn phb_pe(number: u32) -> PeTarget {
    PeTarget { pe: PeId::NONE, phb: phb(number), number: PeNumber(0), kind: PeType::PHB }
}

fn port() -> DeviceTarget {
    DeviceTarget {
        device: DeviceId::NONE,
        phb: phb(LEAF.0),
        bdf: PORT,
        flags: DeviceFlags::BRIDGE | DeviceFlags::DS_PORT,
        pcie_cap: 0x90,
        aer_cap: 0x100,
        af_cap: 0,
        pcix_cap: 0,
        reset_by_firmware: true,
        link_active_reporting: false,
        conventional: false,
    }
}

fn both() -> [Version; 2] {
    [Version::skiboot(), Version::Ideal]
}

#[test]
fn freeze_and_thaw_are_seen_from_both_sides() {
    for version in both() {
        let rig = Rig::new(version);
        assert_eq!(rig.back.state(&pe(NVME)), Ok(FreezeState::Active));
        assert!(rig.phb(0).freeze(NVME.2));
        assert_eq!(rig.back.state(&pe(NVME)), Ok(FreezeState::Frozen));
        assert_eq!(rig.back.thaw(&pe(NVME), Thaw::Mmio), Ok(()));
        assert_eq!(rig.back.state(&pe(NVME)), Ok(FreezeState::DmaFrozen));
        assert_eq!(rig.back.thaw(&pe(NVME), Thaw::Dma), Ok(()));
        assert_eq!(rig.back.state(&pe(NVME)), Ok(FreezeState::Active));
        assert_eq!(rig.back.freeze(&pe(NVME)), Ok(()));
        assert_eq!(rig.back.state(&pe(NVME)), Ok(FreezeState::Frozen));
        assert_eq!(rig.back.state(&phb_pe(0)), Ok(FreezeState::Active));
    }
}

#[test]
fn skiboots_refused_reset_resets_nothing_and_the_next_attempt_does() {
    let rig = Rig::new(Version::skiboot());
    for round in 0..2 {
        let refused = FirmwareError::Failed { call: "OPAL_PCI_RESET", code: rc::HARDWARE };
        let (end, waits) = rig.reset(&pe(NVME), &ResetPoint::RootBus, ResetKind::Hot);
        assert_eq!((end, waits), (ResetPoll::Failed(refused), Vec::new()));
        assert_eq!(rig.resets(NVME), round);
        let (end, waits) = rig.reset(&pe(NVME), &ResetPoint::RootBus, ResetKind::Hot);
        assert_eq!(end, ResetPoll::Done);
        assert!(waits.iter().all(|wait| wait.0 == Wait::OpalPoll));
        assert!(waits.iter().map(|wait| wait.1).sum::<u128>() >= 2000);
        assert_eq!(rig.resets(NVME), round + 1);
    }
    assert_eq!(rig.phb(0).wire().secondary, (2, 2));
}

#[test]
fn ideal_firmware_resets_below_the_root_port_at_the_first_attempt() {
    for kind in [ResetKind::Hot, ResetKind::Fundamental] {
        let rig = Rig::new(Version::Ideal);
        assert_eq!(rig.reset(&pe(NVME), &ResetPoint::RootBus, kind).0, ResetPoll::Done);
        assert_eq!(rig.resets(NVME), 1);
        let (asserted, released) = rig.phb(0).wire().pairs();
        assert_eq!((asserted, released), (1, 1));
    }
}

#[test]
fn a_hot_reset_below_a_switch_port_is_one_pair_on_the_ports_wire() {
    for version in both() {
        let rig = Rig::new(version);
        let (end, waits) = rig.reset(&pe(LEAF), &ResetPoint::Bridge(port()), ResetKind::Hot);
        assert_eq!(end, ResetPoll::Done);
        let total: u128 = waits.iter().map(|wait| wait.1).sum();
        assert!(total <= 22, "{waits:?}");
        assert_eq!(rig.resets(LEAF), 1);
        assert_eq!(rig.phb(LEAF.0).wire().pairs(), (1, 1));
    }
}

#[test]
fn a_fundamental_reset_below_a_switch_port_is_firmwares() {
    for version in both() {
        let rig = Rig::new(version);
        let (end, waits) = rig.reset(&pe(LEAF), &ResetPoint::Bridge(port()), ResetKind::Fundamental);
        assert_eq!(end, ResetPoll::Done, "{waits:?}");
        assert!(waits.iter().all(|wait| wait.0 == Wait::OpalPoll));
        assert_eq!(rig.resets(LEAF), 1);
    }
}

#[test]
fn a_fundamental_reset_where_no_power_is_switched_is_the_ports_own() {
    for version in both() {
        let rig = Rig::with(version, |spec| {
            let phb = spec.phbs.iter_mut().find(|phb| phb.number == LEAF.0).unwrap();
            let port = phb.functions.iter_mut().find(|function| function.bdf == PORT).unwrap();
            // Power Controller Present, of the Slot Capabilities.
            port.config[0x90 + 0x14] &= !2;
        });
        let (end, waits) = rig.reset(&pe(LEAF), &ResetPoint::Bridge(port()), ResetKind::Fundamental);
        assert_eq!(end, ResetPoll::Done, "{waits:?}");
        assert_eq!(rig.resets(LEAF), 1, "firmware says that it was reset, and it was not");
    }
}

#[test]
fn an_attempt_given_up_in_the_middle_leaves_nothing_in_reset_below_a_switch() {
    for version in both() {
        let rig = Rig::new(version);
        let mut attempt = rig.back.begin_reset(&pe(LEAF), &ResetPoint::Bridge(port()), ResetKind::Hot);
        assert!(matches!(rig.back.poll_reset(&mut attempt, rig.clock.now()), ResetPoll::Wait { .. }));
        rig.back.abandon_reset(&mut attempt);
        assert_eq!(rig.resets(LEAF), 1);
        assert_eq!(rig.phb(LEAF.0).wire().pairs(), (1, 1));
        let mask = rig.back.read(&port(), 0x108, Width::Word).unwrap();
        assert_eq!(mask & 0x20, 0, "surprise down stays masked");
    }
}

#[test]
fn a_fence_is_seen_from_any_pe_and_a_complete_reset_lifts_it() {
    for version in both() {
        let rig = Rig::new(version);
        rig.phb(0).fence();
        assert_eq!(rig.back.state(&pe(NVME)), Ok(FreezeState::PhbFenced));
        assert_eq!(rig.back.state(&phb_pe(0)), Ok(FreezeState::PhbFenced));
        assert_eq!(rig.back.next_error(&phb(0)), Ok(NextError::FencedPhb));
        let (end, waits) = rig.reset(&phb_pe(0), &ResetPoint::Phb, ResetKind::Hot);
        assert_eq!(end, ResetPoll::Done, "{waits:?}");
        assert_eq!(rig.back.state(&phb_pe(0)), Ok(FreezeState::Active));
        assert_eq!(rig.back.state(&pe(NVME)), Ok(FreezeState::Active));
        let wire = rig.phb(0).wire();
        assert_eq!(wire.complete, (1, 1));
        assert_eq!(wire.pairs().0, wire.pairs().1);
        assert!(rig.resets(NVME) >= 1);
    }
}

#[test]
fn a_dead_phb_is_an_error_to_every_call_and_told_by_next_error() {
    for version in both() {
        let rig = Rig::new(version);
        rig.phb(0).kill();
        assert!(rig.back.state(&pe(NVME)).is_err());
        assert_eq!(rig.back.next_error(&phb(0)), Ok(NextError::DeadPhb));
        assert!(rig.back.thaw(&pe(NVME), Thaw::All).is_err());
        let (end, _) = rig.reset(&phb_pe(0), &ResetPoint::Phb, ResetKind::Hot);
        assert!(matches!(end, ResetPoll::Failed(_)));
        assert!(rig.back.capture(&pe(NVME), eeh_recovery::Severity::Temporary, &[], &mut [0; 9000]).is_err());
    }
}

#[test]
fn a_frozen_pe_is_the_next_error_until_it_is_thawed_and_its_log_names_it() {
    for version in both() {
        let rig = Rig::new(version);
        assert_eq!(rig.back.next_error(&phb(0)), Ok(NextError::None));
        assert!(rig.phb(0).freeze(NVME.2));
        assert_eq!(rig.back.next_error(&phb(0)), Ok(NextError::FrozenPe(PeNumber(NVME.2))));
        let mut data = vec![0; 9000];
        let length = rig.back.capture(&pe(NVME), eeh_recovery::Severity::Temporary, &[], &mut data).unwrap();
        let mut lines = Vec::new();
        rig.back.print(&phb(0), &data[..length], &mut |line| lines.push(line.to_string()));
        assert_eq!(lines.first().unwrap(), "PHB4 PHB#0 Diag-data (Version: 1)");
        assert_eq!(lines.last().unwrap(), "PE[1fd] A/B: 8000000000000000 8000000000000000");
        assert_eq!(rig.back.clear_unknown(&phb(0), PeNumber(NVME.2)), Ok(()));
        assert_eq!(rig.back.next_error(&phb(0)), Ok(NextError::None));
    }
}

#[test]
fn a_complete_reset_of_an_empty_phb_ends_within_the_limit() {
    // skiboot looks for an electrical link that never comes.
    let rig = Rig::new(Version::skiboot());
    rig.phb(0).pull(NVME.1);
    let begin = rig.clock.now();
    let (end, _) = rig.reset(&phb_pe(0), &ResetPoint::Phb, ResetKind::Hot);
    assert_eq!(end, ResetPoll::Done);
    assert!(rig.clock.now().since(begin) < Duration::from_secs(60));
}
