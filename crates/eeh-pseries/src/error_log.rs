// SPDX-License-Identifier: GPL-2.0-or-later
//! Firmware's error log of a PE. C: `pseries_eeh_get_log`, `log_rtas_len`, `printk_log_rtas`

use core::fmt;

use eeh_recovery::{ErrorLog, FirmwareError, PeTarget, PhbTarget, Severity};

use crate::PSeries;
use crate::pseries::address;
use crate::rtas::{Address, Rtas, detail};
use crate::status::{ERROR_DETAIL, rc};

/// The longest error log, in bytes. C: `RTAS_ERROR_LOG_MAX`
pub const MAX_LOG: usize = 2048;

/// The fixed part of an error log. C: `struct rtas_error_log`
const HEADER: usize = 8;

/// The fixed part of an error log, decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Header {
    /// C: `rtas_error_severity`
    severity: u8,
    /// C: `rtas_error_type`
    kind: u8,
    /// Length of the whole log, as it says. C: `log_rtas_len`
    length: usize,
}

impl Header {
    /// `None` when `log` is shorter.
    fn new(log: &[u8]) -> Option<Self> {
        let &[_, flags, _, kind, a, b, c, d] = log.first_chunk::<HEADER>()?;
        let extended = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        let length = if flags & 0x04 != 0 { HEADER.saturating_add(extended) } else { HEADER };
        Some(Self { severity: flags >> 5, kind, length })
    }
}

/// C: `rtas_event_type`
const fn kind_name(kind: u8) -> &'static str {
    match kind {
        0x01 => "Retry",
        0x02 => "TCE Error",
        0x03 => "Internal Device Failure",
        0x04 => "Timeout",
        0x05 => "Data Parity",
        0x06 => "Address Parity",
        0x07 => "Cache Parity",
        0x08 => "Address Invalid",
        0x09 => "ECC Uncorrected",
        0x0a => "ECC Corrupted",
        0x40 => "EPOW",
        0xa0 => "Platform Resource Reassignment Event",
        0xe0 => "Platform Error",
        0xe1 => "I/O Event",
        0xe2 => "Platform Information Event",
        0xe3 => "Resource Deallocation Event",
        0xe4 => "Dump Notification Event",
        0xe5 => "Hotplug Event",
        0xe6 => "Hypervisor Pipe Notification event",
        _ => "Unknown",
    }
}

impl<R: Rtas> PSeries<R> {
    /// Size of an error log in bytes: firmware's, [`MAX_LOG`] when that is none.
    /// C: `rtas_get_error_log_max`
    #[must_use]
    pub fn log_size(&self) -> usize {
        match self.rtas.error_log_max() {
            size @ HEADER..=MAX_LOG => size,
            _ => MAX_LOG,
        }
    }

    /// Fetches the error log of a PE into `log`, with the `driver`'s own data in it, and answers its
    /// length: 0 when firmware has nothing to tell.
    ///
    /// # Errors
    ///
    /// [`FirmwareError::Missing`] when `log` is shorter than [`PSeries::log_size`], which firmware is
    /// not told to cut a log for; the firmware's own.
    ///
    /// # Context
    ///
    /// The worker. C: `pseries_eeh_get_log`
    pub fn error_detail(
        &self,
        pe: Address,
        severity: Severity,
        driver: &[u8],
        log: &mut [u8],
    ) -> Result<usize, FirmwareError> {
        self.require(&ERROR_DETAIL)?;
        let no_room = FirmwareError::Missing { call: "room for an error log" };
        let log = log.get_mut(..self.log_size()).ok_or(no_room)?;
        let function = match severity {
            Severity::Temporary => detail::TEMPORARY,
            Severity::Permanent => detail::PERMANENT,
        };
        let mut silent = false;
        ERROR_DETAIL.at_once(|| {
            // The rest of an older log never shows through.
            log.fill(0);
            match self.rtas.slot_error_detail(pe, driver, log, function) {
                rc::NO_LOG => {
                    silent = true;
                    rc::SUCCESS
                }
                status => status,
            }
        })?;
        let length = Header::new(log).map_or(0, |header| header.length.min(log.len()));
        Ok(if silent { 0 } else { length })
    }
}

impl<R: Rtas> ErrorLog for PSeries<R> {
    /// The PE's log. A PHB's own PE has none.
    fn capture(
        &self,
        pe: &PeTarget,
        severity: Severity,
        driver: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, FirmwareError> {
        match address(pe) {
            Some(pe) => self.error_detail(pe, severity, driver, buffer),
            None => Ok(0),
        }
    }

    fn is_shared(&self, _phb: &PhbTarget) -> bool {
        false
    }

    /// C: `EEH_ENABLE_IO_FOR_LOG`, set by `eeh_pseries_init`
    fn needs_mmio(&self, _phb: &PhbTarget) -> bool {
        true
    }

    /// Gives the log to whoever keeps RTAS events. Where there is nobody, prints its line; without the
    /// number of the event, which is theirs.
    fn print(&self, _phb: &PhbTarget, data: &[u8], line: &mut dyn FnMut(fmt::Arguments<'_>)) {
        let have = data.len();
        let Some(Header { severity, kind, length }) = Header::new(data) else {
            return line(format_args!("RTAS: error log of only {have} bytes"));
        };
        if self.rtas.log_error(data) {
            return;
        }
        let name = kind_name(kind);
        line(format_args!("RTAS: event, Type: {name} ({kind}), Severity: {severity}"));
        if length > have {
            line(format_args!("RTAS: event: only {have} of {length} bytes"));
        }
    }
}

#[cfg(test)]
#[path = "error_log_tests.rs"]
mod tests;
