// SPDX-License-Identifier: GPL-2.0-or-later
//! A PCI device's files in sysfs.

use core::fmt::{self, Write};
use core::ptr;

use eeh_pe::{DeviceFlags, DeviceView, PeFlags, PeView};
use eeh_recovery::{FreezeState, PeTarget, PhbTarget, Request, SlotState};
use kernel::ffi::{c_char, c_int};
use kernel::str::{CStrExt, as_char_ptr_in_const_context};

use crate::pci::{PciDev, of_device};
use crate::printk::pr_warn;
use crate::seq::{ENODEV, written};
use crate::state::{Eeh, eeh};
use crate::{bindings, platform, registry, request, sriov, state, token};

/// C: `EEH_STATE_NOT_SUPPORT`: what is shown of a PE whose state firmware does not tell.
const NOT_SUPPORTED: u32 = 1 << 1;

/// A file of a device, which is never changed.
#[repr(transparent)]
struct Attribute(bindings::device_attribute);

// SAFETY: never written after it was made, and points to static text and functions only.
unsafe impl Sync for Attribute {}

/// C: the type of `device_attribute.show`
type Show =
    unsafe extern "C" fn(*mut bindings::device, *mut bindings::device_attribute, *mut c_char) -> isize;

/// C: the type of `device_attribute.store`
type Store = unsafe extern "C" fn(
    *mut bindings::device,
    *mut bindings::device_attribute,
    *const c_char,
    usize,
) -> isize;

impl Attribute {
    /// A file that is read and written.
    const fn read_write(name: &'static core::ffi::CStr, show: Show, store: Store) -> Self {
        let Self(mut attribute) = Self::read_only(name, show);
        attribute.attr.mode = 0o644;
        attribute.__bindgen_anon_2 = bindings::device_attribute__bindgen_ty_2 { store: Some(store) };
        Self(attribute)
    }

    /// A file that is read.
    const fn read_only(name: &'static core::ffi::CStr, show: Show) -> Self {
        // SAFETY: an attribute of null pointers, without functions, is one.
        let mut attribute: bindings::device_attribute = unsafe { core::mem::zeroed() };
        attribute.attr.name = as_char_ptr_in_const_context(name);
        attribute.attr.mode = 0o444;
        attribute.__bindgen_anon_1 = bindings::device_attribute__bindgen_ty_1 { show: Some(show) };
        Self(attribute)
    }

    const fn as_ptr(&'static self) -> *const bindings::device_attribute {
        ptr::from_ref(&self.0)
    }
}

static MODE: Attribute = Attribute::read_only(c"eeh_mode", show_mode);
static ADDRESS: Attribute = Attribute::read_only(c"eeh_pe_config_addr", show_address);
static STATE: Attribute = Attribute::read_write(c"eeh_pe_state", show_state, store_state);
static NOTIFY_RESUME: Attribute =
    Attribute::read_write(c"eeh_notify_resume", show_notify_resume, store_notify_resume);

/// The page that a `show` function fills.
struct Page {
    at: *mut c_char,
    len: c_int,
}

impl Page {
    /// # Safety
    ///
    /// `at` is the buffer of a `show` function that runs.
    const unsafe fn new(at: *mut c_char) -> Self {
        Self { at, len: 0 }
    }

    fn write(mut self, text: fmt::Arguments<'_>) -> isize {
        // What does not fit into a page is left out.
        let _ = self.write_fmt(text);
        self.len as isize
    }
}

impl Write for Page {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let len = c_int::try_from(text.len()).map_err(|_| fmt::Error)?;
        let format = c"%.*s".as_char_ptr();
        // SAFETY: the buffer is a page, whose room the call knows; the format takes a length and as many
        // bytes.
        self.len += unsafe { bindings::sysfs_emit_at(self.at, self.len, format, len, text.as_ptr()) };
        Ok(())
    }
}

/// What EEH knows of the device of a file.
///
/// # Safety
///
/// `device` is the argument of a `show` or `store` function that runs.
unsafe fn views(device: *mut bindings::device) -> Option<(DeviceView, PeView)> {
    // SAFETY: the file keeps its device.
    let id = unsafe { token::device_of(of_device(device)) }?;
    let device = registry()?.peek_device(id)?;
    Some((device, registry()?.peek(device.pe)?))
}

/// # Safety
///
/// The arguments are those of a `show`.
unsafe extern "C" fn show_mode(
    device: *mut bindings::device,
    _attribute: *mut bindings::device_attribute,
    page: *mut c_char,
) -> isize {
    // SAFETY: the arguments of a `show`.
    let Some((device, _)) = (unsafe { views(device) }) else { return 0 };
    // SAFETY: as above.
    unsafe { Page::new(page) }.write(format_args!("{:#x}\n", (device.flags & DeviceFlags::LINUX).bits()))
}

/// # Safety
///
/// The arguments are those of a `show`.
unsafe extern "C" fn show_address(
    device: *mut bindings::device,
    _attribute: *mut bindings::device_attribute,
    page: *mut c_char,
) -> isize {
    // SAFETY: the arguments of a `show`.
    let Some((_, pe)) = (unsafe { views(device) }) else { return 0 };
    // SAFETY: as above.
    unsafe { Page::new(page) }.write(format_args!("{:#x}\n", pe.number.0))
}

/// C: `eeh_pe_state_show`
///
/// # Safety
///
/// The arguments are those of a `show`.
unsafe extern "C" fn show_state(
    device: *mut bindings::device,
    _attribute: *mut bindings::device_attribute,
    page: *mut c_char,
) -> isize {
    // SAFETY: the arguments of a `show`.
    let Some((_, pe)) = (unsafe { views(device) }) else { return ENODEV };
    let Some(platform) = platform() else { return ENODEV };
    let phb = PhbTarget { tree: pe.id.tree(), number: pe.phb, firmware: pe.firmware };
    let target = PeTarget { pe: pe.id, phb, number: pe.number, kind: pe.kind };
    let bits = |state: FreezeState| platform.firmware.linux_bits(state);
    let hardware = platform.firmware.state(&target).map_or(NOT_SUPPORTED, bits);
    let software = (pe.flags & PeFlags::LINUX).bits();
    // SAFETY: as above.
    unsafe { Page::new(page) }.write(format_args!("{hardware:#010x} {software:#010x}\n"))
}

/// Thaws the PE, if it is isolated and nobody recovers it. C: `eeh_pe_state_store`
///
/// # Safety
///
/// The arguments are those of a `store`.
unsafe extern "C" fn store_state(
    device: *mut bindings::device,
    _attribute: *mut bindings::device_attribute,
    text: *const c_char,
    count: usize,
) -> isize {
    // SAFETY: the file keeps its device.
    let id = unsafe { token::device_of(of_device(device)) };
    let Some((id, Eeh { platform, registry })) = id.zip(eeh()) else { return ENODEV };
    // SAFETY: so many bytes were written.
    let text = unsafe { core::slice::from_raw_parts(text.cast::<u8>(), count) };
    match request::wait(Request::write_state(platform, registry, id, text)) {
        0 => written(count),
        error => error as isize,
    }
}

/// C: `eeh_notify_resume_store`
///
/// # Safety
///
/// The arguments are those of a `store`.
unsafe extern "C" fn store_notify_resume(
    device: *mut bindings::device,
    _attribute: *mut bindings::device_attribute,
    _text: *const c_char,
    count: usize,
) -> isize {
    // SAFETY: the arguments of a `store`.
    if unsafe { views(device) }.is_none() {
        return ENODEV;
    }
    // SAFETY: the file keeps its device.
    let Some(device) = (unsafe { PciDev::get(of_device(device)) }) else { return ENODEV };
    match sriov::notify_resume(&device) {
        Ok(()) => written(count),
        Err(_) => -(bindings::EIO as isize),
    }
}

/// C: `eeh_notify_resume_show`
///
/// # Safety
///
/// The arguments are those of a `show`.
unsafe extern "C" fn show_notify_resume(
    device: *mut bindings::device,
    _attribute: *mut bindings::device_attribute,
    page: *mut c_char,
) -> isize {
    // SAFETY: the arguments of a `show`.
    if unsafe { views(device) }.is_none() {
        return ENODEV;
    }
    // SAFETY: the file keeps its device.
    let node = unsafe { bindings::pci_get_pdn(of_device(device)) };
    if node.is_null() {
        return ENODEV;
    }
    // SAFETY: a field of a node that stays as its device does; no reference is made.
    let code = unsafe { &raw const (*node).last_allow_rc };
    // SAFETY: as above; a word that is written at once.
    let code = unsafe { code.read_volatile() };
    // SAFETY: as above.
    unsafe { Page::new(page) }.write(format_args!("{code}\n"))
}

/// Whether a device's physical function lets firmware unfreeze its virtual ones.
fn notifies(device: &PciDev) -> bool {
    let physical = device.physical().unwrap_or_else(|| device.clone());
    physical.has_property(c"ibm,is-open-sriov-pf")
}

/// Makes the files of a device that EEH knows. C: `eeh_sysfs_add_device`
///
/// # Context
///
/// May sleep.
pub(crate) fn add_device(device: &PciDev) {
    let hold = device.eeh().and_then(|id| registry()?.get_device(id));
    if !state::enabled() || hold.as_ref().is_some_and(|hold| hold.flags().contains(DeviceFlags::SYSFS)) {
        return;
    }
    let own = notifies(device).then_some(&NOTIFY_RESUME);
    let error = [&MODE, &ADDRESS, &STATE].into_iter().chain(own).fold(0, |error, file| {
        // SAFETY: the device is held and in sysfs; the file's description stays for ever.
        error | unsafe { bindings::device_create_file(device.as_device(), file.as_ptr()) }
    });
    if error != 0 {
        pr_warn!("EEH: Unable to create sysfs entries");
    } else if let Some(hold) = hold {
        let _ = hold.set(DeviceFlags::SYSFS);
    }
}

/// Removes them. C: `eeh_sysfs_remove_device`
///
/// # Context
///
/// May sleep: waits for those who read them.
pub(crate) fn remove_device(device: &PciDev) {
    let Some(hold) = device.eeh().and_then(|id| registry()?.get_device(id)) else { return };
    if !hold.clear(DeviceFlags::SYSFS).contains(DeviceFlags::SYSFS) {
        return;
    }
    // SAFETY: the device is held.
    if unsafe { (*device.as_device()).kobj.sd.is_null() } {
        // The directory has gone already.
        return;
    }
    let own = notifies(device).then_some(&NOTIFY_RESUME);
    for file in [&MODE, &ADDRESS, &STATE].into_iter().chain(own) {
        // SAFETY: as above; the file's description stays for ever.
        unsafe { bindings::device_remove_file(device.as_device(), file.as_ptr()) };
    }
}
