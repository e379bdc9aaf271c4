// SPDX-License-Identifier: GPL-2.0-or-later
//! A box is read after it was freed.

fn main() {
    let freed: *const u64 = &raw const *Box::new(7);
    // SAFETY: none. This is the planted fault.
    std::process::exit((unsafe { freed.read_volatile() } == 8).into());
}
