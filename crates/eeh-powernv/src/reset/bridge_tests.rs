// SPDX-License-Identifier: GPL-2.0-or-later
use core::cell::{Cell, RefCell};
use std::vec::Vec;

use eeh_pe::DeviceFlags;
use mockall::Sequence;

use super::*;
use crate::opal::{Opal, rc, reset};
use crate::testing::{MockOpal, PHB, Table, at, port};
use crate::{Phbs, PowerNv};

/// Offset of the port's Uncorrectable Error Mask.
const MASK: u16 = 0x108;

/// A bridge with two registers, which can stop answering after some accesses.
struct Port {
    control: Cell<u32>,
    mask: Cell<u32>,
    /// Accesses that are answered.
    alive: Cell<u32>,
    /// What happens then: all ones, or an error.
    dead: Result<u32, FirmwareError>,
    /// Bits of Bridge Control that no write changes.
    stuck: u32,
    writes: RefCell<Vec<(u16, u32)>>,
}

impl Port {
    fn new(control: u32, mask: u32) -> Self {
        Self {
            control: Cell::new(control),
            mask: Cell::new(mask),
            alive: Cell::new(u32::MAX),
            dead: Ok(u32::MAX),
            stuck: 0,
            writes: RefCell::default(),
        }
    }

    fn dying(after: u32, dead: Result<u32, FirmwareError>) -> Self {
        Self { alive: Cell::new(after), dead, ..Self::new(2, 0) }
    }

    fn register(&self, offset: u16, width: Width) -> &Cell<u32> {
        match (offset, width) {
            (CONTROL, Width::Half) => &self.control,
            (MASK, Width::Word) => &self.mask,
            other => panic!("access to {other:?}"),
        }
    }

    fn answers(&self) -> bool {
        let alive = self.alive.get();
        self.alive.set(alive.saturating_sub(1));
        alive > 0
    }

    fn resets(&self) -> usize {
        self.writes
            .borrow()
            .iter()
            .filter(|(offset, value)| *offset == CONTROL && value & BUS_RESET != 0)
            .count()
    }

    fn releases(&self) -> usize {
        self.writes
            .borrow()
            .iter()
            .filter(|(offset, value)| *offset == CONTROL && value & BUS_RESET == 0)
            .count()
    }
}

impl ConfigSpace for Port {
    fn read(&self, _: &DeviceTarget, offset: u16, width: Width) -> Result<u32, FirmwareError> {
        let value = self.register(offset, width).get();
        if self.answers() { Ok(value) } else { self.dead.map(|value| value & all_ones(width)) }
    }

    fn write(&self, _: &DeviceTarget, offset: u16, width: Width, value: u32) -> Result<(), FirmwareError> {
        self.writes.borrow_mut().push((offset, value));
        let register = self.register(offset, width);
        if !self.answers() {
            return self.dead.map(|_| ());
        }
        let stuck = if offset == CONTROL { self.stuck } else { 0 };
        register.set((register.get() & stuck) | (value & !stuck));
        Ok(())
    }
}

fn failed(attempt: &mut BridgeReset, port: &Port, now: Time) -> FirmwareError {
    match attempt.poll(port, now) {
        ResetPoll::Failed(error) => error,
        other @ (ResetPoll::Wait { .. } | ResetPoll::Done) => panic!("{other:?}"),
    }
}

#[test]
fn a_reset_masks_holds_releases_and_unmasks_in_this_order() {
    let regs = Port::new(0x0003, 0x0010_0000);
    let mut attempt = BridgeReset::new(port());
    assert_eq!(attempt.poll(&regs, at(10)), wait(at(12), Wait::ResetHold));
    assert_eq!(attempt.poll(&regs, at(11)), wait(at(12), Wait::ResetHold));
    assert_eq!(attempt.poll(&regs, at(12)), wait(at(32), Wait::LinkUp));
    assert_eq!(attempt.poll(&regs, at(31)), wait(at(32), Wait::LinkUp));
    assert_eq!(attempt.poll(&regs, at(32)), ResetPoll::Done);
    assert_eq!(attempt.poll(&regs, at(33)), ResetPoll::Done);
    let expected = [(MASK, 0x0010_0020), (CONTROL, 0x43), (CONTROL, 0x03), (MASK, 0x0010_0000)];
    assert_eq!(*regs.writes.borrow(), expected);
}

#[test]
fn a_port_without_aer_is_held_only() {
    let regs = Port::new(0, 0);
    let mut attempt = BridgeReset::new(DeviceTarget { aer_cap: 0, ..port() });
    assert_eq!(attempt.poll(&regs, at(0)), wait(at(2), Wait::ResetHold));
    assert_eq!(attempt.poll(&regs, at(2)), ResetPoll::Done);
    assert_eq!(*regs.writes.borrow(), [(CONTROL, 0x40), (CONTROL, 0)]);
}

#[test]
fn a_mask_that_somebody_else_set_stays() {
    let regs = Port::new(0, SURPRISE_DOWN);
    let mut attempt = BridgeReset::new(port());
    assert_eq!(attempt.poll(&regs, at(0)), wait(at(2), Wait::ResetHold));
    assert_eq!(attempt.poll(&regs, at(2)), ResetPoll::Done);
    assert_eq!(*regs.writes.borrow(), [(CONTROL, 0x40), (CONTROL, 0)]);
}

#[test]
fn a_reset_bit_left_by_somebody_is_cleared() {
    let regs = Port::new(0x42, SURPRISE_DOWN);
    let mut attempt = BridgeReset::new(port());
    assert!(matches!(attempt.poll(&regs, at(0)), ResetPoll::Wait { .. }));
    assert_eq!(attempt.poll(&regs, at(2)), ResetPoll::Done);
    assert_eq!(regs.control.get(), 2);
}

#[test]
fn a_bridge_that_does_not_answer_is_not_written_to() {
    for dead in [Ok(u32::MAX), Err(FirmwareError::Failed { call: name::CONFIG_READ, code: -1 })] {
        let regs = Port::dying(0, dead);
        failed(&mut BridgeReset::new(port()), &regs, at(0));
        assert!(regs.writes.borrow().is_empty());
    }
}

#[test]
fn a_bit_that_cannot_be_set_is_no_reset() {
    let regs = Port { stuck: BUS_RESET, ..Port::new(2, 0) };
    let mut attempt = BridgeReset::new(port());
    assert_eq!(failed(&mut attempt, &regs, at(0)), unexpected(2));
    assert_eq!((regs.resets(), regs.releases()), (1, 1));
    assert_eq!(regs.mask.get(), 0);
}

#[test]
fn a_bit_that_cannot_be_cleared_is_no_reset() {
    struct Sticky(Port);
    impl ConfigSpace for Sticky {
        fn read(&self, device: &DeviceTarget, offset: u16, width: Width) -> Result<u32, FirmwareError> {
            self.0.read(device, offset, width)
        }
        fn write(&self, d: &DeviceTarget, offset: u16, w: Width, value: u32) -> Result<(), FirmwareError> {
            let set = if offset == CONTROL { self.0.control.get() & BUS_RESET } else { 0 };
            self.0.write(d, offset, w, value | set)
        }
    }
    let regs = Sticky(Port::new(2, 0));
    let mut attempt = BridgeReset::new(port());
    assert!(matches!(attempt.poll(&regs, at(0)), ResetPoll::Wait { .. }));
    assert_eq!(attempt.poll(&regs, at(2)), ResetPoll::Failed(unexpected(0x42)));
    assert_eq!(regs.0.mask.get(), 0);
}

#[test]
fn wherever_a_bridge_dies_the_attempt_fails_and_releases_what_it_asserted_once() {
    for dead in [Ok(u32::MAX), Err(FirmwareError::Failed { call: name::CONFIG_READ, code: -1 })] {
        // There are nine accesses: control, mask (2), control (2), and after the hold control (2), mask
        // (2). The last two decide nothing.
        for after in 0..7 {
            let regs = Port::dying(after, dead);
            let mut attempt = BridgeReset::new(port());
            let mut now = at(0);
            let end = loop {
                match attempt.poll(&regs, now) {
                    ResetPoll::Wait { until, .. } => now = until,
                    end @ (ResetPoll::Done | ResetPoll::Failed(_)) => break end,
                }
            };
            assert!(matches!(end, ResetPoll::Failed(_)), "alive for {after}: {end:?}");
            assert_eq!(regs.resets(), regs.releases(), "alive for {after}");
            assert!(regs.resets() <= 1);
        }
    }
}

#[test]
fn an_attempt_given_up_is_released_and_unmasked_at_any_point() {
    // Polls before it is given up, and the writes that are expected in all.
    for (polls, writes) in [(0, 0), (1, 4), (2, 4), (3, 4)] {
        let regs = Port::new(2, 0);
        let mut attempt = BridgeReset::new(port());
        for now in 0..polls {
            let _ = attempt.poll(&regs, at(now * 100));
        }
        attempt.abandon(&regs);
        attempt.abandon(&regs);
        assert_eq!((regs.control.get(), regs.mask.get()), (2, 0));
        assert_eq!(regs.writes.borrow().len(), writes, "after {polls} polls");
    }
}

/// A port that switches its slot's power.
struct Powered;

impl ConfigSpace for Powered {
    fn read(&self, device: &DeviceTarget, offset: u16, _: Width) -> Result<u32, FirmwareError> {
        let capability = offset.checked_sub(device.pcie_cap);
        Ok(match capability {
            Some(EXPRESS_FLAGS) => SLOT,
            Some(SLOT_CAPABILITIES) => POWER_CONTROLLER,
            Some(_) | None => 0,
        })
    }

    fn write(&self, _: &DeviceTarget, _: u16, _: Width, _: u32) -> Result<(), FirmwareError> {
        unreachable!("a port is only looked at")
    }
}

fn way(bridge: DeviceTarget, kind: ResetKind) -> Way {
    match choose(PHB, bridge, kind) {
        Way::Slot(bridge) => settle(&Powered, bridge),
        way @ (Way::Firmware(_) | Way::Bridge(_) | Way::Function(_) | Way::Refused(_)) => way,
    }
}

/// The reset calls that firmware sees of one attempt that it refuses.
fn calls(bridge: DeviceTarget, kind: ResetKind) -> Option<(u64, u8)> {
    let Way::Firmware(mut attempt) = way(bridge, kind) else { return None };
    let mut opal = MockOpal::new();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(None));
    let mut order = Sequence::new();
    for expected in [reset::ASSERT, reset::DEASSERT] {
        let seen = seen.clone();
        opal.expect_pci_reset().once().in_sequence(&mut order).returning(move |id, scope, assert| {
            assert_eq!(assert, expected);
            *seen.lock().unwrap() = Some((id, scope));
            rc::HARDWARE
        });
    }
    assert!(matches!(attempt.poll(&opal, at(0)), ResetPoll::Failed(_)));
    *seen.lock().unwrap()
}

#[test]
fn firmware_resets_slots_fundamentally_and_root_ports_always() {
    let offered = DeviceTarget { reset_by_firmware: true, ..port() };
    let root = DeviceTarget { flags: DeviceFlags::BRIDGE | DeviceFlags::ROOT_PORT, ..offered };
    assert_eq!(calls(port(), ResetKind::Hot), None);
    assert_eq!(calls(port(), ResetKind::Fundamental), None);
    assert_eq!(calls(offered, ResetKind::Hot), None);
    let slot = 1 << 63 | 0x0210 << 16 | PHB;
    assert_eq!(calls(offered, ResetKind::Fundamental), Some((slot, scope::PCI_FUNDAMENTAL)));
    assert_eq!(calls(root, ResetKind::Hot), Some((PHB, scope::PCI_HOT)));
    assert_eq!(calls(root, ResetKind::Fundamental), Some((PHB, scope::PCI_FUNDAMENTAL)));
}

#[test]
fn the_bridge_is_reached_through_opal_and_no_reset_call_is_made() {
    fn back() -> PowerNv<impl Opal, impl Phbs> {
        let mut opal = MockOpal::new();
        let register = std::sync::Arc::new(std::sync::Mutex::new(2));
        let reads = register.clone();
        opal.expect_pci_config_read().times(3).returning(move |phb, bdf, offset, size, out| {
            assert_eq!((phb, bdf, offset, size), (PHB, 0x0210, 0x3e, 2));
            *out = *reads.lock().unwrap();
            rc::SUCCESS
        });
        opal.expect_pci_config_write().times(2).returning(move |phb, bdf, offset, size, value| {
            assert_eq!((phb, bdf, offset, size), (PHB, 0x0210, 0x3e, 2));
            *register.lock().unwrap() = value;
            rc::SUCCESS
        });
        PowerNv::new(opal, Table::default())
    }
    let back = back();
    let mut attempt = BridgeReset::new(DeviceTarget { aer_cap: 0, ..port() });
    assert!(matches!(attempt.poll(&back, at(0)), ResetPoll::Wait { .. }));
    assert_eq!(attempt.poll(&back, at(2)), ResetPoll::Done);
}
