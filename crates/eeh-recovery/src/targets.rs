// SPDX-License-Identifier: GPL-2.0-or-later
//! Copies of what firmware is told, made under the lock and used without it.

use eeh_pe::{DeviceFlags, DeviceId, DeviceInfo, DeviceRef, Env, PeRef, PeType, PeView, Tree, TreeGuard};

use crate::{DeviceTarget, PeTarget, PhbTarget, ResetPoint};

/// The PHB of a tree.
pub(crate) fn phb_target<E: Env>(tree: &Tree<'_, E>) -> PhbTarget {
    PhbTarget { tree: tree.id(), number: tree.number(), firmware: tree.firmware() }
}

/// A PE as detection sees it.
#[inline(never)]
pub(crate) fn pe_target_of_view(view: &PeView) -> PeTarget {
    let phb = PhbTarget { tree: view.id.tree(), number: view.phb, firmware: view.firmware };
    PeTarget { pe: view.id, phb, number: view.number, kind: view.kind }
}

/// A borrowed PE.
#[inline(never)]
pub(crate) fn pe_target<E: Env>(phb: PhbTarget, pe: PeRef<'_, '_, E>) -> PeTarget {
    PeTarget { pe: pe.id(), phb, number: pe.number(), kind: pe.kind() }
}

/// A borrowed device.
pub(crate) fn device_target<E: Env>(phb: PhbTarget, device: DeviceRef<'_, '_, E>) -> DeviceTarget {
    target_of(phb, device.id(), device.info(), device.flags())
}

fn target_of(phb: PhbTarget, device: DeviceId, info: &DeviceInfo, flags: DeviceFlags) -> DeviceTarget {
    DeviceTarget {
        device,
        phb,
        bdf: info.bdf,
        flags,
        pcie_cap: info.pcie_cap,
        aer_cap: info.aer_cap,
        af_cap: info.af_cap,
        pcix_cap: info.pcix_cap,
        reset_by_firmware: info.reset_by_firmware,
        link_active_reporting: info.link_active_reporting,
        conventional: info.conventional,
    }
}

/// The bus that a PE's devices are on: the root bus for the PHB's own PE, else the lowest bus of
/// the devices in it and below it; `None` without any. C: `eeh_pe_bus_get`, without keeping a pointer
pub(crate) fn bus_of<E: Env>(pe: PeRef<'_, '_, E>, root_bus: u8) -> Option<u8> {
    if pe.kind().contains(PeType::PHB) {
        return Some(root_bus);
    }
    pe.subtree_devices().map(|device| device.info().bdf.bus()).min()
}

/// The bridge whose secondary bus is `bus`.
pub(crate) fn bridge_above<'g, 'r, E: Env>(
    guard: &'g TreeGuard<'r, E>,
    bus: u8,
) -> Option<DeviceRef<'g, 'r, E>> {
    guard
        .root()?
        .subtree_devices()
        .find(|device| device.info().bridge.is_some_and(|bridge| bridge.secondary == bus))
}

/// Where a reset of a PE whose devices are on `bus` is applied; `None` when its device is gone.
/// C: the choice in `pnv_eeh_reset`
pub(crate) fn reset_point<E: Env>(
    guard: &TreeGuard<'_, E>,
    phb: PhbTarget,
    pe: PeRef<'_, '_, E>,
    bus: u8,
    root_bus: u8,
) -> Option<ResetPoint> {
    if pe.kind().contains(PeType::PHB) {
        return Some(ResetPoint::Phb);
    }
    if pe.kind().contains(PeType::VF) {
        // Also when it was removed for the reset, and is no device at this moment.
        let (device, info) = pe.vf_device()?;
        return Some(ResetPoint::Function(target_of(phb, device, info, info.flags)));
    }
    if bus == root_bus {
        return Some(ResetPoint::RootBus);
    }
    let Some(bridge) = bridge_above(guard, bus) else { return Some(ResetPoint::Unknown) };
    if bridge.info().bdf.bus() == root_bus {
        return Some(ResetPoint::RootBus);
    }
    Some(ResetPoint::Bridge(device_target(phb, bridge)))
}
