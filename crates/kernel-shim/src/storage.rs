// SPDX-License-Identifier: GPL-2.0-or-later
//! Memory for trees: reserved where sleeping is allowed, never under a lock.

use eeh_pe::Memory;
use kernel::alloc::flags::GFP_KERNEL;
use kernel::alloc::{KBox, KVVec};

use crate::env::KernelEnv;

impl Memory for KernelEnv {
    fn own<T: Send + Sync>(value: T) -> Option<KBox<T>> {
        KBox::new(value, GFP_KERNEL).ok()
    }

    fn slice<T: Send + Sync>(len: usize, mut make: impl FnMut(usize) -> Option<T>) -> Option<KVVec<T>> {
        let mut slice = KVVec::with_capacity(len, GFP_KERNEL).ok()?;
        for index in 0..len {
            slice.push_within_capacity(make(index)?).ok()?;
        }
        Some(slice)
    }
}
