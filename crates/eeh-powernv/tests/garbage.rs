// SPDX-License-Identifier: GPL-2.0-or-later
//! Firmware that answers outside its specification: every call with every class of garbage. Nothing panics,
//! nothing goes on for ever, nothing is taken for success, and the raw value is told.

use core::cell::Cell;
use core::fmt;
use core::time::Duration;

use eeh_pe::{Bdf, DeviceFlags, DeviceId, PeId, PeNumber, PeType, PhbNumber, Time, TreeId};
use eeh_powernv::opal::{FreezeStatus, NextErrorOut, Opal};
use eeh_powernv::{Injection, PhbFacts, PhbModel, Phbs, PowerNv};
use eeh_recovery::*;

/// Codes that no call may answer, a wait of 2^31 ms among them.
const CODES: [i64; 8] = [-3, -1000, i64::MIN, 1 << 31, 1 << 40, i64::MAX, -2_147_483_648, -9999];

/// Answers everything with one code, and outputs with one pattern.
#[derive(Default)]
struct Mad {
    code: Cell<i64>,
    bytes: Cell<u8>,
    next: Cell<NextErrorOut>,
    status: Cell<FreezeStatus>,
    /// Resets asserted less those released.
    held: Cell<i32>,
    calls: Cell<u32>,
}

impl Mad {
    fn answer(&self) -> i64 {
        self.calls.set(self.calls.get() + 1);
        self.code.get()
    }
}

impl Opal for &Mad {
    fn pci_eeh_freeze_status(&self, _: u64, _: u64, out: &mut FreezeStatus) -> i64 {
        *out = self.status.get();
        self.answer()
    }
    fn pci_eeh_freeze_clear(&self, _: u64, _: u64, _: u64) -> i64 {
        self.answer()
    }
    fn pci_eeh_freeze_set(&self, _: u64, _: u64, _: u64) -> i64 {
        self.answer()
    }
    fn pci_reset(&self, _: u64, _: u8, assert: u8) -> i64 {
        self.held.set(if assert == eeh_powernv::opal::reset::ASSERT { 1 } else { 0 });
        self.answer()
    }
    fn pci_poll(&self, _: u64) -> i64 {
        self.answer()
    }
    fn pci_next_error(&self, _: u64, out: &mut NextErrorOut) -> i64 {
        *out = self.next.get();
        self.answer()
    }
    fn pci_get_phb_diag_data2(&self, _: u64, buffer: &mut [u8]) -> i64 {
        buffer.fill(self.bytes.get());
        self.answer()
    }
    fn pci_get_hub_diag_data(&self, _: u64, buffer: &mut [u8]) -> i64 {
        buffer.fill(self.bytes.get());
        self.answer()
    }
    fn pci_reinit(&self, _: u64, _: u64, _: u64) -> i64 {
        self.answer()
    }
    fn pci_err_inject(&self, _: u64, _: u32, _: u32, _: u32, _: u64, _: u64) -> i64 {
        self.answer()
    }
    fn pci_config_read(&self, _: u64, _: u16, _: u16, _: u8, out: &mut u32) -> i64 {
        *out = u32::from_ne_bytes([self.bytes.get(); 4]);
        self.answer()
    }
    fn pci_config_write(&self, _: u64, _: u16, _: u16, _: u8, _: u32) -> i64 {
        self.answer()
    }
}

struct One;

impl Phbs for One {
    fn facts(&self, _: u64) -> Option<PhbFacts> {
        Some(PhbFacts { model: PhbModel::Phb4, hub: 1, diag_size: 8576, pe_count: 512 })
    }
    fn rearm(&self, _: u64) {}
    fn line(&self, _: u64, _: fmt::Arguments<'_>) {}
}

fn phb() -> PhbTarget {
    PhbTarget { tree: TreeId::NONE, number: PhbNumber(1), firmware: 3 }
}

fn pe(kind: PeType) -> PeTarget {
    PeTarget { pe: PeId::NONE, phb: phb(), number: PeNumber(5), kind }
}

fn port() -> DeviceTarget {
    DeviceTarget {
        device: DeviceId::NONE,
        phb: phb(),
        bdf: Bdf(0x0210),
        flags: DeviceFlags::BRIDGE | DeviceFlags::DS_PORT,
        pcie_cap: 0x40,
        aer_cap: 0x100,
        af_cap: 0,
        pcix_cap: 0,
        reset_by_firmware: true,
        link_active_reporting: false,
        conventional: false,
    }
}

#[test]
fn a_code_outside_the_specification_is_a_failure_that_names_it() {
    let opal = Mad::default();
    let back = PowerNv::new(&opal, One);
    for code in CODES {
        opal.code.set(code);
        let told = |call: &str, result: Result<(), FirmwareError>| {
            let error = result.expect_err(call).to_string();
            assert!(error.contains(&code.to_string()), "{call} answered {code}: {error}");
        };
        for kind in [PeType::PHB, PeType::DEVICE, PeType::VF] {
            told("freeze status", back.state(&pe(kind)).map(drop));
        }
        told("freeze set", back.freeze(&pe(PeType::DEVICE)));
        for what in [Thaw::Mmio, Thaw::Dma, Thaw::All] {
            told("freeze clear", back.thaw(&pe(PeType::DEVICE), what));
        }
        told("clear unknown", back.clear_unknown(&phb(), PeNumber(u32::MAX)));
        told("next error", back.next_error(&phb()).map(drop));
        told("diag", back.capture(&pe(PeType::DEVICE), Severity::Temporary, &[], &mut [0; 64]).map(drop));
        told("config read", back.read(&port(), 0, Width::Word).map(drop));
        told("config write", back.write(&port(), 0, Width::Word, 0));
        let injection = Injection { kind: 0, function: 0, address: 0, mask: 0 };
        assert!(back.inject(&pe(PeType::DEVICE), &injection).is_err(), "{code}");
    }
}

#[test]
fn a_reset_comes_to_an_end_released_and_failed_whatever_firmware_says() {
    let opal = Mad::default();
    let back = PowerNv::new(&opal, One);
    // 5 ms for ever is no garbage in itself.
    for code in CODES.into_iter().chain([5, 59_000]) {
        opal.code.set(code);
        for point in [ResetPoint::Phb, ResetPoint::RootBus, ResetPoint::Bridge(port())] {
            for kind in [ResetKind::Hot, ResetKind::Fundamental] {
                let mut reset = back.begin_reset(&pe(PeType::DEVICE), &point, kind);
                let mut now = Time::ZERO;
                let mut polls = 0;
                let end = loop {
                    polls += 1;
                    assert!(polls < 50_000, "{code} at {point:?}: it never ends");
                    match back.poll_reset(&mut reset, now) {
                        ResetPoll::Wait { until, .. } => now = until,
                        end @ (ResetPoll::Done | ResetPoll::Failed(_)) => break end,
                    }
                };
                assert!(matches!(end, ResetPoll::Failed(_)), "{code} at {point:?}: {end:?}");
                assert!(now.since(Time::ZERO) <= Duration::from_secs(120), "{code} at {point:?}");
                assert_eq!(opal.held.get(), 0, "{code} at {point:?}: it is still asserted");
            }
        }
    }
}

#[test]
fn outputs_outside_the_specification_are_no_state_and_no_error() {
    let opal = Mad::default();
    let back = PowerNv::new(&opal, One);
    for freeze_state in 7..=u8::MAX {
        opal.status.set(FreezeStatus { freeze_state, pci_error_type: 0 });
        assert!(back.state(&pe(PeType::DEVICE)).is_err(), "{freeze_state}");
    }
    for pci_error_type in (6..1000).chain([0x7fff, 0xffff]) {
        opal.status.set(FreezeStatus { freeze_state: 0, pci_error_type });
        assert!(back.state(&pe(PeType::DEVICE)).is_err(), "{pci_error_type}");
    }
    for first_frozen_pe in [512, 513, 1 << 16, 1 << 32, u64::MAX] {
        for pci_error_type in 3..=5 {
            for severity in 0..8 {
                opal.next.set(NextErrorOut { first_frozen_pe, pci_error_type, severity });
                let answer = back.next_error(&phb());
                assert!(!matches!(answer, Ok(NextError::FrozenPe(_))), "{first_frozen_pe:x}: {answer:?}");
            }
        }
    }
    for pci_error_type in 6..100 {
        opal.next.set(NextErrorOut { first_frozen_pe: 1, pci_error_type, severity: 1 });
        assert!(back.next_error(&phb()).is_err(), "{pci_error_type}");
    }
}

#[test]
fn an_informative_error_of_the_hub_that_never_ends_is_left_to_the_next_interrupt() {
    let opal = Mad::default();
    let back = PowerNv::new(&opal, One);
    opal.next.set(NextErrorOut { first_frozen_pe: 0, pci_error_type: 1, severity: 5 });
    let _ = back.next_error(&phb());
    assert!(opal.calls.get() < 100, "{}", opal.calls.get());
}

#[test]
fn data_of_any_length_and_content_are_printed_without_harm() {
    let opal = Mad::default();
    let back = PowerNv::new(&opal, One);
    for bytes in [0, 1, 4, 0x7f, 0x80, 0xff] {
        opal.bytes.set(bytes);
        for room in [0, 1, 7, 8, 63, 64, 1000, 8575, 8576, 20_000] {
            let mut buffer = vec![0xa5; room];
            let size =
                back.capture(&pe(PeType::DEVICE), Severity::Permanent, &[], &mut buffer).expect("success");
            assert!(size <= room);
            let mut lines = 0;
            back.print(&phb(), buffer.get(..size).unwrap_or_default(), &mut |_| lines += 1);
            assert!(lines < 20_000, "{bytes} {room}");
        }
    }
}
