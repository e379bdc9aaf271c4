// SPDX-License-Identifier: GPL-2.0-or-later
//! eeh-pseries over a firmware of which the compiler knows nothing.

use core::fmt;
use core::hint::black_box;

use eeh_pe::{Bdf, PeNumber, Time};
use eeh_pseries::{
    Address, Configure, ErrorClass, InjectError, Injection, PSeries, Reset, Rtas, Services, SlotResetState,
    StartReset,
};
use eeh_recovery::{
    ConfigSpace, ConfigurePoll, DeviceTarget, ErrorLog, ErrorSource, FirmwareError, FreezeState, NextError,
    PeTarget, PhbTarget, ResetKind, ResetPoint, ResetPoll, Severity, SlotControl, SlotState, Thaw, Width,
};

/// Answers anything.
#[derive(Clone, Copy)]
pub struct Unknown;

fn answer(at: Address, more: u32) -> i32 {
    black_box((at.config_addr ^ more ^ at.unit_id()[1]).cast_signed())
}

impl Rtas for Unknown {
    fn services(&self) -> Services {
        black_box(Services::all())
    }
    fn error_log_max(&self) -> usize {
        black_box(0)
    }
    fn errinjct_token(&self, class: ErrorClass) -> Option<u32> {
        let _class = black_box(class);
        black_box(None)
    }
    fn set_eeh_option(&self, pe: Address, function: u32) -> i32 {
        answer(pe, function)
    }
    fn set_slot_reset(&self, pe: Address, function: u32) -> i32 {
        answer(pe, function)
    }
    fn read_slot_reset_state2(&self, pe: Address, out: &mut SlotResetState) -> i32 {
        *out = black_box(SlotResetState::default());
        answer(pe, 0)
    }
    fn read_slot_reset_state(&self, pe: Address, out: &mut SlotResetState) -> i32 {
        self.read_slot_reset_state2(pe, out)
    }
    fn get_config_addr_info2(&self, device: Address, function: u32, out: &mut u32) -> i32 {
        *out = black_box(0);
        answer(device, function)
    }
    fn get_config_addr_info(&self, device: Address, function: u32, out: &mut u32) -> i32 {
        self.get_config_addr_info2(device, function, out)
    }
    fn configure_pe(&self, pe: Address) -> i32 {
        answer(pe, 0)
    }
    fn configure_bridge(&self, pe: Address) -> i32 {
        answer(pe, 1)
    }
    fn slot_error_detail(&self, pe: Address, driver: &[u8], log: &mut [u8], function: u32) -> i32 {
        let _driver = black_box(driver);
        log.fill(black_box(0));
        answer(pe, function)
    }
    fn open_sriov_allow_unfreeze(&self, pf: Address, pes: &[u16]) -> i32 {
        let _pes = black_box(pes);
        answer(pf, 0)
    }
    fn open_errinjct(&self, session: &mut u32) -> i32 {
        *session = black_box(0);
        black_box(0)
    }
    fn errinjct(&self, class: u32, session: u32, work: &[u32]) -> i32 {
        let _work = black_box(work);
        black_box((class ^ session).cast_signed())
    }
    fn close_errinjct(&self, session: u32) -> i32 {
        black_box(session.cast_signed())
    }
    fn read_pci_config(&self, register: Address, size: u32, out: &mut u32) -> i32 {
        *out = black_box(0);
        answer(register, size)
    }
    fn write_pci_config(&self, register: Address, size: u32, value: u32) -> i32 {
        answer(register, size ^ value)
    }
    fn log_error(&self, log: &[u8]) -> bool {
        black_box(log).is_empty()
    }
}

type Back = PSeries<Unknown>;

#[unsafe(no_mangle)]
pub fn pseries_new() -> Result<Back, FirmwareError> {
    PSeries::new(Unknown)
}

#[unsafe(no_mangle)]
pub fn pseries_probe(back: &Back, buid: u64, device: Bdf) -> Result<Option<PeNumber>, FirmwareError> {
    back.probe(buid, device)
}

#[unsafe(no_mangle)]
pub fn pseries_state(back: &Back, pe: &PeTarget) -> Result<FreezeState, FirmwareError> {
    back.state(pe)
}

#[unsafe(no_mangle)]
pub fn pseries_freeze(back: &Back, pe: &PeTarget) -> Result<(), FirmwareError> {
    back.freeze(pe)
}

#[unsafe(no_mangle)]
pub fn pseries_thaw(back: &Back, pe: &PeTarget, what: Thaw) -> Result<(), FirmwareError> {
    back.thaw(pe, what)
}

#[unsafe(no_mangle)]
pub fn pseries_begin_reset(back: &Back, pe: &PeTarget, point: &ResetPoint, kind: ResetKind) -> Reset {
    back.begin_reset(pe, point, kind)
}

#[unsafe(no_mangle)]
pub fn pseries_poll_reset(back: &Back, reset: &mut Reset, now: Time) -> ResetPoll {
    back.poll_reset(reset, now)
}

#[unsafe(no_mangle)]
pub fn pseries_abandon_reset(back: &Back, reset: &mut Reset) {
    back.abandon_reset(reset);
}

#[unsafe(no_mangle)]
pub fn pseries_begin_configure(back: &Back, pe: &PeTarget) -> Configure {
    SlotControl::begin_configure(back, pe)
}

#[unsafe(no_mangle)]
pub fn pseries_poll_configure(back: &Back, configure: &mut Configure, now: Time) -> ConfigurePoll {
    back.poll_configure(configure, now)
}

#[unsafe(no_mangle)]
pub fn pseries_begin_start_reset(
    back: &Back,
    buid: u64,
    first: Bdf,
) -> Result<Option<StartReset>, FirmwareError> {
    back.begin_start_reset(buid, first)
}

#[unsafe(no_mangle)]
pub fn pseries_poll_start_reset(back: &Back, start: &mut StartReset, now: Time) -> ResetPoll {
    back.poll_start_reset(start, now)
}

#[unsafe(no_mangle)]
pub fn pseries_read(
    back: &Back,
    device: &DeviceTarget,
    offset: u16,
    width: Width,
) -> Result<u32, FirmwareError> {
    back.read(device, offset, width)
}

#[unsafe(no_mangle)]
pub fn pseries_write(
    back: &Back,
    device: &DeviceTarget,
    offset: u16,
    width: Width,
    value: u32,
) -> Result<(), FirmwareError> {
    back.write(device, offset, width, value)
}

#[unsafe(no_mangle)]
pub fn pseries_error_detail(
    back: &Back,
    pe: Address,
    severity: Severity,
    driver: &[u8],
    log: &mut [u8],
) -> Result<usize, FirmwareError> {
    back.error_detail(pe, severity, driver, log)
}

#[unsafe(no_mangle)]
pub fn pseries_capture(
    back: &Back,
    pe: &PeTarget,
    severity: Severity,
    driver: &[u8],
    buffer: &mut [u8],
) -> Result<usize, FirmwareError> {
    back.capture(pe, severity, driver, buffer)
}

#[unsafe(no_mangle)]
pub fn pseries_print(back: &Back, phb: &PhbTarget, data: &[u8], line: &mut dyn FnMut(fmt::Arguments<'_>)) {
    back.print(phb, data, line);
}

#[unsafe(no_mangle)]
pub fn pseries_next_error(back: &Back, phb: &PhbTarget) -> Result<NextError, FirmwareError> {
    back.next_error(phb)
}

#[unsafe(no_mangle)]
pub fn pseries_clear_unknown(back: &Back, phb: &PhbTarget, number: PeNumber) -> Result<(), FirmwareError> {
    back.clear_unknown(phb, number)
}

#[unsafe(no_mangle)]
pub fn pseries_allow_unfreeze(back: &Back, buid: u64, pf: Bdf, pes: &[u16]) -> Result<(), FirmwareError> {
    back.allow_unfreeze(buid, pf, pes)
}

#[unsafe(no_mangle)]
pub fn pseries_inject(back: &Back, pe: &PeTarget, error: &Injection) -> Result<(), InjectError> {
    back.inject(pe, error)
}
