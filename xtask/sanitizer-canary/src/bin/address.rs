// SPDX-License-Identifier: GPL-2.0-or-later
//! A box is read after it was freed.

fn main() {
    // Else the optimiser sees through it, and there is no heap at all.
    let word = std::hint::black_box(Box::new(7));
    let freed: *const u64 = &raw const *word;
    drop(word);
    // SAFETY: none. This is the planted fault.
    std::process::exit((unsafe { freed.read_volatile() } == 8).into());
}
