// SPDX-License-Identifier: GPL-2.0-or-later
//! OPAL's PCI services.
//!
//! OPAL runs in real mode and takes kernel addresses of the linear map: the stack, `kmalloc` memory
//! and static data are there, `vmalloc` memory is not. What it writes is big-endian.

use core::ptr;

use eeh_powernv::opal::{FreezeStatus, NextErrorOut, Opal, rc};

use crate::bindings;

/// OPAL, as Linux calls it. Each call switches to firmware and back; none takes a lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelOpal;

/// Whether firmware has a service. C: `opal_check_token`
fn has(token: u32) -> bool {
    // SAFETY: asks firmware, in any context but NMI.
    unsafe { bindings::opal_check_token(token.into()) != 0 }
}

impl Opal for KernelOpal {
    #[inline(always)]
    fn pci_eeh_freeze_status(&self, phb: u64, pe: u64, out: &mut FreezeStatus) -> i64 {
        let mut state = 0;
        let mut error = 0;
        // SAFETY: the outputs are on the stack and live until the call returns; the last may be null.
        let code = unsafe {
            bindings::opal_pci_eeh_freeze_status(phb, pe, &raw mut state, &raw mut error, ptr::null_mut())
        };
        *out = FreezeStatus { freeze_state: state, pci_error_type: u16::from_be(error) };
        code
    }

    fn pci_eeh_freeze_clear(&self, phb: u64, pe: u64, action: u64) -> i64 {
        // SAFETY: numbers only.
        unsafe { bindings::opal_pci_eeh_freeze_clear(phb, pe, action) }
    }

    fn pci_eeh_freeze_set(&self, phb: u64, pe: u64, action: u64) -> i64 {
        // SAFETY: numbers only.
        unsafe { bindings::opal_pci_eeh_freeze_set(phb, pe, action) }
    }

    fn pci_reset(&self, id: u64, scope: u8, assert: u8) -> i64 {
        // SAFETY: numbers only.
        unsafe { bindings::opal_pci_reset(id, scope, assert) }
    }

    fn pci_poll(&self, id: u64) -> i64 {
        // SAFETY: numbers only.
        unsafe { bindings::opal_pci_poll(id) }
    }

    fn pci_next_error(&self, phb: u64, out: &mut NextErrorOut) -> i64 {
        let mut pe = 0;
        let mut error = 0;
        let mut severity = 0;
        // SAFETY: the outputs are on the stack and live until the call returns.
        let code =
            unsafe { bindings::opal_pci_next_error(phb, &raw mut pe, &raw mut error, &raw mut severity) };
        *out = NextErrorOut {
            first_frozen_pe: u64::from_be(pe),
            pci_error_type: u16::from_be(error),
            severity: u16::from_be(severity),
        };
        code
    }

    /// `buffer` is in the linear map: a worker's are `kmalloc` memory.
    fn pci_get_phb_diag_data2(&self, phb: u64, buffer: &mut [u8]) -> i64 {
        // SAFETY: firmware writes no further than the length it is told; see the type of `buffer`'s
        // owners for where it is.
        unsafe { bindings::opal_pci_get_phb_diag_data2(phb, buffer.as_mut_ptr().cast(), buffer.len() as u64) }
    }

    /// `buffer` is on the stack.
    fn pci_get_hub_diag_data(&self, hub: u64, buffer: &mut [u8]) -> i64 {
        // SAFETY: firmware writes no further than the length it is told.
        unsafe { bindings::opal_pci_get_hub_diag_data(hub, buffer.as_mut_ptr().cast(), buffer.len() as u64) }
    }

    fn pci_reinit(&self, phb: u64, scope: u64, data: u64) -> i64 {
        // SAFETY: numbers only.
        unsafe { bindings::opal_pci_reinit(phb, scope, data) }
    }

    fn pci_err_inject(&self, phb: u64, pe: u32, kind: u32, function: u32, address: u64, mask: u64) -> i64 {
        if !has(bindings::OPAL_PCI_ERR_INJECT) {
            return rc::UNSUPPORTED;
        }
        // SAFETY: numbers only.
        unsafe { bindings::opal_pci_err_inject(phb, pe, kind, function, address, mask) }
    }

    fn pci_config_read(&self, phb: u64, bdf: u16, offset: u16, size: u8, out: &mut u32) -> i64 {
        let (bdf, offset) = (u64::from(bdf), u64::from(offset));
        match size {
            1 => {
                let mut value = 0xff;
                // SAFETY: the output is on the stack and lives until the call returns.
                let code = unsafe { bindings::opal_pci_config_read_byte(phb, bdf, offset, &raw mut value) };
                *out = value.into();
                code
            }
            2 => {
                let mut value = 0xffff;
                // SAFETY: as above.
                let code =
                    unsafe { bindings::opal_pci_config_read_half_word(phb, bdf, offset, &raw mut value) };
                *out = u16::from_be(value).into();
                code
            }
            4 => {
                let mut value = u32::MAX;
                // SAFETY: as above.
                let code = unsafe { bindings::opal_pci_config_read_word(phb, bdf, offset, &raw mut value) };
                *out = u32::from_be(value);
                code
            }
            _ => rc::PARAMETER,
        }
    }

    fn pci_config_write(&self, phb: u64, bdf: u16, offset: u16, size: u8, value: u32) -> i64 {
        let (bdf, offset) = (u64::from(bdf), u64::from(offset));
        let [.., high, low] = value.to_be_bytes();
        match size {
            // SAFETY: numbers only.
            1 => unsafe { bindings::opal_pci_config_write_byte(phb, bdf, offset, low) },
            2 => {
                let half = u16::from_be_bytes([high, low]);
                // SAFETY: numbers only.
                unsafe { bindings::opal_pci_config_write_half_word(phb, bdf, offset, half) }
            }
            // SAFETY: numbers only.
            4 => unsafe { bindings::opal_pci_config_write_word(phb, bdf, offset, value) },
            _ => rc::PARAMETER,
        }
    }
}
