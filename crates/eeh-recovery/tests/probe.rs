// SPDX-License-Identifier: GPL-2.0-or-later
//! The capability lists of a function, also of one that answers nonsense.

use core::cell::Cell;

use eeh_pe::{Bdf, DeviceFlags, PhbNumber, TreeId};
use eeh_recovery::{
    Capabilities, ConfigSpace, DeviceTarget, FirmwareError, OneOf, PhbTarget, Width, capabilities,
    extended_capability,
};

/// Configuration space of 4 KB, little endian; counts reads.
struct Space {
    bytes: Vec<u8>,
    reads: Cell<usize>,
}

impl Space {
    fn new(at: &[(usize, u32)]) -> Self {
        let mut bytes = vec![0; 4096];
        for &(offset, word) in at {
            bytes[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
        }
        Self { bytes, reads: Cell::new(0) }
    }
}

impl ConfigSpace for Space {
    fn read(&self, _device: &DeviceTarget, offset: u16, width: Width) -> Result<u32, FirmwareError> {
        self.reads.set(self.reads.get() + 1);
        let size = match width {
            Width::Byte => 1,
            Width::Half => 2,
            Width::Word => 4,
        };
        let at = usize::from(offset);
        assert_eq!(at % size, 0, "aligned");
        let mut word = [0; 4];
        word[..size].copy_from_slice(&self.bytes[at..at + size]);
        Ok(u32::from_le_bytes(word))
    }

    fn write(&self, _: &DeviceTarget, _: u16, _: Width, _: u32) -> Result<(), FirmwareError> {
        unreachable!("nothing is written at probe")
    }
}

/// Nobody answers.
struct Silent;

impl ConfigSpace for Silent {
    fn read(&self, _: &DeviceTarget, _: u16, _: Width) -> Result<u32, FirmwareError> {
        Err(FirmwareError::Missing { call: "read" })
    }

    fn write(&self, _: &DeviceTarget, _: u16, _: Width, _: u32) -> Result<(), FirmwareError> {
        unreachable!("nothing is written at probe")
    }
}

fn target() -> DeviceTarget {
    let phb = PhbTarget { tree: TreeId::NONE, number: PhbNumber(0), firmware: 0 };
    DeviceTarget::bare(phb, Bdf(0x100))
}

const LIST: (usize, u32) = (4, 0x10 << 16);

#[test]
fn a_downstream_port_that_reports_its_link() {
    // AF at 0x50, Express at 0x60 (type 6, reporting), AER second in the extended list.
    let space = Space::new(&[
        LIST,
        (0x34, 0x50),
        (0x50, 0x6013),
        (0x60, 6 << 20 | 0x10),
        (0x6c, 1 << 20),
        (0x100, 0x148 << 20 | 0x0003),
        (0x148, 0x0001_0001),
    ]);
    let found = capabilities(&space, &target(), true);
    let flags = DeviceFlags::BRIDGE | DeviceFlags::DS_PORT;
    let expected =
        Capabilities { pcie: 0x60, aer: 0x148, af: 0x50, pcix: 0, flags, link_active_reporting: true };
    assert_eq!(found, expected);
    assert_eq!(capabilities(&space, &target(), false).flags, DeviceFlags::empty());
    assert_eq!(extended_capability(&space, &target(), 3), 0x100);
}

#[test]
fn no_list_no_capabilities() {
    let space = Space::new(&[(0x34, 0x50), (0x50, 0x10)]);
    assert_eq!(capabilities(&space, &target(), false), Capabilities::default());
}

#[test]
fn lists_that_go_round_or_point_into_the_header_end() {
    let round = Space::new(&[LIST, (0x34, 0x40), (0x40, 0x4005), (0x100, 0x100 << 20 | 5)]);
    assert_eq!(capabilities(&round, &target(), true).pcie, 0);
    assert_eq!(extended_capability(&round, &target(), 1), 0);
    assert!(round.reads.get() < 3 * 2 * 50 + 500, "{} reads", round.reads.get());
    let header = Space::new(&[LIST, (0x34, 0x43), (0x40, 0x1005), (0x10, 0x10)]);
    assert_eq!(capabilities(&header, &target(), false).pcie, 0);
}

#[test]
fn who_does_not_answer_has_none() {
    assert_eq!(capabilities(&Silent, &target(), true).flags, DeviceFlags::BRIDGE);
    assert_eq!(extended_capability(&Silent, &target(), 1), 0);
}

#[test]
fn either_back_end_is_asked() {
    let space = || Space::new(&[LIST, (0x34, 0x50), (0x50, 0x10)]);
    for one in [OneOf::<Space, Silent>::PowerNv(space()), OneOf::PSeries(Silent)] {
        let expected = if one.powernv().is_some() { 0x50 } else { 0 };
        assert_eq!(capabilities(&one, &target(), false).pcie, expected);
        assert_eq!(one.pseries().is_some(), one.powernv().is_none());
    }
}
