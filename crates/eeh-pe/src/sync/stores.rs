// SPDX-License-Identifier: GPL-2.0-or-later
//! Which shared memory this thread has written, for the test that checks write to none.
//!
//! Complete because the crate has no unsafe code: what several threads see is changed through these
//! atomics, through a set-once cell or under a lock, and each of them tells.

extern crate std;

use std::cell::RefCell;
use std::thread_local;
use std::vec::Vec;

thread_local! {
    static WRITTEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// `place` is about to be written, or locked for writing.
pub(crate) fn wrote<T>(place: &T) {
    let address = core::ptr::from_ref(place).addr();
    WRITTEN.with_borrow_mut(|written| written.push(address));
}

/// The addresses that this thread has written since it last asked, in order.
#[must_use]
pub fn take() -> Vec<usize> {
    WRITTEN.take()
}
