// SPDX-License-Identifier: GPL-2.0-or-later
//! What EEH wants to know of a device, read from its configuration space at probe.

use core::ptr::NonNull;

use eeh_pe::{BridgeInfo, DeviceInfo};
use eeh_recovery::{DeviceTarget, PhbTarget, capabilities};

use crate::firmware::Firmware;
use crate::pci::PciDev;

const CLASS_PCI_BRIDGE: u32 = 0x0604;

/// All of it.
pub(crate) fn info(firmware: &Firmware, phb: PhbTarget, device: &PciDev) -> DeviceInfo {
    let class = device.class();
    let target = DeviceTarget::bare(phb, device.bdf());
    let found = capabilities(firmware, &target, class >> 8 == CLASS_PCI_BRIDGE);
    DeviceInfo {
        bdf: device.bdf(),
        vendor: device.vendor_id(),
        device: device.device_id(),
        class,
        pcie_cap: found.pcie,
        aer_cap: found.aer,
        af_cap: found.af,
        pcix_cap: found.pcix,
        flags: found.flags,
        bridge: buses(device),
        reset_by_firmware: device.has_property(c"ibm,reset-by-firmware"),
        link_active_reporting: found.link_active_reporting,
        conventional: found.pcie == 0,
        physfn: device.physical().map(|physical| physical.bdf()),
    }
}

/// A bridge's bus numbers.
fn buses(device: &PciDev) -> Option<BridgeInfo> {
    // SAFETY: the device is held; the bus below it was made before it is added, and stays while the
    // caller adds it.
    let bus = NonNull::new(unsafe { (*device.as_raw()).subordinate })?.as_ptr();
    // SAFETY: as above; the scan that made the bus has numbered it.
    let end = unsafe { (*bus).busn_res.end };
    // SAFETY: as above.
    let secondary = unsafe { (*bus).number };
    Some(BridgeInfo { secondary, subordinate: u8::try_from(end).unwrap_or(u8::MAX) })
}
