// SPDX-License-Identifier: GPL-2.0-or-later
//! A device is made known to EEH, and forgotten. C: `eeh_probe_device`, `eeh_remove_device`

use core::ptr::NonNull;

use eeh_pe::{
    DeviceFlags, DeviceId, DeviceInfo, InsertError, Inserted, PeFlags, PeId, PeNumber, PeSpec, PeType, Tree,
    TreeGuard, Window, WindowKind,
};
use eeh_powernv::quirks::restricts_config;
use eeh_recovery::{DeviceTarget, PhbTarget, SlotControl, save_config};
use kernel::ffi::c_int;

use crate::bindings::{self, pci_controller};
use crate::bus::Bus;
use crate::env::KernelEnv;
use crate::firmware::Firmware;
use crate::identify;
use crate::pci::PciDev;
use crate::printk::pr_warn;
use crate::state::{Eeh, eeh};
use crate::{mailbox, phb, platform, registry, reporting, state, sysfs, token};

/// Base class and subclass of a PCI-ISA bridge, which is in no PE.
const CLASS_ISA_BRIDGE: u32 = 0x0601;

/// C: `PCI_STD_NUM_BARS`
const BARS: c_int = 6;

/// Which PE a device is in, and the one above that.
pub(crate) struct Place {
    /// Firmware's number of the PE.
    pub(crate) number: PeNumber,
    /// The PE above: that of the bridge, or of the physical function. `None`: the PHB's own.
    pub(crate) parent: Option<PeId>,
}

/// Linux's description of a device in the device tree, or of a virtual function.
///
/// It stays as its device does: C frees it after the device was removed.
pub(crate) fn description(device: &PciDev) -> Option<NonNull<bindings::pci_dn>> {
    // SAFETY: the device is held, and its bus and the description of that with it.
    NonNull::new(unsafe { bindings::pci_get_pdn(device.as_raw()) })
}

/// The PHB that a device is on.
pub(crate) fn hose(device: &PciDev) -> Option<NonNull<pci_controller>> {
    NonNull::new(Bus::of(device).hose())
}

/// The PE of the bridge that a device is behind, or of its physical function.
pub(crate) fn parent(device: &PciDev) -> Option<PeId> {
    let above = match device.physical() {
        Some(physical) => Some(physical),
        // SAFETY: null, or the bridge of a bus that the device holds, and which holds it.
        None => unsafe { PciDev::get(Bus::of(device).bridge()) },
    };
    Some(registry()?.peek_device(above?.eeh()?)?.pe)
}

/// Makes a device known; what firmware's numbers `place` says. It works without EEH when that cannot
/// be, and the log says so. `None`, too, when it is known already or EEH does not concern it.
///
/// # Context
///
/// May sleep; the caller adds the device, so nobody removes it meanwhile.
pub(crate) fn enter(device: &PciDev, place: impl FnOnce(&PciDev) -> Option<Place>) -> Option<DeviceId> {
    if device.eeh().is_some() || device.class() >> 8 == CLASS_ISA_BRIDGE {
        return None;
    }
    // SAFETY: a PHB stays as long as its devices.
    let tree = registry()?.tree(unsafe { phb::tree(hose(device)?) }?)?;
    let place = place(device)?;
    let phb = PhbTarget { tree: tree.id(), number: tree.number(), firmware: tree.firmware() };
    let firmware = &platform()?.firmware;
    let info = identify::info(firmware, phb, device);
    let target = DeviceTarget::bare(phb, device.bdf());
    let saved = saved(firmware, &target, device);
    match insert(&tree, device, info, saved, place) {
        Ok(inserted) => {
            refresh(&tree, device, firmware, &target, inserted);
            publish(device, Some(inserted.device));
            map(&tree, device, inserted.device);
            Some(inserted.device)
        }
        Err(error) => {
            pr_warn!("EEH: {:04x}:{} works without EEH: {error}", tree.number().0, device.bdf());
            None
        }
    }
}

/// The words to restore after a reset; ones, as C has it, when nobody answers.
fn saved(firmware: &Firmware, target: &DeviceTarget, device: &PciDev) -> [u32; 16] {
    save_config(firmware, target, device.is_bridge()).unwrap_or([u32::MAX; 16])
}

fn insert(
    tree: &Tree<'_, KernelEnv>,
    device: &PciDev,
    info: DeviceInfo,
    saved: [u32; 16],
    place: Place,
) -> Result<Inserted, InsertError> {
    let kind = if device.is_virtual_function() { PeType::VF } else { PeType::DEVICE };
    let restricted = state::is_powernv() && restricts_config(info.vendor, info.device);
    let spec = PeSpec { number: place.number, kind };
    let enter = || {
        tree.insert_device_with(info, device.clone(), spec, place.parent, |guard, inserted| {
            // In the same critical section: whoever sees the device sees all of it.
            guard.save_config(inserted.device, saved);
            mark(guard, inserted.pe, restricted);
        })
    };
    let (error, refused) = match enter() {
        Ok(inserted) => return Ok(inserted),
        Err(refused) => refused,
    };
    drop(refused);
    // One that Linux has dropped without telling: the one that is there now counts.
    let InsertError::Exists(old) = error else { return Err(error) };
    let Eeh { platform, registry } = eeh().ok_or(error)?;
    drop(eeh_recovery::remove_device(platform, registry, old));
    enter().map_err(|(error, _)| error)
}

/// A device that comes back in a recovery has lost in the reset what firmware gave it at boot (error
/// reporting), and there was nobody to restore it. C: its `eeh_dev` stays, and is restored before the scan
fn refresh(
    tree: &Tree<'_, KernelEnv>,
    device: &PciDev,
    firmware: &Firmware,
    target: &DeviceTarget,
    inserted: Inserted,
) {
    let view = registry().and_then(|registry| registry.peek(inserted.pe));
    if device.is_virtual_function() || !view.is_some_and(|view| view.flags.contains(PeFlags::RECOVERING)) {
        return;
    }
    restore_header(device);
    // One that firmware does not know stays as it is.
    let _ = firmware.reinit(target);
    let saved = saved(firmware, target, device);
    let mut guard = tree.lock();
    guard.save_config(inserted.device, saved);
    let _ = guard.change_device(inserted.device, DeviceFlags::LATE, DeviceFlags::empty());
    drop(guard);
    mailbox::note_late(tree.id());
}

/// Whether a reset takes what firmware gave a device at boot, and nobody gives it back.
fn loses_header(device: &PciDev) -> bool {
    state::is_pseries() && !device.is_bridge()
}

/// On pSeries the device tree says where a device's registers are, and a scan takes that for granted. After a
/// reset it is not so: whatever the driver reads first would freeze the PE again. Nor does it report errors. C:
/// `eeh_restore_device_bars`, of an `eeh_dev` that stays
fn restore_header(device: &PciDev) {
    if !loses_header(device) {
        return;
    }
    for bar in 0..BARS {
        // SAFETY: the device is held and not added yet, so nobody else moves it.
        unsafe { bindings::pci_update_resource(device.as_raw(), bar) };
    }
    reporting::restore(device);
}

/// What the PE of a new device is known to be.
fn mark(guard: &TreeGuard<'_, KernelEnv>, pe: PeId, restricted: bool) {
    let Some(hold) = guard.pe(pe).and_then(|pe| pe.hold()) else { return };
    hold.set(if restricted { PeFlags::PRI_BUS | PeFlags::CFG_RESTRICTED } else { PeFlags::PRI_BUS });
}

/// Tells C of a device's token, or that there is none.
fn publish(device: &PciDev, id: Option<DeviceId>) {
    let token = id.map_or(core::ptr::null_mut(), token::of_device);
    // SAFETY: a field of a device that is held; no reference is made.
    let field = unsafe { &raw mut (*device.as_raw()).dev.archdata.edev };
    // SAFETY: as above; C reads it without a lock, in one piece.
    unsafe { field.write_volatile(token) };
    if let Some(description) = description(device) {
        // SAFETY: a field of what stays as the device does; no reference is made.
        let field = unsafe { &raw mut (*description.as_ptr()).edev };
        // SAFETY: as above; C reads it without a lock, in one piece.
        unsafe { field.write_volatile(token) };
    }
}

/// Enters a device's resources into the address map. C: `eeh_addr_cache_insert_dev`
fn map(tree: &Tree<'_, KernelEnv>, device: &PciDev, id: DeviceId) {
    for (bar, range) in ranges(device) {
        if let Err(error) = tree.map().insert(range, id) {
            pr_warn!("EEH: {:04x}:{} BAR {bar}: {error}", tree.number().0, device.bdf());
        }
    }
}

/// The BARs and the ROM of a device, as CPU addresses.
fn ranges(device: &PciDev) -> impl Iterator<Item = (usize, Window)> + '_ {
    // SAFETY: the device is held, and its resources are set before it is added.
    let resources = unsafe { &(*device.as_raw()).resource };
    let last = bindings::PCI_ROM_RESOURCE as usize;
    resources.iter().take(last + 1).enumerate().filter_map(move |(bar, r)| {
        let is = |flag: u32| r.flags & flag as usize != 0;
        let bad = |address: u64| address == 0 || address == u64::MAX;
        if bad(r.start) || bad(r.end) {
            return None;
        }
        let window = match (is(bindings::IORESOURCE_MEM), is(bindings::IORESOURCE_IO)) {
            (true, _) => Window { start: r.start, end_inclusive: r.end, kind: WindowKind::Mem },
            (false, true) => ports(hose(device)?, r.start, r.end)?,
            (false, false) => return None,
        };
        Some((bar, window))
    })
}

/// I/O ports as CPU addresses.
fn ports(hose: NonNull<pci_controller>, start: u64, end: u64) -> Option<Window> {
    // SAFETY: a PHB stays as long as its devices.
    let offset = unsafe { bindings::eeh_glue_io_offset(hose.as_ptr()) } as u64;
    // SAFETY: as above.
    let base = unsafe { (*hose.as_ptr()).io_base_phys };
    let place = |port: u64| port.checked_sub(offset)?.checked_add(base);
    Some(Window { start: place(start)?, end_inclusive: place(end)?, kind: WindowKind::Io })
}

/// Makes EEH forget a device. C: `eeh_remove_device`
///
/// # Context
///
/// May sleep.
pub(crate) fn leave(device: &PciDev) {
    let Some(id) = device.eeh() else { return };
    // It looks for the token.
    sysfs::remove_device(device);
    publish(device, None);
    let Some(Eeh { platform, registry }) = eeh() else { return };
    let recovering = registry.peek_device(id).and_then(|view| registry.peek(view.pe));
    let recovering = recovering.is_some_and(|view| view.flags.contains(PeFlags::RECOVERING));
    // The platform's device is put at the end, outside the lock.
    let Some(removed) = eeh_recovery::remove_device(platform, registry, id) else { return };
    if recovering && loses_header(device) {
        reporting::keep(device, &removed.saved_config);
    }
}
