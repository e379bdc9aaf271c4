// SPDX-License-Identifier: GPL-2.0-or-later
//! Whether a slot holds a card. C: `eeh_slot_presence_check`

use core::ptr::NonNull;

use eeh_recovery::JobAnswer;

use crate::bindings;
use crate::pci::PciDev;

/// A hotplug slot, with a reference to its `pci_slot` and to its driver's module.
struct Slot {
    slot: NonNull<bindings::pci_slot>,
    hotplug: NonNull<bindings::hotplug_slot>,
    owner: *mut bindings::module,
}

impl Slot {
    /// The slot of a device, if a hotplug driver has it. The global lock around slots is held only while
    /// the references are taken.
    fn of(device: &PciDev) -> Option<Self> {
        let mutex = &raw mut bindings::pci_slot_mutex;
        // SAFETY: the mutex is static; a helper, which may sleep and holds no lock.
        unsafe { bindings::eeh_glue_mutex_lock(mutex) };
        // SAFETY: the device is held. Written while the lock is held only.
        let slot = unsafe { (*device.as_raw()).slot };
        // SAFETY: null, or a slot that is not freed while the lock is held.
        let found = unsafe { Self::pin(slot) };
        // SAFETY: taken above.
        unsafe { bindings::mutex_unlock(mutex) };
        found
    }

    /// # Safety
    ///
    /// `slot` is null or a slot, and the lock around slots is held.
    unsafe fn pin(slot: *mut bindings::pci_slot) -> Option<Self> {
        let slot = NonNull::new(slot)?;
        // SAFETY: the caller's promise.
        let hotplug = NonNull::new(unsafe { (*slot.as_ptr()).hotplug })?.cast::<bindings::hotplug_slot>();
        // SAFETY: the slot's driver clears the pointer before it frees what it points to.
        let owner = unsafe { (*hotplug.as_ptr()).owner };
        // SAFETY: null, or the module of a driver that has a slot.
        if !unsafe { bindings::try_module_get(owner) } {
            return None;
        }
        // SAFETY: the caller's promise: a field of a slot; no reference is made.
        let kobject = unsafe { &raw mut (*slot.as_ptr()).kobj };
        // SAFETY: the caller's promise; a slot whose count is zero waits for the lock to be freed.
        let kobject = unsafe { bindings::kobject_get_unless_zero(kobject) };
        if kobject.is_null() {
            // SAFETY: taken above.
            unsafe { bindings::module_put(owner) };
            return None;
        }
        Some(Self { slot, hotplug, owner })
    }

    /// What the slot's driver offers, unless it has given the slot up.
    fn driver(&self) -> Option<(*mut bindings::hotplug_slot, &bindings::hotplug_slot_ops)> {
        // SAFETY: a field of a slot that is held; no reference is made.
        let now = unsafe { &raw const (*self.slot.as_ptr()).hotplug };
        // SAFETY: as above; a pointer that is written at once.
        let now = unsafe { now.read_volatile() };
        let hotplug = self.hotplug.as_ptr();
        if !core::ptr::eq(now.cast(), hotplug) {
            return None;
        }
        // SAFETY: the slot's driver has it, as seen just now, and its module, which has the table, is held. A
        // driver that gives its slot up from here on frees what is called: C's window too, and the PCI core has
        // no lock that closes it (`docs/design/0010-threads-in-the-kernel.md`).
        let table = unsafe { (*hotplug).ops };
        // SAFETY: a table in the driver's module, which is held as long as `self`; nobody writes it.
        Some((hotplug, unsafe { &*table }))
    }

    /// Switches the attention indicator, if there is one. C: `eeh_clear_slot_attention`
    fn attention(&self, on: bool) {
        let Some((hotplug, ops)) = self.driver() else { return };
        if let Some(call) = ops.set_attention_status {
            // SAFETY: the slot's driver has it. A light that cannot be switched is no reason to stop.
            let _ = unsafe { call(hotplug, u8::from(on)) };
        }
    }

    /// Whether the adapter is there; `None` when the slot cannot tell, or its driver has given it up.
    fn adapter(&self) -> Option<bool> {
        let (hotplug, ops) = self.driver()?;
        let call = ops.get_adapter_status?;
        self.attention(true);
        let mut status = 0;
        // SAFETY: as above; the output lives until the call returns.
        let error = unsafe { call(hotplug, &raw mut status) };
        (error == 0).then_some(status != 0)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // SAFETY: taken by `pin`. The last reference is given back under the lock, as C does.
        unsafe { bindings::pci_destroy_slot(self.slot.as_ptr()) };
        // SAFETY: taken by `pin`.
        unsafe { bindings::module_put(self.owner) };
    }
}

/// Switches the attention indicator of the device's slot off.
pub(crate) fn clear_attention(device: &PciDev) -> JobAnswer {
    if device.is_gone() {
        return JobAnswer::Gone;
    }
    if let Some(slot) = Slot::of(device) {
        slot.attention(false);
    }
    JobAnswer::Done
}

/// Lights the attention indicator of the device's slot, and answers whether it holds a card, as far as it
/// can tell.
pub(crate) fn check(device: &PciDev) -> JobAnswer {
    if device.is_gone() {
        return JobAnswer::Gone;
    }
    // SAFETY: the device is held. A word that is written at once.
    let state = unsafe { device.error_state().read_volatile() };
    if state == bindings::pci_channel_io_perm_failure {
        return JobAnswer::Absent;
    }
    match Slot::of(device).and_then(|slot| slot.adapter()) {
        Some(false) => JobAnswer::Absent,
        Some(true) | None => JobAnswer::Present,
    }
}
