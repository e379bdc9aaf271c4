// SPDX-License-Identifier: GPL-2.0-or-later
//! A planted fault, which the fuzzer must find: one that finds nothing here finds nothing elsewhere.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut rest = text.iter();
    for wanted in b"freeze" {
        // One at a time: the fuzzer sees each that is right.
        if core::hint::black_box(rest.next()) != Some(wanted) {
            return;
        }
    }
    panic!("the planted fault");
});
