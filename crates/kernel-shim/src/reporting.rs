// SPDX-License-Identifier: GPL-2.0-or-later
//! Whether a device reports errors (PERR, SERR) is what firmware has set at boot. OPAL does so again when it
//! is asked to; a partition's firmware does not, so that a device which is removed in a recovery would come
//! back silent. C: its `eeh_dev` stays, and has the command register saved

use core::sync::atomic::{AtomicU64, Ordering};

use kernel::ffi::c_int;

use crate::bindings;
use crate::pci::PciDev;

/// Devices that can be away at a time; more come back silent.
const AWAY: usize = 64;
/// Of the command register: PERR and SERR. C: `PCI_COMMAND_PARITY | PCI_COMMAND_SERR`
const BITS: u16 = 0x140;
const COMMAND: c_int = 4;

/// One device each: domain, bus, device and function, bits; 0 is free. Each entry stands for itself.
static KEPT: [AtomicU64; AWAY] = [const { AtomicU64::new(0) }; AWAY];

fn key(device: &PciDev) -> u64 {
    u64::from(device.domain()) << 32 | u64::from(device.bdf().0) << 16
}

/// Keeps what a device reports, as its saved configuration space has it.
///
/// # Context
///
/// Any.
pub(crate) fn keep(device: &PciDev, saved: &[u32; 16]) {
    let [_, command, ..] = saved;
    let bits = command & u32::from(BITS);
    if bits == 0 || *command == u32::MAX {
        return;
    }
    let entry = key(device) | u64::from(bits);
    let same = |held: u64| held & !u64::from(u16::MAX) == key(device);
    let swap = |from: u64, place: &AtomicU64| {
        place.compare_exchange(from, entry, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    };
    let again = KEPT.iter().any(|place| {
        let held = place.load(Ordering::Relaxed);
        held != 0 && same(held) && swap(held, place)
    });
    if !again {
        // Without a free place the device comes back silent.
        let _ = KEPT.iter().any(|place| swap(0, place));
    }
}

/// Gives it back to a device that is there again.
///
/// # Context
///
/// May sleep.
pub(crate) fn restore(device: &PciDev) {
    let found = KEPT.iter().find_map(|place| {
        let held = place.load(Ordering::Relaxed);
        let ours = held != 0 && held & !u64::from(u16::MAX) == key(device);
        (ours && place.compare_exchange(held, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok())
            .then_some(held)
    });
    let Some(bits) = found.and_then(|held| u16::try_from(held & u64::from(BITS)).ok()) else { return };
    let mut command = 0;
    // SAFETY: the device is held.
    let read = unsafe { bindings::pci_read_config_word(device.as_raw(), COMMAND, &mut command) };
    if read == 0 && command != u16::MAX {
        // SAFETY: as above. A write that is refused leaves it silent.
        unsafe { bindings::pci_write_config_word(device.as_raw(), COMMAND, command | bits) };
    }
}
