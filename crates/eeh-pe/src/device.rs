// SPDX-License-Identifier: GPL-2.0-or-later
//! What is known of a device from its probe.

use crate::flags::{DeviceFlags, PeFlags, PeType};
use crate::id::{Bdf, DeviceId, PeId, PeNumber, PhbNumber};

/// A bridge's bus numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct BridgeInfo {
    /// The bus right below the bridge.
    pub secondary: u8,
    /// The highest bus below the bridge.
    pub subordinate: u8,
}

/// A virtual function: where it is, and its physical function. Numbers, to be looked up when they are
/// used: never a pointer that was kept (hazard 5.10). C: `edev->physfn`, `edev->vf_index`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct VfInfo {
    /// Its own address.
    pub bdf: Bdf,
    /// The address of its physical function.
    pub physfn: Bdf,
}

/// A PCI function, as its probe found it. Capability offsets are 0 where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct DeviceInfo {
    /// Its address. C: `edev->bdfn`
    pub bdf: Bdf,
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Class code: base class, subclass, programming interface (24 bits). C: `edev->class_code`
    pub class: u32,
    /// Offset of the PCI Express capability. C: `edev->pcie_cap`
    pub pcie_cap: u16,
    /// Offset of the Advanced Error Reporting capability. C: `edev->aer_cap`
    pub aer_cap: u16,
    /// Offset of the Advanced Features capability. C: `edev->af_cap`
    pub af_cap: u16,
    /// Offset of the PCI-X capability. C: `edev->pcix_cap`
    pub pcix_cap: u16,
    /// Flags it is born with.
    pub flags: DeviceFlags,
    /// Its bus numbers, when it is a bridge.
    pub bridge: Option<BridgeInfo>,
    /// Firmware offers a reset for this bridge's slot. C: `ibm,reset-by-firmware`
    pub reset_by_firmware: bool,
    /// The port reports whether its link is active (Link Capabilities bit 20).
    pub link_active_reporting: bool,
    /// Conventional PCI: no PCI Express capability, and none of its rules.
    pub conventional: bool,
    /// The address of its physical function, when it is a virtual one.
    pub physfn: Option<Bdf>,
}

impl Default for DeviceInfo {
    fn default() -> Self {
        Self {
            bdf: Bdf(0),
            vendor: 0,
            device: 0,
            class: 0,
            pcie_cap: 0,
            aer_cap: 0,
            af_cap: 0,
            pcix_cap: 0,
            flags: DeviceFlags::empty(),
            bridge: None,
            reset_by_firmware: false,
            link_active_reporting: false,
            conventional: false,
            physfn: None,
        }
    }
}

/// The PE that a device belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct PeSpec {
    /// Firmware's number.
    pub number: PeNumber,
    /// What the PE is when the device is its first: [`PeType::DEVICE`], [`PeType::BUS`] or
    /// [`PeType::VF`].
    pub kind: PeType,
}

/// A PE at one moment, read without lock or reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct PeView {
    /// Its handle.
    pub id: PeId,
    /// Linux's number of its PHB.
    pub phb: PhbNumber,
    /// Firmware's name of its PHB.
    pub firmware: u64,
    /// Firmware's number of the PE.
    pub number: PeNumber,
    /// What it is.
    pub kind: PeType,
    /// Its state.
    pub flags: PeFlags,
    /// The PE above it; none above a PHB's.
    pub parent: Option<PeId>,
}

/// A device at one moment, read without lock or reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct DeviceView {
    /// Its handle.
    pub id: DeviceId,
    /// Its address.
    pub bdf: Bdf,
    /// Its state.
    pub flags: DeviceFlags,
    /// Its PE.
    pub pe: PeId,
}
