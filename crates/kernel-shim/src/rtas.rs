// SPDX-License-Identifier: GPL-2.0-or-later
//! RTAS's EEH services.
//!
//! RTAS runs in real mode below 4 GB: buffers are static data, which are in the kernel's image. They are
//! shared by all PHBs, so a sleeping lock serves them; `rtas_call` has a global lock of its own anyway.

use core::cell::UnsafeCell;
use core::ptr;

use eeh_pe::{Lock, LockName};
use eeh_pseries::rtas::{Address, ErrorClass, Rtas, Services, SlotResetState};
use eeh_recovery::DRIVER_LOG;
use kernel::ffi::c_int;

use crate::bindings;
use crate::lock::{SleepGuard, SleepLock};
use crate::once::Once;

/// Bytes of an error log, and of a work buffer.
const ROOM: usize = 4096;

/// Buffers that RTAS can reach.
#[repr(C, align(4096))]
struct Buffers {
    driver: [u8; DRIVER_LOG],
    log: [u8; ROOM],
}

/// Memory that only the holder of [`BUFFERS_LOCK`] uses.
struct LowMemory(UnsafeCell<Buffers>);

// SAFETY: see above.
unsafe impl Sync for LowMemory {}

static LOW: LowMemory = LowMemory(UnsafeCell::new(Buffers { driver: [0; DRIVER_LOG], log: [0; ROOM] }));
static BUFFERS_LOCK: Once<SleepLock<()>> = Once::new();

/// The buffers, ours for a while.
struct Held<'l>(&'l mut Buffers, SleepGuard<'l, ()>);

impl Held<'_> {
    fn lock() -> Option<Self> {
        let guard = BUFFERS_LOCK.get()?.lock();
        // SAFETY: the lock is held for as long as the reference lives.
        Some(Self(unsafe { &mut *LOW.0.get() }, guard))
    }
}

/// Where RTAS finds a buffer.
fn low_address(buffer: &mut [u8]) -> u32 {
    // SAFETY: an address of static data is translated, nothing is accessed.
    let address = unsafe { bindings::eeh_glue_pa(buffer.as_mut_ptr().cast()) };
    // The kernel's image is below 4 GB on every machine that has RTAS.
    u32::try_from(address).unwrap_or(u32::MAX)
}

/// Tokens of the calls, looked up once.
#[derive(Debug)]
pub(crate) struct KernelRtas {
    services: Services,
    tokens: [c_int; CALLS.len()],
}

/// Every call: its flag, and its index in C's table of functions.
const CALLS: [(Services, u32); 15] = [
    (Services::SET_EEH_OPTION, bindings::rtas_function_index_RTAS_FNIDX__IBM_SET_EEH_OPTION),
    (Services::SET_SLOT_RESET, bindings::rtas_function_index_RTAS_FNIDX__IBM_SET_SLOT_RESET),
    (Services::READ_SLOT_RESET_STATE, bindings::rtas_function_index_RTAS_FNIDX__IBM_READ_SLOT_RESET_STATE),
    (Services::READ_SLOT_RESET_STATE2, bindings::rtas_function_index_RTAS_FNIDX__IBM_READ_SLOT_RESET_STATE2),
    (Services::GET_CONFIG_ADDR_INFO, bindings::rtas_function_index_RTAS_FNIDX__IBM_GET_CONFIG_ADDR_INFO),
    (Services::GET_CONFIG_ADDR_INFO2, bindings::rtas_function_index_RTAS_FNIDX__IBM_GET_CONFIG_ADDR_INFO2),
    (Services::CONFIGURE_BRIDGE, bindings::rtas_function_index_RTAS_FNIDX__IBM_CONFIGURE_BRIDGE),
    (Services::CONFIGURE_PE, bindings::rtas_function_index_RTAS_FNIDX__IBM_CONFIGURE_PE),
    (Services::SLOT_ERROR_DETAIL, bindings::rtas_function_index_RTAS_FNIDX__IBM_SLOT_ERROR_DETAIL),
    (Services::ALLOW_UNFREEZE, bindings::rtas_function_index_RTAS_FNIDX__IBM_OPEN_SRIOV_ALLOW_UNFREEZE),
    (Services::OPEN_ERRINJCT, bindings::rtas_function_index_RTAS_FNIDX__IBM_OPEN_ERRINJCT),
    (Services::ERRINJCT, bindings::rtas_function_index_RTAS_FNIDX__IBM_ERRINJCT),
    (Services::CLOSE_ERRINJCT, bindings::rtas_function_index_RTAS_FNIDX__IBM_CLOSE_ERRINJCT),
    (Services::READ_PCI_CONFIG, bindings::rtas_function_index_RTAS_FNIDX__IBM_READ_PCI_CONFIG),
    (Services::WRITE_PCI_CONFIG, bindings::rtas_function_index_RTAS_FNIDX__IBM_WRITE_PCI_CONFIG),
];

/// C: `RTAS_UNKNOWN_SERVICE`
const UNKNOWN: c_int = -1;

/// Calls RTAS with numbers: `rtas_call(token, inputs, outputs, rets, ...)`.
macro_rules! call {
    ($token:expr, [$($input:expr),*], $outputs:expr, $rets:expr) => {{
        let inputs: &[u32] = &[$($input),*];
        let count = c_int::try_from(inputs.len()).unwrap_or(0);
        // SAFETY: so many words follow, and `rets` has room for all outputs but the status.
        unsafe { bindings::rtas_call($token, count, $outputs, $rets $(, $input)*) }
    }};
}

/// The length that an error log says it has. C: `log_rtas_len`
fn claimed(log: &[u8]) -> usize {
    match log.first_chunk() {
        Some(&[_, flags, _, _, a, b, c, d]) if flags & 0x04 != 0 => {
            usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX).saturating_add(8)
        }
        _ => 8,
    }
}

/// The outputs of one call, behind its status.
fn outputs<const N: usize>(rets: [c_int; N]) -> [u32; N] {
    rets.map(c_int::cast_unsigned)
}

impl KernelRtas {
    /// Asks for all tokens.
    ///
    /// # Context
    ///
    /// Boot.
    pub(crate) fn new() -> Self {
        // A second set of buffers is not made; the lock of the first stays.
        let _ = BUFFERS_LOCK.set(<SleepLock<()> as Lock<()>>::new((), LockName::Map));
        let mut services = Services::empty();
        let mut tokens = [UNKNOWN; CALLS.len()];
        for ((service, index), token) in CALLS.iter().zip(&mut tokens) {
            let index = c_int::try_from(*index).unwrap_or(UNKNOWN);
            // SAFETY: an index of C's own table.
            *token = unsafe { bindings::eeh_glue_rtas_token(index) };
            services.set(*service, *token != UNKNOWN);
        }
        Self { services, tokens }
    }

    fn token(&self, service: Services) -> c_int {
        let found = CALLS.iter().zip(&self.tokens).find(|((of, _), _)| *of == service);
        found.map_or(UNKNOWN, |(_, token)| *token)
    }

    /// A call about a PE or device, whose only output is the status.
    fn simple(&self, service: Services, at: Address) -> i32 {
        let [high, low] = at.unit_id();
        call!(self.token(service), [at.config_addr, high, low], 1, ptr::null_mut())
    }

    fn with_function(&self, service: Services, at: Address, function: u32) -> i32 {
        let [high, low] = at.unit_id();
        call!(self.token(service), [at.config_addr, high, low, function], 1, ptr::null_mut())
    }

    fn info(&self, service: Services, at: Address, function: u32, out: &mut u32) -> i32 {
        let [high, low] = at.unit_id();
        let mut rets = [0; 1];
        let token = self.token(service);
        let status = call!(token, [at.config_addr, high, low, function], 2, rets.as_mut_ptr());
        [*out] = outputs(rets);
        status
    }
}

impl Rtas for KernelRtas {
    fn services(&self) -> Services {
        self.services
    }

    fn error_log_max(&self) -> usize {
        // SAFETY: reads what was found at boot.
        usize::try_from(unsafe { bindings::rtas_get_error_log_max() }).unwrap_or(0)
    }

    /// None: injection is left to user space, as in C.
    fn errinjct_token(&self, _class: ErrorClass) -> Option<u32> {
        None
    }

    fn set_eeh_option(&self, pe: Address, function: u32) -> i32 {
        self.with_function(Services::SET_EEH_OPTION, pe, function)
    }

    fn set_slot_reset(&self, pe: Address, function: u32) -> i32 {
        self.with_function(Services::SET_SLOT_RESET, pe, function)
    }

    fn read_slot_reset_state2(&self, pe: Address, out: &mut SlotResetState) -> i32 {
        let [high, low] = pe.unit_id();
        let mut rets = [0; 3];
        let token = self.token(Services::READ_SLOT_RESET_STATE2);
        let status = call!(token, [pe.config_addr, high, low], 4, rets.as_mut_ptr());
        let [state, capabilities, unavailable_ms] = outputs(rets);
        *out = SlotResetState { state, capabilities, unavailable_ms };
        status
    }

    fn read_slot_reset_state(&self, pe: Address, out: &mut SlotResetState) -> i32 {
        let [high, low] = pe.unit_id();
        let mut rets = [0; 2];
        let token = self.token(Services::READ_SLOT_RESET_STATE);
        let status = call!(token, [pe.config_addr, high, low], 3, rets.as_mut_ptr());
        let [state, capabilities] = outputs(rets);
        *out = SlotResetState { state, capabilities, unavailable_ms: 0 };
        status
    }

    fn get_config_addr_info2(&self, device: Address, function: u32, out: &mut u32) -> i32 {
        self.info(Services::GET_CONFIG_ADDR_INFO2, device, function, out)
    }

    fn get_config_addr_info(&self, device: Address, function: u32, out: &mut u32) -> i32 {
        self.info(Services::GET_CONFIG_ADDR_INFO, device, function, out)
    }

    fn configure_pe(&self, pe: Address) -> i32 {
        self.simple(Services::CONFIGURE_PE, pe)
    }

    fn configure_bridge(&self, pe: Address) -> i32 {
        self.simple(Services::CONFIGURE_BRIDGE, pe)
    }

    fn slot_error_detail(&self, pe: Address, driver: &[u8], log: &mut [u8], function: u32) -> i32 {
        let Some(Held(buffers, _guard)) = Held::lock() else { return UNKNOWN };
        let (Some(ours), Some(answer)) =
            (buffers.driver.get_mut(..driver.len()), buffers.log.get_mut(..log.len()))
        else {
            return UNKNOWN;
        };
        ours.copy_from_slice(driver);
        answer.fill(0);
        let [high, low] = pe.unit_id();
        let sizes = [driver.len(), log.len()].map(|len| u32::try_from(len).unwrap_or(0));
        let at = [low_address(ours), low_address(answer)];
        let token = self.token(Services::SLOT_ERROR_DETAIL);
        let [driver_len, log_len] = sizes;
        let [driver_at, log_at] = at;
        let status = call!(
            token,
            [pe.config_addr, high, low, driver_at, driver_len, log_at, log_len, function],
            1,
            ptr::null_mut()
        );
        log.copy_from_slice(answer);
        status
    }

    fn open_sriov_allow_unfreeze(&self, pf: Address, pes: &[u16]) -> i32 {
        let Some(Held(buffers, _guard)) = Held::lock() else { return UNKNOWN };
        let Some(list) = buffers.log.get_mut(..pes.len().saturating_mul(2)) else { return UNKNOWN };
        for (to, pe) in list.chunks_exact_mut(2).zip(pes) {
            to.copy_from_slice(&pe.to_be_bytes());
        }
        let [high, low] = pf.unit_id();
        let len = u32::try_from(list.len()).unwrap_or(0);
        let at = low_address(list);
        let token = self.token(Services::ALLOW_UNFREEZE);
        call!(token, [pf.config_addr, high, low, at, len], 1, ptr::null_mut())
    }

    /// Its first output is the session, where other calls have their status.
    fn open_errinjct(&self, session: &mut u32) -> i32 {
        let mut rets = [0; 1];
        let first = call!(self.token(Services::OPEN_ERRINJCT), [], 2, rets.as_mut_ptr());
        *session = first.cast_unsigned();
        let [status] = rets;
        status
    }

    fn errinjct(&self, class: u32, session: u32, work: &[u32]) -> i32 {
        /// Bytes of a work buffer.
        const WORK: usize = 1024;
        let Some(Held(buffers, _guard)) = Held::lock() else { return UNKNOWN };
        let Some(words) = buffers.log.get_mut(..WORK) else { return UNKNOWN };
        words.fill(0);
        for (to, word) in words.chunks_exact_mut(4).zip(work) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        let at = low_address(words);
        call!(self.token(Services::ERRINJCT), [class, session, at], 1, ptr::null_mut())
    }

    fn close_errinjct(&self, session: u32) -> i32 {
        call!(self.token(Services::CLOSE_ERRINJCT), [session], 1, ptr::null_mut())
    }

    fn read_pci_config(&self, register: Address, size: u32, out: &mut u32) -> i32 {
        let [high, low] = register.unit_id();
        let mut rets = [0; 1];
        let token = self.token(Services::READ_PCI_CONFIG);
        let status = call!(token, [register.config_addr, high, low, size], 2, rets.as_mut_ptr());
        [*out] = outputs(rets);
        status
    }

    fn write_pci_config(&self, register: Address, size: u32, value: u32) -> i32 {
        let [high, low] = register.unit_id();
        let token = self.token(Services::WRITE_PCI_CONFIG);
        call!(token, [register.config_addr, high, low, size, value], 1, ptr::null_mut())
    }

    fn log_error(&self, log: &[u8]) -> bool {
        /// C: `ERR_TYPE_RTAS_LOG`
        const RTAS_LOG: u32 = 2;
        if log.len() < claimed(log).min(self.error_log_max()) {
            return false;
        }
        // SAFETY: set at boot, and not changed any more.
        let Some(keeper) = (unsafe { bindings::ppc_md.log_error }) else { return false };
        // SAFETY: it reads as much as the log says that it is long, and no more than the size of
        // firmware's logs: so much is there. It does not write.
        unsafe { keeper(log.as_ptr().cast_mut().cast(), RTAS_LOG, 0) };
        true
    }
}
