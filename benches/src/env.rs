// SPDX-License-Identifier: GPL-2.0-or-later
//! The environment of the measured code: a host with spinlocks.

use core::cell::Cell;

use eeh_pe::sync::SpinLock;
use eeh_pe::{Env, Memory};

thread_local! {
    static CPU: Cell<usize> = const { Cell::new(0) };
}

/// Threads that call themselves CPUs.
pub struct Host;

impl Host {
    /// Makes the calling thread CPU `cpu`.
    pub fn enter(cpu: usize) {
        CPU.set(cpu);
    }
}

impl Env for Host {
    type Lock<T: Send> = SpinLock<T>;
    type Mutex<T: Send> = SpinLock<T>;
    type Own<T: Send + Sync> = Box<T>;
    type Slice<T: Send + Sync> = Box<[T]>;
    type Once<T: Send + Sync> = eeh_pe::sync::Once<T>;
    type Device = ();

    #[inline]
    fn cpu() -> usize {
        CPU.get()
    }
}

impl Memory for Host {
    fn own<T: Send + Sync>(value: T) -> Option<Box<T>> {
        Some(Box::new(value))
    }

    fn slice<T: Send + Sync>(len: usize, make: impl FnMut(usize) -> Option<T>) -> Option<Box<[T]>> {
        (0..len).map(make).collect()
    }
}
