// SPDX-License-Identifier: GPL-2.0-or-later
//! eeh-powernv over a firmware of which the compiler knows nothing.

use core::fmt;
use core::hint::black_box;

use eeh_pe::Time;
use eeh_powernv::opal::{FreezeStatus, NextErrorOut, Opal};
use eeh_powernv::{InjectError, Injection, PhbFacts, Phbs, PowerNv, Reset};
use eeh_recovery::{
    ConfigSpace, ConfigurePoll, DeviceTarget, ErrorLog, ErrorSource, FirmwareError, FreezeState, NextError,
    PeTarget, PhbTarget, ResetKind, ResetPoint, ResetPoll, Severity, SlotControl, SlotState, Thaw, Width,
};

/// Answers anything.
#[derive(Clone, Copy)]
pub struct Unknown;

impl Opal for Unknown {
    fn pci_eeh_freeze_status(&self, phb: u64, pe: u64, out: &mut FreezeStatus) -> i64 {
        *out = black_box(FreezeStatus::default());
        black_box(answer(phb, pe))
    }
    fn pci_eeh_freeze_clear(&self, phb: u64, pe: u64, action: u64) -> i64 {
        answer(phb, pe ^ action)
    }
    fn pci_eeh_freeze_set(&self, phb: u64, pe: u64, action: u64) -> i64 {
        answer(phb, pe ^ action)
    }
    fn pci_reset(&self, id: u64, scope: u8, assert: u8) -> i64 {
        answer(id, u64::from(scope ^ assert))
    }
    fn pci_poll(&self, id: u64) -> i64 {
        answer(id, 0)
    }
    fn pci_next_error(&self, phb: u64, out: &mut NextErrorOut) -> i64 {
        *out = black_box(NextErrorOut::default());
        answer(phb, 0)
    }
    fn pci_get_phb_diag_data2(&self, phb: u64, buffer: &mut [u8]) -> i64 {
        buffer.fill(black_box(0));
        answer(phb, 0)
    }
    fn pci_get_hub_diag_data(&self, hub: u64, buffer: &mut [u8]) -> i64 {
        buffer.fill(black_box(0));
        answer(hub, 0)
    }
    fn pci_reinit(&self, phb: u64, scope: u64, data: u64) -> i64 {
        answer(phb, scope ^ data)
    }
    fn pci_err_inject(&self, phb: u64, pe: u32, kind: u32, function: u32, address: u64, mask: u64) -> i64 {
        answer(phb ^ address ^ mask, u64::from(pe ^ kind ^ function))
    }
    fn pci_config_read(&self, phb: u64, bdf: u16, offset: u16, size: u8, out: &mut u32) -> i64 {
        *out = black_box(0);
        answer(phb, u64::from(bdf ^ offset ^ u16::from(size)))
    }
    fn pci_config_write(&self, phb: u64, bdf: u16, offset: u16, size: u8, value: u32) -> i64 {
        answer(phb ^ u64::from(value), u64::from(bdf ^ offset ^ u16::from(size)))
    }
}

impl Phbs for Unknown {
    fn facts(&self, phb: u64) -> Option<PhbFacts> {
        let _ = phb;
        black_box(None)
    }
    fn rearm(&self, phb: u64) {
        let _phb = black_box(phb);
    }
    fn line(&self, phb: u64, line: fmt::Arguments<'_>) {
        let _phb = black_box(phb);
        print(line);
    }
}

fn answer(a: u64, b: u64) -> i64 {
    black_box((a ^ b).cast_signed())
}

/// Formats, and lets the text go.
pub fn print(line: fmt::Arguments<'_>) {
    struct Nowhere;
    impl fmt::Write for Nowhere {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let _text = black_box(text);
            Ok(())
        }
    }
    let _written = fmt::write(&mut Nowhere, line);
}

pub static POWERNV: PowerNv<Unknown, Unknown> = PowerNv::new(Unknown, Unknown);

#[unsafe(no_mangle)]
pub fn powernv_state(pe: &PeTarget) -> Result<FreezeState, FirmwareError> {
    POWERNV.state(pe)
}

#[unsafe(no_mangle)]
pub fn powernv_freeze(pe: &PeTarget) -> Result<(), FirmwareError> {
    POWERNV.freeze(pe)
}

#[unsafe(no_mangle)]
pub fn powernv_thaw(pe: &PeTarget, what: Thaw) -> Result<(), FirmwareError> {
    POWERNV.thaw(pe, what)
}

#[unsafe(no_mangle)]
pub fn powernv_begin_reset(pe: &PeTarget, point: &ResetPoint, kind: ResetKind) -> Reset {
    POWERNV.begin_reset(pe, point, kind)
}

#[unsafe(no_mangle)]
pub fn powernv_poll_reset(reset: &mut Reset, now: Time) -> ResetPoll {
    POWERNV.poll_reset(reset, now)
}

#[unsafe(no_mangle)]
pub fn powernv_abandon_reset(reset: &mut Reset) {
    POWERNV.abandon_reset(reset);
}

#[unsafe(no_mangle)]
pub fn powernv_configure(pe: &PeTarget, now: Time) -> ConfigurePoll {
    let mut configure = POWERNV.begin_configure(pe);
    POWERNV.poll_configure(&mut configure, now)
}

#[unsafe(no_mangle)]
pub fn powernv_reinit(device: &DeviceTarget) -> Result<(), FirmwareError> {
    POWERNV.reinit(device)
}

#[unsafe(no_mangle)]
pub fn powernv_read(device: &DeviceTarget, offset: u16, width: Width) -> Result<u32, FirmwareError> {
    POWERNV.read(device, offset, width)
}

#[unsafe(no_mangle)]
pub fn powernv_write(
    device: &DeviceTarget,
    offset: u16,
    width: Width,
    value: u32,
) -> Result<(), FirmwareError> {
    POWERNV.write(device, offset, width, value)
}

#[unsafe(no_mangle)]
pub fn powernv_capture(
    pe: &PeTarget,
    severity: Severity,
    driver: &[u8],
    buffer: &mut [u8],
) -> Result<usize, FirmwareError> {
    POWERNV.capture(pe, severity, driver, buffer)
}

#[unsafe(no_mangle)]
pub fn powernv_print(phb: &PhbTarget, data: &[u8], line: &mut dyn FnMut(fmt::Arguments<'_>)) {
    ErrorLog::print(&POWERNV, phb, data, line);
}

#[unsafe(no_mangle)]
pub fn powernv_next_error(phb: &PhbTarget) -> Result<NextError, FirmwareError> {
    POWERNV.next_error(phb)
}

#[unsafe(no_mangle)]
pub fn powernv_inject(pe: &PeTarget, error: &Injection) -> Result<(), InjectError> {
    POWERNV.inject(pe, error)
}

#[unsafe(no_mangle)]
pub fn firmware_error(error: FirmwareError) {
    print(format_args!("{error}"));
}
