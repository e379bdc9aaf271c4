// SPDX-License-Identifier: GPL-2.0-or-later
//! A machine's dump and the files beside it: refused with a reason, or a machine that is the same when it is written and read again.
//!
//! Input: the dump; after a line `@@NAME` the file of that name beside it.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use test_utils::topology::{Beside, MachineSpec, Topology};

/// What stands between `@@NAME` and the next of its kind.
fn section<'a>(data: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mark = format!("\n@@{name}\n").into_bytes();
    let start = data.windows(mark.len()).position(|window| window == mark)? + mark.len();
    Some(up_to_mark(&data[start..]))
}

fn up_to_mark(data: &[u8]) -> &[u8] {
    let end = data.windows(3).position(|window| window == b"\n@@").map_or(data.len(), |at| at + 1);
    &data[..end]
}

/// Addresses and configuration spaces.
fn essence(machine: &MachineSpec) -> Vec<(String, Vec<u8>)> {
    machine.functions().map(|(at, function)| (at.to_string(), function.config.clone())).collect()
}

fuzz_target!(|data: &[u8]| {
    let name = Path::new("dump");
    let beside = Beside {
        sysfs: section(data, "sysfs"),
        address_cache: section(data, "cache"),
        device_tree: section(data, "tree"),
        boot_log: section(data, "log"),
    };
    let machine = match Topology::parse_all(up_to_mark(data), &beside, name) {
        Ok(machine) => machine,
        Err(error) => {
            assert!(error.to_string().starts_with("dump"), "{error}");
            return;
        }
    };
    let (text, sysfs) = (machine.to_lspci(), machine.to_sysfs());
    let (cache, log) = (machine.to_address_cache(), machine.to_boot_log());
    let written = Beside {
        sysfs: Some(sysfs.as_bytes()),
        address_cache: Some(cache.as_bytes()),
        device_tree: None,
        boot_log: Some(log.as_bytes()),
    };
    let again = Topology::parse_all(text.as_bytes(), &written, name);
    let again = again.unwrap_or_else(|error| panic!("cannot read what was written: {error}\n{text}"));
    assert_eq!(essence(&again), essence(&machine));
});
