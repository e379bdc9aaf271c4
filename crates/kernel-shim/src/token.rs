// SPDX-License-Identifier: GPL-2.0-or-later
//! What C holds as `struct eeh_pe *` and `struct eeh_dev *`: numbers that name a handle.
//!
//! A token is never a place in memory. Its top byte makes an address that no mode of the MMU
//! translates (with radix, bits 2 to 11 of an address must be 0; with hash, region 0xe is
//! empty), so a forgotten dereference in C faults at once and names itself. The rest is the slot: 12 bits of the registry's
//! place, 16 of the index, 28 of the slot's generation. A slot's generation is never used twice,
//! so a token that C kept too long resolves to nothing.

use eeh_pe::{DeviceId, PeId, SlotName};

use crate::{bindings, state};

/// Top byte of a device's token.
const DEVICE: u64 = 0xed;
/// Top byte of a PE's token.
const PE: u64 = 0xee;

const INDEX_BITS: u32 = 16;
const GENERATION_BITS: u32 = 28;

/// Top byte, and a slot's name.
fn pack(kind: u64, place: u16, index: u16, generation: u32) -> u64 {
    let slot = u64::from(place) << INDEX_BITS | u64::from(index);
    kind << 56 | slot << GENERATION_BITS | u64::from(generation)
}

/// The slot's name; `None` of what is no token of this kind.
#[inline]
fn unpack(kind: u64, token: u64) -> Option<SlotName> {
    if token >> 56 != kind {
        return None;
    }
    let low = |value: u64, bits: u32| value & ((1 << bits) - 1);
    let slot = low(token, 56) >> GENERATION_BITS;
    Some(SlotName {
        place: u16::try_from(slot >> INDEX_BITS).ok()?,
        index: u16::try_from(low(slot, INDEX_BITS)).ok()?,
        generation: u32::try_from(low(token, GENERATION_BITS)).ok()?,
    })
}

/// What a device's token says; `None` of null, and of what is no token.
///
/// # Context
///
/// Any, NMI included.
#[inline]
pub(crate) fn device_name(token: *const bindings::eeh_dev) -> Option<SlotName> {
    unpack(DEVICE, token.addr() as u64)
}

/// The token of a device.
pub(crate) fn of_device(id: DeviceId) -> *mut bindings::eeh_dev {
    let name = id.slot_name();
    core::ptr::without_provenance_mut(pack(DEVICE, name.place, name.index, name.generation) as usize)
}

/// The token of a PE.
pub(crate) fn of_pe(id: PeId) -> *mut bindings::eeh_pe {
    let name = id.slot_name();
    core::ptr::without_provenance_mut(pack(PE, name.place, name.index, name.generation) as usize)
}

/// The live device that a token names; `None` of null, of what is no token, and of what is gone.
///
/// # Context
///
/// Any, NMI included.
#[inline]
pub(crate) fn device(token: *const bindings::eeh_dev) -> Option<DeviceId> {
    state::registry()?.device_named(device_name(token)?)
}

/// The live PE that a token names.
///
/// # Context
///
/// Any, NMI included.
#[inline]
pub(crate) fn pe(token: *const bindings::eeh_pe) -> Option<PeId> {
    state::registry()?.pe_named(unpack(PE, token.addr() as u64)?)
}

/// EEH's device of one of Linux's. C: `pci_dev_to_eeh_dev`
///
/// # Safety
///
/// `device` points to a device that somebody holds during this call.
///
/// # Context
///
/// Any.
pub(crate) unsafe fn device_of(pdev: *const bindings::pci_dev) -> Option<DeviceId> {
    // SAFETY: the caller's promise; no reference is made.
    let field = unsafe { &raw const (*pdev).dev.archdata.edev };
    // SAFETY: the caller's promise; probe and removal write the field with one store.
    device(unsafe { field.read_volatile() })
}
