// SPDX-License-Identifier: GPL-2.0-or-later
//! `ibm,slot-error-detail` of a firmware that answers anything: what it wrote is fetched as far as there is room,
//! nothing behind it is touched, and printing it ends.
//!
//! Input: status (4 bytes), the size of a log (2), the size of the buffer (2), flags (1), then the log.
#![no_main]

use eeh_pe::{PeId, PeNumber, PeType, PhbNumber, TreeId};
use eeh_pseries::rtas::{Address, ErrorClass, Rtas, Services, SlotResetState};
use eeh_pseries::{MAX_LOG, PSeries};
use eeh_recovery::{ErrorLog, PeTarget, PhbTarget, Severity};
use libfuzzer_sys::fuzz_target;

/// Firmware that does one call only.
struct Firmware<'a> {
    status: i32,
    size: usize,
    log: &'a [u8],
    keeps_events: bool,
}

impl Rtas for Firmware<'_> {
    fn services(&self) -> Services {
        Services::all()
    }
    fn error_log_max(&self) -> usize {
        self.size
    }
    fn slot_error_detail(&self, _pe: Address, _driver: &[u8], log: &mut [u8], _function: u32) -> i32 {
        let len = self.log.len().min(log.len());
        log[..len].copy_from_slice(&self.log[..len]);
        self.status
    }
    fn log_error(&self, log: &[u8]) -> bool {
        assert!(log.len() <= MAX_LOG);
        self.keeps_events
    }
    fn errinjct_token(&self, _class: ErrorClass) -> Option<u32> {
        None
    }
    fn set_eeh_option(&self, _pe: Address, _function: u32) -> i32 {
        -1
    }
    fn set_slot_reset(&self, _pe: Address, _function: u32) -> i32 {
        -1
    }
    fn read_slot_reset_state2(&self, _pe: Address, _out: &mut SlotResetState) -> i32 {
        -1
    }
    fn read_slot_reset_state(&self, _pe: Address, _out: &mut SlotResetState) -> i32 {
        -1
    }
    fn get_config_addr_info2(&self, _device: Address, _function: u32, _out: &mut u32) -> i32 {
        -1
    }
    fn get_config_addr_info(&self, _device: Address, _function: u32, _out: &mut u32) -> i32 {
        -1
    }
    fn configure_pe(&self, _pe: Address) -> i32 {
        -1
    }
    fn configure_bridge(&self, _pe: Address) -> i32 {
        -1
    }
    fn open_sriov_allow_unfreeze(&self, _pf: Address, _pes: &[u16]) -> i32 {
        -1
    }
    fn open_errinjct(&self, _session: &mut u32) -> i32 {
        -1
    }
    fn errinjct(&self, _class: u32, _session: u32, _work: &[u32]) -> i32 {
        -1
    }
    fn close_errinjct(&self, _session: u32) -> i32 {
        -1
    }
    fn read_pci_config(&self, _register: Address, _size: u32, _out: &mut u32) -> i32 {
        -1
    }
    fn write_pci_config(&self, _register: Address, _size: u32, _value: u32) -> i32 {
        -1
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&[a, b, c, d, e, f, g, h, flags], log)) = data.split_first_chunk() else { return };
    let status = i32::from_be_bytes([a, b, c, d]);
    let (size, room) = (u16::from_be_bytes([e, f]).into(), usize::from(u16::from_be_bytes([g, h])) % 4096);
    let firmware = PSeries::new(Firmware { status, size, log, keeps_events: flags & 1 != 0 });
    let firmware = firmware.expect("all calls are there");
    let phb = PhbTarget { tree: TreeId::NONE, number: PhbNumber(1), firmware: 2 };
    let kind = if flags & 2 != 0 { PeType::PHB } else { PeType::BUS };
    let pe = PeTarget { pe: PeId::NONE, phb, number: PeNumber(3), kind };
    let severity = if flags & 4 != 0 { Severity::Permanent } else { Severity::Temporary };

    let mut buffer = vec![0xee; room];
    // What the driver adds is as much input as what firmware answers.
    let driver = &log[..log.len() / 2];
    let answer = firmware.capture(&pe, severity, driver, &mut buffer);
    let limit = firmware.log_size().min(room);
    assert!(buffer[limit..].iter().all(|byte| *byte == 0xee), "written behind the log");
    if let Ok(length) = answer {
        assert!(length <= limit, "{length} of {limit} bytes");
        firmware.print(&phb, &buffer[..length], &mut |line| assert!(line.to_string().len() <= 120));
    }
    firmware.print(&phb, &log[..log.len().min(MAX_LOG)], &mut |line| assert!(line.to_string().len() <= 120));
});
