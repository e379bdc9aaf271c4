// SPDX-License-Identifier: GPL-2.0-or-later
//! What administrators write into debugfs and sysfs: a command, which means the same when it is written
//! out again, or none.
#![no_main]

use eeh_recovery::{ForceRecover, InjectCommand, parse_device, reads_as_state};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Some(command) = ForceRecover::parse(text) {
        let again = match command {
            ForceRecover::Check => "hwcheck\n".to_owned(),
            ForceRecover::Pe(phb, pe) => format!("{:x}:{:x}", phb.0, pe.0),
        };
        assert_eq!(ForceRecover::parse(again.as_bytes()), Some(command));
    }
    if let Some((phb, bdf)) = parse_device(text) {
        let (bus, device, function) = (bdf.0 >> 8, bdf.0 >> 3 & 0x1f, bdf.0 & 7);
        let again = format!("{:04x}:{bus:02x}:{device:02x}.{function:x}\n", phb.0);
        assert_eq!(parse_device(again.as_bytes()), Some((phb, bdf)));
    }
    if let Some(command) = InjectCommand::parse(text) {
        let InjectCommand { pe, kind, function, address, mask } = command;
        let again = format!("{:x}:{kind:x}:{function:x}:{address:x}:{mask:x}", pe.0);
        assert_eq!(InjectCommand::parse(again.as_bytes()), Some(command));
    }
    if reads_as_state(text) {
        let plain = |byte: u8| byte.is_ascii_hexdigit() || b" \nxX".contains(&byte);
        assert!(text.iter().all(|byte| plain(*byte)), "{text:?}");
    }
});
