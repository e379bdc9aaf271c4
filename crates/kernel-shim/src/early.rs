// SPDX-License-Identifier: GPL-2.0-or-later
//! The reset of a PHB before the system runs: no worker, no allocation, and it waits without sleeping.
//! C: `pnv_eeh_phb_reset`

use eeh_powernv::opal::{Opal, rc, reset, scope};
use kernel::ffi::c_int;

use crate::opal::KernelOpal;
use crate::{bindings, time};

/// Milliseconds that firmware's polls may ask for in all.
const LONGEST: u64 = 60_000;
/// The bus settles after a reset. C: `EEH_PE_RST_SETTLE_TIME`
const SETTLE: u64 = 1800;

/// Waits, without sleeping where that is not possible yet.
fn wait(ms: u64) {
    let state = &raw const bindings::system_state;
    // SAFETY: a static word, which C writes in one piece.
    let state = unsafe { state.read_volatile() };
    if state >= bindings::system_states_SYSTEM_RUNNING {
        return time::sleep_ms(u32::try_from(ms).unwrap_or(u32::MAX));
    }
    for _ in 0..ms {
        // SAFETY: spins.
        unsafe { bindings::udelay(1000) };
    }
}

/// Polls until firmware is done, or has asked for too much time.
fn poll(opal: &KernelOpal, id: u64) -> i64 {
    let mut left = LONGEST;
    loop {
        let answer = opal.pci_poll(id);
        let Ok(ms @ 1..) = u64::try_from(answer) else { return answer };
        if ms > left {
            return rc::HARDWARE;
        }
        left -= ms;
        wait(ms);
    }
}

/// Asserts or releases the complete reset of a PHB: 0, or an error number.
///
/// # Context
///
/// Boot; a task later.
pub(crate) fn phb_reset(id: u64, assert: bool) -> c_int {
    let opal = KernelOpal;
    let direction = if assert { reset::ASSERT } else { reset::DEASSERT };
    let mut answer = opal.pci_reset(id, scope::PHB_COMPLETE, direction);
    if let Ok(ms @ 1..) = u64::try_from(answer) {
        wait(ms.min(LONGEST));
        answer = poll(&opal, id);
    }
    if !assert && answer >= rc::SUCCESS {
        wait(SETTLE);
    }
    if answer == rc::SUCCESS { 0 } else { -bindings::EIO.cast_signed() }
}
