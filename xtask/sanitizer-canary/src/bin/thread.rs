// SPDX-License-Identifier: GPL-2.0-or-later
//! Two threads write one word without any order between them.

use std::cell::UnsafeCell;
use std::thread;

struct Word(UnsafeCell<u64>);

// SAFETY: none. This is the planted fault.
unsafe impl Sync for Word {}

static WORD: Word = Word(UnsafeCell::new(0));

fn write() {
    for value in 0..1000 {
        // SAFETY: none: the other thread writes too.
        unsafe { WORD.0.get().write_volatile(value) };
    }
}

fn main() {
    let other = thread::spawn(write);
    write();
    other.join().expect("it only writes");
}
