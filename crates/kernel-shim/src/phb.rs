// SPDX-License-Identifier: GPL-2.0-or-later
//! PHBs come and go. C: `eeh_phb_pe_create`

use core::ptr::{self, NonNull};

use eeh_pe::{AddPhbError, PhbInfo, PhbNumber, TreeId, TreeStorage, Window, WindowKind};

use crate::bindings::{self, pci_controller, resource};
use crate::printk::pr_warn;
use crate::{mailbox, pci_core, phbs, registry, state, time, worker};

/// Address ranges of a PHB: the BARs of about 300 functions.
const RANGES: usize = 2048;

/// C: `PNV_PHB_FLAG_EEH`
const FLAG_EEH: i32 = bindings::PNV_PHB_FLAG_EEH.cast_signed();

/// The PHBs that Linux has, for the machine's life or, with DLPAR, while nobody removes one.
///
/// # Safety
///
/// Nobody adds or removes a PHB during the walk: boot, or PowerNV, which has no PHB hotplug.
pub(crate) unsafe fn hoses() -> impl Iterator<Item = NonNull<pci_controller>> {
    let head = &raw mut bindings::hose_list;
    // SAFETY: the list's head is static and initialised at build time.
    let mut at = unsafe { (*head).next };
    core::iter::from_fn(move || {
        if ptr::eq(at, head) {
            return None;
        }
        // SAFETY: an element that is not the head is the `list_node` of a PHB.
        let hose = unsafe { kernel::container_of!(at, pci_controller, list_node) };
        // SAFETY: the caller's promise: the element stays.
        at = unsafe { (*at).next };
        NonNull::new(hose)
    })
}

/// Linux's number of a PHB.
///
/// # Safety
///
/// `hose` stays during the call.
pub(crate) unsafe fn number(hose: NonNull<pci_controller>) -> PhbNumber {
    // SAFETY: the caller's promise; the number is set before anybody knows the PHB.
    PhbNumber(unsafe { (*hose.as_ptr()).global_number }.cast_unsigned())
}

/// The live tree of a PHB.
///
/// # Safety
///
/// As [`number`].
///
/// # Context
///
/// Any.
pub(crate) unsafe fn tree(hose: NonNull<pci_controller>) -> Option<TreeId> {
    // SAFETY: the caller's promise.
    registry()?.find_phb(unsafe { number(hose) })
}

/// PowerNV's part of a PHB.
///
/// # Safety
///
/// As [`number`], on a PowerNV machine.
pub(crate) unsafe fn powernv(hose: NonNull<pci_controller>) -> Option<NonNull<bindings::pnv_phb>> {
    // SAFETY: the caller's promise.
    NonNull::new(unsafe { (*hose.as_ptr()).private_data }.cast())
}

/// A window of memory.
fn memory(window: &resource) -> Option<Window> {
    (window.flags & bindings::IORESOURCE_MEM as usize != 0 && window.start <= window.end).then_some(Window {
        start: window.start,
        end_inclusive: window.end,
        kind: WindowKind::Mem,
    })
}

/// What is known of a PHB.
///
/// # Safety
///
/// As [`number`].
unsafe fn info(hose: NonNull<pci_controller>) -> Option<PhbInfo> {
    // SAFETY: the caller's promise; nobody changes these once the PHB was set up.
    let phb = unsafe { hose.as_ref() };
    let firmware = if state::is_powernv() {
        // SAFETY: the caller's promise.
        let powernv = unsafe { powernv(hose) }?;
        // SAFETY: a PHB of PowerNV has this part for ever; set before anybody knows the PHB.
        unsafe { (*powernv.as_ptr()).opal_id }
    } else {
        phb.buid as u64
    };
    let io = (phb.pci_io_size != 0 && phb.io_base_phys != 0).then(|| Window {
        start: phb.io_base_phys,
        end_inclusive: phb.io_base_phys.saturating_add(phb.pci_io_size - 1),
        kind: WindowKind::Io,
    });
    let [a, b, c] = [&phb.mem_resources[0], &phb.mem_resources[1], &phb.mem_resources[2]].map(memory);
    Some(PhbInfo {
        // SAFETY: the caller's promise.
        number: unsafe { number(hose) },
        firmware,
        root_bus: u8::try_from(phb.first_busno).unwrap_or(0),
        windows: [a, b, c, io],
    })
}

/// Makes a PHB known, with a worker. Its devices work without EEH when that cannot be.
///
/// # Safety
///
/// `hose` stays during the call, and until [`remove`] is called of it.
///
/// # Context
///
/// May sleep; takes the registry's mutex.
pub(crate) unsafe fn add(hose: NonNull<pci_controller>) {
    let Some(registry) = registry() else { return };
    // SAFETY: the caller's promise.
    let Some(info) = (unsafe { info(hose) }) else { return };
    if state::is_powernv() {
        // SAFETY: as above.
        let powernv = unsafe { powernv(hose) };
        // SAFETY: PHBs of PowerNV are never freed, and this one is set up.
        let known = powernv.is_some_and(|phb| unsafe { phbs::learn(phb) });
        if !known {
            return pr_warn!("EEH: PHB#{:x} works without EEH: it is one too many", info.number.0);
        }
    }
    let Some(storage) = TreeStorage::reserve(RANGES) else {
        return pr_warn!("EEH: PHB#{:x} works without EEH: out of memory", info.number.0);
    };
    let tree = match registry.add_phb(info, storage) {
        Ok(tree) => tree,
        Err((AddPhbError::Exists(_), _)) => return,
        Err((error, _)) => return pr_warn!("EEH: PHB#{:x} works without EEH: {error}", info.number.0),
    };
    // SAFETY: the caller's promise; set before anybody knows the PHB.
    let node = unsafe { (*hose.as_ptr()).dn };
    // SAFETY: null, or the PHB's node, which it holds as long as it stays.
    let location = unsafe { pci_core::phb_location(node) };
    if !worker::start(tree, location) {
        pr_warn!("EEH: PHB#{:x} works without EEH: no worker", info.number.0);
        drop(registry.remove_phb(tree, time::now()));
    }
}

/// Forgets a PHB: its worker ends by itself.
///
/// # Safety
///
/// `hose` stays during the call.
///
/// # Context
///
/// May sleep; takes the registry's mutex.
pub(crate) unsafe fn remove(hose: NonNull<pci_controller>) {
    let Some(registry) = registry() else { return };
    // SAFETY: the caller's promise.
    let Some(tree) = (unsafe { tree(hose) }) else { return };
    // The devices are put here, outside all locks.
    drop(registry.remove_phb(tree, time::now()));
    mailbox::wake(tree);
}

/// Tells PowerNV's configuration accesses who looks for errors: EEH, or they themselves.
/// C: `pnv_eeh_enable_phbs`
///
/// # Context
///
/// A task, on PowerNV.
pub(crate) fn tell_powernv() {
    // SAFETY: PowerNV's list of PHBs does not change after the start.
    for hose in unsafe { hoses() } {
        // SAFETY: PHBs of PowerNV are never freed.
        let Some(phb) = (unsafe { powernv(hose) }) else { continue };
        // SAFETY: a word that C reads without a lock, and that only this function writes.
        let flags = unsafe { &raw mut (*phb.as_ptr()).flags };
        // SAFETY: as above.
        let now = unsafe { flags.read_volatile() };
        let new = if state::enabled() { now | FLAG_EEH } else { now & !FLAG_EEH };
        // SAFETY: as above.
        unsafe { flags.write_volatile(new) };
    }
}
