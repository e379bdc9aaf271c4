// SPDX-License-Identifier: GPL-2.0-or-later
//! OPAL's PCI error event: one interrupt for all PHBs. It stays masked until each worker that was asked
//! has asked firmware about its PHB, and is enabled as often as it was disabled.

use core::ptr;

use eeh_pe::sync::{AtomicU32, Full, Relaxed};
use kernel::ffi::{c_int, c_uint, c_void};
use kernel::str::CStrExt;

use crate::printk::pr_err;
use crate::{bindings, mailbox, state};

/// C: `ilog2(OPAL_EVENT_PCI_ERROR)`
const EVENT: c_uint = bindings::OpalPendingState_OPAL_EVENT_PCI_ERROR.trailing_zeros();

/// C: `IRQ_TYPE_LEVEL_HIGH`
const LEVEL_HIGH: usize = 4;

/// Linux's number of the interrupt; 0 before it is requested.
static IRQ: AtomicU32 = AtomicU32::new(0);
/// Who keeps it masked: workers, and the handler while it runs.
static HOLDERS: AtomicU32 = AtomicU32::new(0);
/// 1: masked, and no worker was there to be asked.
static LEFT: AtomicU32 = AtomicU32::new(0);

/// The interrupt. C: `pnv_eeh_event`
extern "C" fn handler(irq: c_int, _data: *mut c_void) -> bindings::irqreturn_t {
    // SAFETY: the interrupt that runs exists.
    unsafe { bindings::disable_irq_nosync(c_uint::try_from(irq).unwrap_or(0)) };
    hold();
    if state::enabled() && mailbox::request_checks() != 0 {
        release();
    } else {
        // Taken over by the next worker, or when EEH is enabled. The handler's hold goes with it.
        let _ = LEFT.xchg(1, Full);
    }
    bindings::irqreturn::IRQ_HANDLED
}

/// One more keeps it masked.
///
/// # Context
///
/// Any, while somebody keeps it masked.
pub(crate) fn hold() {
    let _ = HOLDERS.fetch_add(1, Full);
}

/// One less; the last enables it.
///
/// # Context
///
/// A task, or the handler.
pub(crate) fn release() {
    if HOLDERS.fetch_add(u32::MAX, Full) == 1 {
        // SAFETY: it was requested, and disabled once.
        unsafe { bindings::enable_irq(IRQ.load(Relaxed)) };
    }
}

/// Takes over the hold of an interrupt that met no worker: whether there was one.
pub(crate) fn adopt() -> bool {
    LEFT.xchg(0, Full) == 1
}

/// EEH was enabled: an interrupt that came meanwhile comes again.
pub(crate) fn resume() {
    if adopt() {
        release();
    }
}

/// A worker has asked firmware about its PHB.
///
/// # Context
///
/// The worker.
pub(crate) fn rearm(firmware: u64) {
    if mailbox::take_mask(firmware) {
        release();
    }
}

/// Requests the interrupt; 0, or an error number. C: the middle of `pnv_eeh_post_init`
///
/// # Context
///
/// Boot.
pub(crate) fn request() -> c_int {
    // SAFETY: asks for the interrupt of one of OPAL's events.
    let irq = unsafe { bindings::opal_event_request(EVENT) };
    let Ok(number) = c_uint::try_from(irq) else {
        pr_err!("pnv_eeh_post_init: Can't register OPAL event interrupt ({irq})");
        return irq;
    };
    IRQ.store(number, Relaxed);
    // SAFETY: the handler needs no data, and is there for good.
    let error = unsafe {
        bindings::request_irq(number, Some(handler), LEVEL_HIGH, c"opal-eeh".as_char_ptr(), ptr::null_mut())
    };
    if error < 0 {
        // SAFETY: nobody uses the mapping.
        unsafe { bindings::irq_dispose_mapping(number) };
        pr_err!("pnv_eeh_post_init: Can't request OPAL event interrupt ({irq})");
    }
    error
}
