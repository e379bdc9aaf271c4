// SPDX-License-Identifier: GPL-2.0-or-later
//! A box is forgotten.

fn main() {
    // Deeper than what a stack or a register may still hold when the program ends.
    for value in 0..100 {
        std::mem::forget(std::hint::black_box(Box::new([value; 100])));
    }
}
