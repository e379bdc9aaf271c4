// SPDX-License-Identifier: GPL-2.0-or-later
//! A reset that the PCI core asks for: of all that is behind a bridge. C: `pnv_pci_reset_secondary_bus`
//!
//! Not a recovery's: those never go through the PCI core.

use eeh_pe::{DeviceFlags, PeId, PeNumber, PeType, PhbNumber, TreeId};
use eeh_recovery::{DeviceTarget, PeTarget, PhbTarget, ResetKind, ResetPoint, ResetPoll, SlotControl};

use crate::bindings;
use crate::bus::Bus;
use crate::firmware;
use crate::pci::PciDev;
use crate::printk::pr_warn;
use crate::time::{now, sleep_until};

/// C: `PCI_EXT_CAP_ID_ERR`, `PCI_CAP_ID_AF`, `PCI_CAP_ID_PCIX`
const AER: i32 = 1;
const AF: i32 = 0x13;
const PCIX: i32 = 7;

/// A bridge, as firmware is told of it; EEH need not know it.
fn target(bridge: &PciDev, phb: PhbTarget) -> DeviceTarget {
    let raw = bridge.as_raw();
    // SAFETY: the device is held. Set when it is found, and never changed.
    let pcie_cap = u16::from(unsafe { (*raw).pcie_cap });
    // SAFETY: as above; other bits beside it change: no reference is made.
    let reporting = unsafe { bindings::pci_dev::link_active_reporting_raw(raw) } != 0;
    // SAFETY: the device is held.
    let aer_cap = unsafe { bindings::pci_find_ext_capability(raw, AER) };
    // SAFETY: as above.
    let capability = |id| u16::from(unsafe { bindings::pci_find_capability(raw, id) });
    DeviceTarget {
        flags: DeviceFlags::BRIDGE,
        pcie_cap,
        aer_cap,
        af_cap: capability(AF),
        pcix_cap: capability(PCIX),
        reset_by_firmware: bridge.has_property(c"ibm,reset-by-firmware"),
        link_active_reporting: reporting,
        conventional: pcie_cap == 0,
        ..DeviceTarget::bare(phb, bridge.bdf())
    }
}

/// Resets what is behind a bridge, and waits for it.
///
/// # Safety
///
/// `bridge` points to a PowerNV bridge that the caller holds.
///
/// # Context
///
/// May sleep.
#[unsafe(no_mangle)]
unsafe extern "C" fn pnv_pci_reset_secondary_bus(bridge: *mut bindings::pci_dev) {
    // SAFETY: the caller's promise.
    let Some(bridge) = (unsafe { PciDev::get(bridge) }) else { return };
    let bus = Bus::of(&bridge);
    // SAFETY: a PHB stays as long as its devices. Set before anybody knows it, and never changed.
    let powernv = unsafe { (*bus.hose()).private_data }.cast::<bindings::pnv_phb>();
    // SAFETY: a PHB of PowerNV has this part, which is never freed. Set like it.
    let firmware = unsafe { (*powernv).opal_id };
    let phb = PhbTarget { tree: TreeId::NONE, number: PhbNumber(bridge.domain()), firmware };
    let pe = PeTarget { pe: PeId::NONE, phb, number: PeNumber(0), kind: PeType::BUS };
    let is_root = bus.parent().is_none();
    let point = if is_root { ResetPoint::RootBus } else { ResetPoint::Bridge(target(&bridge, phb)) };
    let back = firmware::opal();
    let mut reset = back.begin_reset(&pe, &point, ResetKind::Hot);
    loop {
        match back.poll_reset(&mut reset, now()) {
            ResetPoll::Wait { until, .. } => sleep_until(until),
            ResetPoll::Done => return,
            // C says nothing, and takes the bus for reset.
            ResetPoll::Failed(error) => {
                return pr_warn!("EEH: {:04x}:{}: bus not reset: {error}", bridge.domain(), bridge.bdf());
            }
        }
    }
}

/// What we define is what C has declared.
const _: [unsafe extern "C" fn(*mut bindings::pci_dev); 2] =
    [bindings::pnv_pci_reset_secondary_bus, pnv_pci_reset_secondary_bus];
