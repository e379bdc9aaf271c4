// SPDX-License-Identifier: GPL-2.0-or-later
//! Whether a device reports errors (PERR, SERR) is what firmware has set at boot. OPAL does so again when it
//! is asked to; a partition's firmware does not, so that a device which is removed in a recovery would come
//! back silent. C: its `eeh_dev` stays, and has the command register saved

use core::pin::Pin;

use kernel::alloc::KVec;
use kernel::alloc::flags::GFP_KERNEL;
use kernel::ffi::c_int;

use eeh_pe::Bdf;

use crate::bindings;
use crate::pci::PciDev;

/// Of the command register: PERR and SERR. C: `PCI_COMMAND_PARITY | PCI_COMMAND_SERR`
const BITS: u16 = 0x140;
const COMMAND: c_int = 4;

/// A device that was removed in a recovery: where it was, and what it reported.
struct Kept {
    place: (u32, Bdf),
    bits: u16,
}

kernel::sync::global_lock! {
    // SAFETY: initialised by `init` at boot, before any device is known to EEH.
    unsafe(uninit) static KEPT: Mutex<KVec<Kept>> = KVec::new();
}

/// Begins to keep.
///
/// # Context
///
/// Boot, once, before any PHB is added.
pub(crate) fn init() {
    // SAFETY: once, before any device is removed.
    unsafe { KEPT.init() };
}

fn place(device: &PciDev) -> (u32, Bdf) {
    (device.domain(), device.bdf())
}

/// Takes what is kept of a place.
fn take(kept: &mut KVec<Kept>, place: (u32, Bdf)) -> Option<u16> {
    let index = kept.iter().position(|one| one.place == place)?;
    kept.remove(index).ok().map(|one| one.bits)
}

/// Keeps what a device reports, as its saved configuration space has it. Without memory it comes back silent.
///
/// # Context
///
/// May sleep.
pub(crate) fn keep(device: &PciDev, saved: &[u32; 16]) {
    let [_, command, ..] = *saved;
    let bits = u16::try_from(command & u32::from(BITS)).unwrap_or(0);
    if bits == 0 || command == u32::MAX {
        return;
    }
    let place = place(device);
    let mut room = KVec::new();
    loop {
        let mut kept = KEPT.lock();
        let _ = take(&mut kept, place);
        if kept.len() == kept.capacity() && kept.len() < room.capacity() {
            // Nothing is allocated under the lock; what was there before is freed behind it.
            while let Some(one) = kept.pop() {
                let _ = room.push_within_capacity(one);
            }
            core::mem::swap(&mut *kept, &mut room);
        }
        if kept.push_within_capacity(Kept { place, bits }).is_ok() {
            return;
        }
        let wanted = kept.len().saturating_add(8);
        drop(kept);
        let Ok(more) = KVec::with_capacity(wanted, GFP_KERNEL) else { return };
        room = more;
    }
}

/// Gives it back to a device that is there again.
///
/// # Context
///
/// May sleep.
pub(crate) fn restore(device: &PciDev) {
    let Some(bits) = take(&mut KEPT.lock(), place(device)) else { return };
    let mut command = 0;
    // SAFETY: the device is held.
    let read = unsafe { bindings::pci_read_config_word(device.as_raw(), COMMAND, &mut command) };
    if read == 0 && command != u16::MAX {
        // SAFETY: as above. A write that is refused leaves it silent.
        unsafe { bindings::pci_write_config_word(device.as_raw(), COMMAND, command | bits) };
    }
}
