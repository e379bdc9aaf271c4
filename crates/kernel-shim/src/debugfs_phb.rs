// SPDX-License-Identifier: GPL-2.0-or-later
//! The files in debugfs's `powerpc/PCIxxxx`: error injection. C: the files of `pnv_eeh_post_init`

use core::ffi::CStr;
use core::ptr::NonNull;

use eeh_recovery::{FirmwareError, InjectCommand, InjectError, Injection, PeTarget, PhbTarget, SlotControl};
use kernel::ffi::{c_char, c_int, c_void};
use kernel::str::CStrExt;

use crate::bindings;
use crate::seq::{Command, EINVAL, ENODEV, FileOps, open_number, written};
use crate::state::{Eeh, eeh};

/// Error injection registers of a PHB, by their offset.
const OUTBOUND: usize = 0xd10;
const INBOUND_A: usize = 0xd90;
const INBOUND_B: usize = 0xe10;

/// Makes the files of a PHB.
///
/// # Safety
///
/// `hose` is PowerNV's, has a `pnv_phb`, and is never freed.
///
/// # Context
///
/// Boot.
pub(crate) unsafe fn add_phb(hose: NonNull<bindings::pci_controller>) {
    // SAFETY: the caller's promise.
    let phb = unsafe { (*hose.as_ptr()).private_data.cast::<bindings::pnv_phb>() };
    // SAFETY: as above.
    let has = unsafe { (*phb).has_dbgfs };
    // SAFETY: as above.
    let directory = unsafe { (*phb).dbgfs };
    if has != 0 || directory.is_null() {
        return;
    }
    // SAFETY: as above; only this function writes the field.
    unsafe { (*phb).has_dbgfs = 1 };
    let files: [(&CStr, u16, &'static FileOps); 4] = [
        (c"err_injct", 0o200, &INJECT),
        (c"err_injct_outbound", 0o600, &REGISTER_OUTBOUND),
        (c"err_injct_inboundA", 0o600, &REGISTER_INBOUND_A),
        (c"err_injct_inboundB", 0o600, &REGISTER_INBOUND_B),
    ];
    for (name, mode, operations) in files {
        let (name, data) = (name.as_char_ptr(), hose.as_ptr().cast());
        // SAFETY: the directory, the controller and the operations stay for ever.
        unsafe { bindings::debugfs_create_file_unsafe(name, mode, directory, data, operations.as_ptr()) };
    }
}

/// A register of the PHB whose files `data` belongs to.
///
/// # Safety
///
/// `data` is what [`add_phb`] gave the file.
unsafe fn register(data: *mut c_void, offset: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    let phb = unsafe { (*data.cast::<bindings::pci_controller>()).private_data.cast::<bindings::pnv_phb>() };
    // SAFETY: a PHB of PowerNV has this part, which is never freed.
    let registers = unsafe { (*phb).regs }.cast::<u8>();
    // SAFETY: a PHB's registers are mapped for good, and more than these.
    unsafe { registers.add(offset) }.cast()
}

/// C: `pnv_eeh_dbgfs_get`
///
/// # Safety
///
/// `data` is what [`add_phb`] gave the file, and `value` may be written to.
unsafe extern "C" fn get<const OFFSET: usize>(data: *mut c_void, value: *mut u64) -> c_int {
    // SAFETY: the caller's promise.
    let register = unsafe { register(data, OFFSET) };
    // SAFETY: it is mapped for good.
    let now = unsafe { bindings::eeh_glue_in_be64(register) };
    // SAFETY: the caller's promise.
    unsafe { value.write(now) };
    0
}

/// C: `pnv_eeh_dbgfs_set`
///
/// # Safety
///
/// `data` is what [`add_phb`] gave the file.
unsafe extern "C" fn set<const OFFSET: usize>(data: *mut c_void, value: u64) -> c_int {
    // SAFETY: the caller's promise.
    let register = unsafe { register(data, OFFSET) };
    // SAFETY: it is mapped for good.
    unsafe { bindings::eeh_glue_out_be64(register, value) };
    0
}

/// # Safety
///
/// `inode` and `file` are being opened, and the file's data are what [`add_phb`] gave it.
unsafe extern "C" fn open<const OFFSET: usize>(
    inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: the caller's promise; the data are what `get` and `set` take.
    unsafe { open_number(inode, file, get::<OFFSET>, set::<OFFSET>) }
}

static REGISTER_OUTBOUND: FileOps = FileOps::number(open::<OUTBOUND>);
static REGISTER_INBOUND_A: FileOps = FileOps::number(open::<INBOUND_A>);
static REGISTER_INBOUND_B: FileOps = FileOps::number(open::<INBOUND_B>);

static INJECT: FileOps = {
    /// C: `pnv_eeh_ei_write`
    ///
    /// # Safety
    ///
    /// The arguments are those of a `write`, and the file's data are what [`add_phb`] gave it.
    unsafe extern "C" fn write(
        file: *mut bindings::file,
        from: *const c_char,
        count: usize,
        position: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: the file is open until this returns.
        let hose = unsafe { (*file).private_data }.cast::<bindings::pci_controller>();
        // SAFETY: the controller that `add_phb` gave it, which is never freed.
        let number = unsafe { (*hose).global_number };
        // SAFETY: these are the arguments of a `write`.
        let command = unsafe { Command::take(from, count, position) };
        match command.and_then(|command| inject(number, command.text())) {
            Ok(()) => written(count),
            Err(error) => error,
        }
    }
    FileOps::command(write, None)
};

/// Injects an error into a PE of a PHB.
fn inject(number: c_int, text: &[u8]) -> Result<(), isize> {
    let command = InjectCommand::parse(text).ok_or(EINVAL)?;
    let Eeh { platform, registry } = eeh().ok_or(ENODEV)?;
    let number = eeh_pe::PhbNumber(u32::try_from(number).map_err(|_| ENODEV)?);
    let tree = registry.find_phb(number).and_then(|id| registry.tree(id)).ok_or(ENODEV)?;
    let phb = PhbTarget { tree: tree.id(), number, firmware: tree.firmware() };
    let pe = {
        let guard = tree.lock();
        let found = guard.find(command.pe).ok_or(ENODEV)?;
        PeTarget { pe: found.id(), phb, number: found.number(), kind: found.kind() }
    };
    let InjectCommand { kind, function, address, mask, .. } = command;
    let error = Injection { kind, function, address, mask };
    platform.firmware.inject(&pe, &error).map_err(|error| match error {
        InjectError::Kind(_) | InjectError::Function(_) | InjectError::Address(_) => EINVAL,
        InjectError::Firmware(FirmwareError::Missing { .. }) => -(bindings::ENXIO as isize),
        InjectError::Firmware(_) => -(bindings::EIO as isize),
    })
}
