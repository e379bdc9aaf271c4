// SPDX-License-Identifier: GPL-2.0-or-later
//! What a function's configuration space says of it when it is found.

use eeh_pe::DeviceFlags;

use super::reg;
use crate::{ConfigSpace, DeviceTarget, Width};

/// Capability IDs (PCI Code and ID Assignment 1.11, 2 and 3).
const CAP_PCIX: u32 = 0x07;
const CAP_EXPRESS: u32 = 0x10;
const CAP_AF: u32 = 0x13;
const EXT_CAP_AER: u32 = 1;
/// The words of the header's list and of the extended one; a list that is longer goes round.
const MOST_CAPABILITIES: usize = 48;
const MOST_EXTENDED: usize = 480;

/// Offsets of the capabilities EEH uses, 0 of what is not there, and what kind of bridge it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Capabilities {
    /// PCI Express.
    pub pcie: u16,
    /// Advanced Error Reporting.
    pub aer: u16,
    /// Advanced Features.
    pub af: u16,
    /// PCI-X.
    pub pcix: u16,
    /// BRIDGE, and which port.
    pub flags: DeviceFlags,
    /// A port that reports its link's state (Data Link Layer Link Active).
    pub link_active_reporting: bool,
}

/// Reads the capabilities of a function. `bridge` is whether it is one, by its class.
/// C: the middle of `pnv_eeh_probe` and `pseries_eeh_init_edev`
///
/// # Context
///
/// As [`ConfigSpace`].
pub fn capabilities<F: ConfigSpace>(firmware: &F, device: &DeviceTarget, bridge: bool) -> Capabilities {
    let read = |offset, width| read(firmware, device, offset, width);
    let pcie = capability(&read, CAP_EXPRESS);
    let (flags, link_active_reporting) =
        if bridge { port(&read, pcie) } else { (DeviceFlags::empty(), false) };
    Capabilities {
        pcie,
        aer: if pcie == 0 { 0 } else { extended(&read, EXT_CAP_AER) },
        af: capability(&read, CAP_AF),
        pcix: capability(&read, CAP_PCIX),
        flags,
        link_active_reporting,
    }
}

/// Offset of an extended capability, 0 when it is not there. C: `pnv_eeh_find_ecap`
///
/// # Context
///
/// As [`ConfigSpace`].
pub fn extended_capability<F: ConfigSpace>(firmware: &F, device: &DeviceTarget, id: u16) -> u16 {
    extended(&|offset, width| read(firmware, device, offset, width), id.into())
}

/// All ones when nobody answers.
fn read<F: ConfigSpace>(firmware: &F, device: &DeviceTarget, offset: u16, width: Width) -> u32 {
    firmware.read(device, offset, width).unwrap_or(u32::MAX)
        & match width {
            Width::Byte => 0xff,
            Width::Half => 0xffff,
            Width::Word => u32::MAX,
        }
}

/// A read of a register.
type Read<'a> = &'a dyn Fn(u16, Width) -> u32;

/// C: `pnv_eeh_find_cap`
fn capability(read: Read<'_>, id: u32) -> u16 {
    if read(reg::STATUS, Width::Half) & reg::STATUS_CAP_LIST == 0 {
        return 0;
    }
    let next = |offset| u16::try_from(read(offset, Width::Byte)).unwrap_or(0) & !3;
    let mut at = next(reg::CAPABILITIES);
    for _ in 0..MOST_CAPABILITIES {
        if at < 0x40 {
            return 0;
        }
        match read(at, Width::Byte) {
            0xff => return 0,
            found if found == id => return at,
            _ => at = next(at | 1),
        }
    }
    0
}

fn extended(read: Read<'_>, id: u32) -> u16 {
    let mut at = 0x100;
    for _ in 0..MOST_EXTENDED {
        let header = read(at, Width::Word);
        if header == 0 || header == u32::MAX {
            return 0;
        }
        if header & 0xffff == id {
            return at;
        }
        at = u16::try_from(header >> 20).unwrap_or(0) & !3;
        if at < 0x100 {
            return 0;
        }
    }
    0
}

/// What kind of bridge it is, and whether it reports its link's state (PCIe 6.0 7.5.3).
fn port(read: Read<'_>, pcie: u16) -> (DeviceFlags, bool) {
    if pcie == 0 {
        return (DeviceFlags::BRIDGE, false);
    }
    let kind = match (read(pcie | 2, Width::Half) >> 4) & 0xf {
        4 => DeviceFlags::ROOT_PORT,
        6 => DeviceFlags::DS_PORT,
        _ => DeviceFlags::empty(),
    };
    let reports = read(pcie.saturating_add(0x0c), Width::Word) & 1 << 20 != 0;
    (DeviceFlags::BRIDGE | kind, reports)
}
